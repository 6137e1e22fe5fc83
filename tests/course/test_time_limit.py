"""The limit on a learner's answer: by the system's timers and, where those are missing, by a watching thread."""

import signal
import subprocess
import sys
import threading
import time

import pytest
import torch

from mgmr_lib.course.grading import grade
from mgmr_lib.course.registry import Exercise
from mgmr_lib.course.time_limit import TimeIsUp, _by_a_watcher, time_limit


@pytest.fixture(params=["timers", "watcher"])
def system(request, monkeypatch):
    """Each test runs twice: as on Linux and macOS, and as on Windows, whose signal module has no timers."""
    if request.param == "watcher":
        for name in ("setitimer", "SIGALRM", "SIGPROF", "ITIMER_PROF", "ITIMER_REAL"):
            monkeypatch.delattr(signal, name, raising=False)
    elif not hasattr(signal, "setitimer"):
        pytest.skip("this system has no timers")


def spin(seconds=60.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def test_computing_is_ended(system):
    begun = time.process_time()
    with pytest.raises(TimeIsUp), time_limit(0.3):
        spin()
    assert 0.25 < time.process_time() - begun < 5


def test_waiting_is_ended_ten_times_later(system):
    begun = time.monotonic()
    with pytest.raises(TimeIsUp), time_limit(0.05):
        for _ in range(3000):
            time.sleep(0.01)
    assert 0.4 < time.monotonic() - begun < 20


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="this system stops no process")
@pytest.mark.parametrize("limit", ["_by_timers", "_by_a_watcher"])
def test_a_machine_that_sleeps_ends_no_answer(limit):
    code = (
        "import time; from mgmr_lib.course import time_limit as t\n"
        f"with t.{limit}(0.15):\n"
        "    print('in', flush=True); [time.sleep(0.01) for _ in range(20)]\n"
        "print('whole')"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "in\n"
        process.send_signal(signal.SIGSTOP)
        time.sleep(2)
        process.send_signal(signal.SIGCONT)
        assert process.communicate(timeout=60)[0] == "whole\n"


def test_a_busy_exception_handler_does_not_hide_it(system):
    with pytest.raises(TimeIsUp), time_limit(0.2):
        while True:
            try:
                spin(0.1)
            except Exception:
                pass


def test_a_body_that_ends_in_time_is_left_alone(system):
    for _ in range(20):
        with time_limit(0.05):
            spin(0.001)
    spin(0.3)  # nothing arrives late
    assert threading.active_count() < 20


def test_the_bodys_own_error_passes(system):
    with pytest.raises(ZeroDivisionError), time_limit(5):
        1 / 0  # noqa: B018


def test_an_endless_answer_is_graded(system):
    def endless(x):
        while True:
            x += 1

    spec = Exercise(
        id="01.1", title="t", difficulty=1, minutes=1, reference=lambda x: x, cases=lambda rng: [(1,)],
        hints=("a", "b"), wrong=(), limit_s=0.3,
    )  # fmt: skip
    verdict = grade(spec, endless, lambda error: False)
    assert verdict.state == "wrong" and "does not come to an end" in verdict.message


def test_a_check_computes_with_one_thread_and_gives_the_others_back():
    seen = []

    def answer(x):
        seen.append(torch.get_num_threads())
        raise ValueError

    spec = Exercise(
        id="01.1", title="t", difficulty=1, minutes=1, reference=lambda x: x, cases=lambda rng: [(1,)],
        hints=("a", "b"), wrong=(),
    )  # fmt: skip
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert grade(spec, answer, lambda error: False).state == "wrong"
        assert set(seen) == {1} and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_outside_the_main_thread_there_is_a_limit_too():
    ended = []

    def work():
        try:
            with time_limit(0.3):
                spin()
        except TimeIsUp:
            ended.append("in time")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(20)
    assert ended == ["in time"]


def test_a_limit_at_the_very_end_never_arrives_later():
    """The watcher and the body's end meet again and again at the same moment."""
    for _ in range(30):
        try:
            with _by_a_watcher(0.05):
                spin(0.05)
        except TimeIsUp:
            pass
        spin(0.002)


TRACED = """
import sys
from mgmr_lib.course.time_limit import TimeIsUp, _by_a_watcher

def answer(seconds):
    # Called, as checks call an answer: since Python 3.12 a loop's jump back is outside of its own `with` and `try`.
    while seconds < 1:
        pass

for seconds in (5.0, 0.05):
    try:
        with _by_a_watcher(seconds):
            answer(seconds)
    except TimeIsUp:
        print("ended")

def outer():
    x = 1
    return (lambda: x)()

sys.settrace(lambda *_: None)
outer()
sys.settrace(None)
print("went on")
"""


def test_whoever_traces_after_a_limit_goes_on():
    """Python 3.11 hung here, in any debugger, when an exception had been taken back before it arrived."""
    done = subprocess.run([sys.executable, "-c", TRACED], capture_output=True, text=True, timeout=120)
    assert done.stdout.split("\n")[:2] == ["ended", "went on"], done.stderr
