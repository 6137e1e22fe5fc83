"""A class under load: 60 laptops post once a second, some of them nonsense, while a teacher's page asks.

`MGMR_TEST_LOAD=300 python -m pytest -q -s tests/course/test_room_load.py` runs it for 300 seconds.
"""

import asyncio
import json
import random
import statistics
import time

from tornado.httpclient import AsyncHTTPClient, HTTPRequest

NONSENSE = (
    b"{",
    b"x" * 200_000,
    b'{"exercises": {"99.9": "passed"}}',
    b'{"bets": {"01.a": "<script>alert(1)</script>"}}',
)


class Crowd:
    """What 60 laptops saw: seconds of each answer to a good post, statuses of the bad ones, the last bet kept."""

    def __init__(self, at: str, code: str, key: str, exercises: list[str], numbers: list[str]):
        self.at, self.code, self.key, self.exercises, self.numbers = at, code, key, exercises, numbers
        self.client = AsyncHTTPClient(force_instance=True, max_clients=90)
        self.seconds: list[float] = []
        self.refused: list[int] = []
        self.lost: list[int] = []
        self.kept: dict[int, dict[str, float]] = {}

    async def ask(self, path: str, body: bytes | None = None, token: str = ""):
        request = HTTPRequest(
            self.at + path,
            method="GET" if body is None else "POST",
            body=body,
            headers={"Authorization": f"Bearer {token}"},
            request_timeout=20,
        )
        return await self.client.fetch(request, raise_error=False)

    async def laptop(self, number: int, until: float):
        rng = random.Random(number)
        joined = await self.ask("/join", json.dumps({"code": self.code, "name": f"laptop {number}"}).encode())
        token, mine = json.loads(joined.body)["token"], self.kept.setdefault(number, {})
        while time.monotonic() < until:
            await asyncio.sleep(rng.uniform(0.5, 1.5))
            bets = {rng.choice(self.numbers): rng.randint(0, 10**6)}
            post = {"exercises": {rng.choice(self.exercises): "passed"}, "bets": bets}
            began = time.monotonic()
            answer = await self.ask("/post", json.dumps(post).encode(), token)
            self.seconds.append(time.monotonic() - began)
            if answer.code == 200:
                mine |= bets
            else:
                self.lost.append(answer.code)
            if number % 3 == 0:  # every third one misbehaves as well
                self.refused.append((await self.ask("/post", rng.choice(NONSENSE), token)).code)
                self.refused.append((await self.ask("/post", b"{}", "a stranger")).code)

    async def teacher(self, until: float):
        while time.monotonic() < until:
            await self.ask(f"/state?key={self.key}")
            await asyncio.sleep(2)

    async def run(self, laptops: int, seconds: float):
        until = time.monotonic() + seconds
        await asyncio.gather(self.teacher(until), *(self.laptop(k, until) for k in range(laptops)))

    def in_words(self) -> str:
        cut = statistics.quantiles(self.seconds, n=100)
        return (
            f"{len(self.seconds)} posts, {len(self.lost)} not kept, median {1000 * cut[49]:.0f} ms, p99 "
            f"{1000 * cut[98]:.0f} ms, most {1000 * max(self.seconds):.0f} ms; refused: {sorted(set(self.refused))}"
        )
