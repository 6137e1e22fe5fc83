"""How we measure: interleaved rounds, processor time, medians; memory from the allocator's own events; limits of the
machine."""

import contextlib
import os
import statistics
import time
from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

import torch

Name = TypeVar("Name", bound=Hashable)


@contextlib.contextmanager
def one_thread():
    """torch on one thread, so that processor time is the time of the computation."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def cpu_seconds(call: Callable[[], object]) -> float:
    """Processor time of one call: other programs' turns are not counted."""
    start = time.process_time()
    call()
    return time.process_time() - start


def cuda_seconds(call: Callable[[], object]) -> float:
    """Time of one call on the GPU, between two events."""
    start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    start.record()
    call()
    stop.record()
    torch.cuda.synchronize()
    return start.elapsed_time(stop) / 1e3


def interleaved(
    calls: Mapping[Name, Callable], rounds: int, patience_s: float, clock: Callable = cpu_seconds
) -> dict[Name, dict]:
    """{name: {"median_s", "min_s", "rounds"}}: each round times every call once, so that a slow minute hits all of
    them.

    A first, uncounted call warms up; one that takes longer than `patience_s` is itself the only measurement.
    """
    times: dict[Name, list[float]] = {name: [] for name in calls}
    slow = set()
    for name, call in calls.items():
        first = clock(call)
        if first > patience_s:
            times[name].append(first)
            slow.add(name)
    for _ in range(rounds):
        for name, call in calls.items():
            if name not in slow:
                times[name].append(clock(call))
    return {name: {"median_s": statistics.median(t), "min_s": min(t), "rounds": len(t)} for name, t in times.items()}


def peak_bytes(call: Callable[[], object]) -> int:
    """The most memory that torch held on the CPU during the call beyond what it held before."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # else the profiler writes to the terminal
    call()
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True, acc_events=True) as profile:
        call()
    held = peak = 0
    events = [e for e in profile.profiler.kineto_results.events() if e.name() == "[memory]"]
    for event in sorted(events, key=lambda e: e.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak


def limits() -> dict[str, float]:
    """What this machine can do on one thread: nanoseconds an element in the cache, and bytes a second of memory."""
    x, out = -10 * torch.rand(1 << 15), torch.empty(1 << 15)
    big, target = torch.rand(1 << 25), torch.empty(1 << 25)
    fresh_elements = 1 << 24
    calls = {
        "exp": lambda: [torch.exp(x, out=out) for _ in range(32)],
        "exp2": lambda: [torch.exp2(x, out=out) for _ in range(32)],
        "multiply": lambda: [torch.mul(x, x, out=out) for _ in range(32)],
        "copy": lambda: target.copy_(big),
        "fresh": lambda: torch.empty(fresh_elements).fill_(1.0),
    }
    seconds = {name: t["min_s"] for name, t in interleaved(calls, rounds=7, patience_s=60.0).items()}
    in_cache = {f"{name}_ns": 1e9 * seconds[name] / (32 * len(x)) for name in ("exp", "exp2", "multiply")}
    return in_cache | {
        "bandwidth_bytes_per_s": 2 * 4 * len(big) / seconds["copy"],
        "fresh_memory_bytes_per_s": 4 * fresh_elements / seconds["fresh"],
    }
