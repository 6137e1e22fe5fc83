"""A time limit for a learner's function, on every system: by timers of the operating system, else by a thread that
watches."""

import contextlib
import ctypes
import itertools
import signal
import threading
import time
from collections.abc import Iterator

LOOK_EVERY_S = 0.05
TICKS = 100  # how finely waiting is counted


class TimeIsUp(BaseException):
    """The answer ran longer than the exercise allows (a BaseException, so that `except Exception` cannot swallow
    it)."""


def time_limit(seconds: float) -> contextlib.AbstractContextManager[None]:
    """Interrupt the body after so many seconds of computing, or ten times as many of waiting (a busy machine is
    nobody's mistake). Waiting is counted in ticks, of which a laptop that sleeps hears one at most when it wakes.

    Without the system's timers (Windows, another thread than the main one) one call into compiled code is not
    interrupted before it returns.
    """
    timers = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    return _by_timers(seconds) if timers else _by_a_watcher(seconds)


@contextlib.contextmanager
def _by_timers(seconds: float) -> Iterator[None]:
    ticks = itertools.count(1)

    def stop(*_):
        raise TimeIsUp

    def tick(*_):
        if next(ticks) >= TICKS:
            raise TimeIsUp

    timers = ((signal.SIGPROF, signal.ITIMER_PROF, stop), (signal.SIGALRM, signal.ITIMER_REAL, tick))
    before = [signal.signal(s, handler) for s, _, handler in timers]
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, 10 * seconds / TICKS, 10 * seconds / TICKS)
    try:
        yield
    finally:
        for (s, timer, _), handler in zip(timers, before, strict=True):
            signal.setitimer(timer, 0)
            signal.signal(s, handler)


@contextlib.contextmanager
def _by_a_watcher(seconds: float) -> Iterator[None]:
    thread, over, turn = threading.get_ident(), threading.Event(), threading.Lock()

    def watch():
        computed, ticks = time.process_time(), 0
        while not over.wait(LOOK_EVERY_S):
            ticks += 1
            if time.process_time() - computed >= seconds or ticks * LOOK_EVERY_S >= 10 * seconds:
                with turn:  # never after the body has ended
                    if not over.is_set():
                        _raise_in(thread)
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        # One that was raised and has not arrived yet arrives here. It must not be taken back: Python 3.11 would count
        # it as pending for ever, and then hangs as soon as somebody traces (a debugger, coverage).
        with contextlib.suppress(TimeIsUp):
            with turn:
                over.set()
            for _ in range(100):  # Python looks for it at each turn
                pass
        over.set()
        watcher.join()


def _raise_in(thread: int) -> None:
    """Raise TimeIsUp in another thread as soon as it runs Python code again."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(TimeIsUp))
