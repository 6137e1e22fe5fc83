"""The dashboard's logic: what is hidden is hidden, looking agrees with predicting, cases follow their rule."""

from dataclasses import replace

import numpy as np
import pytest

from mgmr_lib.chapters.ch24_case_study import dashboard as d
from mgmr_lib.data.batch import mask_split
from mgmr_lib.data.text import load_encoder
from mgmr_lib.errors import CourseError
from mgmr_lib.training.config import make_config
from mgmr_lib.training.setup import prepare
from mgmr_lib.training.trainer import predict
from tests.toy import toy_corpus


@pytest.fixture(scope="module")
def corpus():
    made = toy_corpus()
    with_seconds = replace(made["test"], extra={"seconds": np.linspace(1.5, 6, len(made["test"]))})
    return replace(made, splits=made.splits | {"test": with_seconds})


@pytest.fixture(scope="module")
def readers(corpus):
    encoder = load_encoder("tiny", frozen=True)
    return {m: prepare(make_config(m, "fast", text_encoder="tiny"), corpus, encoder) for m in ("mgmr", "mfmb")}


@pytest.fixture
def clip(corpus):
    return corpus["test"].select([int(corpus["test"].token_lengths.argmax())])


def test_seconds_become_frames_by_their_middle():
    assert d.frames_hidden(4, 2.0, 0.0, 1.0).tolist() == [True, True, False, False]
    assert d.frames_hidden(4, 2.0, 0.25, 0.75).tolist() == [
        True,
        False,
        False,
        False,
    ]  # its middle is at 0.25 s; the next at 0.75
    assert not d.frames_hidden(4, 2.0, 1.0, 1.0).any()
    halves = d.frames_hidden(7, 3.0, 0.0, 1.5).astype(int) + d.frames_hidden(7, 3.0, 1.5, 3.0)
    assert (halves == 1).all()


def test_hide_takes_what_it_is_told_and_nothing_else(clip):
    keep = d.hide(clip, words=[0, 2], audio=[(0.0, 1.0)])
    words = int(clip.token_lengths[0]) - 2
    assert keep["text"][0].tolist() == [True, False, True, False, *[True] * (words - 2)]
    assert (~keep["audio"]).sum() == d.frames_hidden(int(clip.audio.lengths[0]), d.seconds_of(clip), 0, 1).sum() > 0
    assert keep["vision"].all()
    assert all(k.all() for k in d.hide(clip).values())


def test_parts_meet_without_gap_or_overlap(clip):
    first, second, everything = (d.hide_parts(clip, *[part] * 3) for part in ("first half", "second half", "all"))
    for m in ("text", "audio", "vision"):
        lost = [~k[m][0] for k in (first, second, everything)]
        assert (lost[0].astype(int) + lost[1] == lost[2]).all() and lost[0].any() and lost[1].any()
    assert everything["text"][0].tolist() == [True, *[False] * (int(clip.token_lengths[0]) - 2), True]
    assert not everything["audio"].any() and not everything["vision"].any()


@pytest.mark.parametrize("bad", [{"words": [-1]}, {"words": [99]}, {"audio": [(2.0, 1.0)]}, {"vision": [(1.0, 0.5)]}])
def test_what_a_clip_does_not_have_cannot_be_hidden(clip, bad):
    with pytest.raises(CourseError):
        d.hide(clip, **bad)


def test_two_clips_or_unknown_parts_are_refused(corpus, clip):
    for call in (
        lambda: d.hide(corpus["test"]),
        lambda: d.hide_parts(clip, text="middle"),
        lambda: d.one_at_a_time(clip, "smell"),
    ):
        with pytest.raises(CourseError):
            call()


@pytest.mark.parametrize("name", ["mgmr", "mfmb"])
def test_looking_agrees_with_predicting(readers, clip, name):
    keep = d.hide_parts(clip, text="first half", audio="second half")
    seen = d.look(readers[name], clip, keep)
    expected = predict(readers[name].model, mask_split(clip, keep, readers[name].encoder, targets=False))[0]
    assert seen.prediction == pytest.approx(float(expected), abs=1e-5)
    assert d.predictions(readers[name], clip, [keep, d.hide(clip)])[0] == pytest.approx(seen.prediction, abs=1e-5)
    for m in ("text", "audio", "vision"):
        assert len(seen.gates[m]) == len(seen.guess[m]) == len(seen.truth[m]) == len(seen.missing[m])
        assert seen.guess[m].shape == seen.truth[m].shape
    assert seen.missing["audio"].any() and not seen.missing["vision"].any()
    # The truth is the complete clip's, hidden or not.
    whole = d.look(readers[name], clip, d.hide(clip))
    assert all(np.allclose(seen.truth[m], whole.truth[m], atol=1e-5) for m in seen.truth)


def test_a_network_without_reconstruction_or_gates_is_looked_at_too(corpus, clip):
    reader = prepare(make_config("concat", "fast", text_encoder="tiny"), corpus)
    seen = d.look(reader, clip, d.hide(clip))
    assert seen.gates == {} and seen.guess == {} and np.isfinite(seen.prediction)


def test_what_is_hidden_already_cannot_change_anything(readers, clip):
    everything = d.hide_parts(clip, "all", "all", "all")
    for reader in readers.values():
        loud = replace(clip, audio=replace(clip.audio, values=clip.audio.values + 50))
        assert d.look(reader, loud, everything).prediction == pytest.approx(
            d.look(reader, clip, everything).prediction, abs=1e-5
        )


@pytest.mark.parametrize("modality", ["text", "audio", "vision"])
def test_one_piece_at_a_time(readers, clip, modality):
    masks = d.one_at_a_time(clip, modality)
    lost = np.stack([~k[modality][0] for k in masks])
    assert (lost.sum(0) == (np.arange(lost.shape[1]) % (lost.shape[1] - 1) > 0 if modality == "text" else 1)).all()
    change = d.changes(readers["mgmr"], clip, modality)
    assert change.shape == (len(masks),)
    before, after = (d.look(readers["mgmr"], clip, k).prediction for k in (d.hide(clip), masks[-1]))
    assert change[-1] == pytest.approx(after - before, abs=1e-5)


def test_cases_follow_the_rule():
    error, rival = np.array([0.5, 0.1, 2.0, 0.4, 0.1]), np.array([0.6, 0.2, 2.5, 1.4, 0.0])
    assert d.choose_cases(error, rival) == dict(zip(d.CASES, (1, 3, 2), strict=True))
    assert [d.standing(error, i) for i in (1, 3, 2)] == [0.0, 0.5, 1.0]
    with pytest.raises(CourseError):
        d.choose_cases(error, rival[:3])
