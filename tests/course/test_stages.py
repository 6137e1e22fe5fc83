"""A staged check stops at the first stage that fails and names those that hold."""

import random

from mgmr_lib.course.stages import in_stages


def test_the_sentence_names_what_holds_and_what_is_next():
    seen = []

    def positive(fn, rng):
        seen.append("positive")
        return None if fn() > 0 else "it is not positive."

    def even(fn, rng):
        seen.append("even")
        return None if fn() % 2 == 0 else f"{fn()} is odd."

    test = in_stages(("the sign", positive), ("the parity", even))
    assert test(lambda: -2, random.Random(0)) == "0 of 2 stages hold. Now the sign: it is not positive."
    assert seen == ["positive"]
    assert test(lambda: 3, random.Random(0)) == "1 of 2 stages hold (the sign). Now the parity: 3 is odd."
    assert test(lambda: 4, random.Random(0)) is None


def test_every_stage_gets_the_same_stream_of_random_numbers():
    drawn = []
    stage = ("a draw", lambda fn, rng: drawn.append(rng.random()))
    in_stages(stage, stage)(abs, random.Random(7))
    stream = random.Random(7)
    assert drawn == [stream.random(), stream.random()]
