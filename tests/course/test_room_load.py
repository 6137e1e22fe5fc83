"""60 laptops, a third of which misbehave: opt in with MGMR_TEST_LOAD=SECONDS."""

import asyncio
import csv
import io
import os
import socket

import pytest

from mgmr_lib.course.room import catalogue
from tests.course.load_of_a_class import Crowd
from tests.course.test_room import started


@pytest.mark.skipif("MGMR_TEST_LOAD" not in os.environ, reason="MGMR_TEST_LOAD=SECONDS runs it")
def test_sixty_laptops_lose_nothing_and_wait_for_nothing(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process, code, key = started(tmp_path, port)
    try:
        known = catalogue.read()
        numbers = [name for name, (_, choices) in known.bets.items() if not choices]

        async def all_of_it():
            crowd = Crowd(f"http://127.0.0.1:{port}", code, key, list(known.exercises), numbers)
            await crowd.run(60, float(os.environ["MGMR_TEST_LOAD"]))
            return crowd, (await crowd.ask(f"/class.csv?key={key}")).body

        crowd, table = asyncio.run(all_of_it())
        print("\n" + crowd.in_words())
        found = {
            (row[1], row[3]): float(row[5])
            for row in csv.reader(io.StringIO(table.decode("utf-8-sig")))
            if row[2] == "bet"
        }
        kept = {(f"laptop {n}", bet): value for n, bets in crowd.kept.items() for bet, value in bets.items()}
        assert kept == found and not crowd.lost
        assert set(crowd.refused) <= {400, 403, 413, 422, 429}
        assert sorted(crowd.seconds)[int(0.99 * len(crowd.seconds))] < 0.3
    finally:
        process.kill()
