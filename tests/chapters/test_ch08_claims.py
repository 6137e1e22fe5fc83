"""What notebook 08 claims holds for seeds that it does not show; its sound and its drawings show what they are
given."""

import io
import os
import pickle
import wave
from dataclasses import replace

import numpy as np
import pytest
from matplotlib import pyplot as plt
from sklearn.linear_model import Ridge

from mgmr_lib.chapters.ch08_meet_the_data import figures as draw
from mgmr_lib.chapters.ch08_meet_the_data.exercises import clip_length, p_value, repair, same_moment, valid_mean
from mgmr_lib.chapters.ch08_meet_the_data.fingerprints import (
    correlations,
    curves_around,
    good_words,
    is_negation,
    known_causes,
)
from mgmr_lib.chapters.ch08_meet_the_data.sonify import play, tone, wav
from mgmr_lib.data.classroom.corpora import SPECS, features
from mgmr_lib.data.classroom.ratings import read_lexicon, word_valence
from mgmr_lib.data.corpus import SPLITS, Corpus, Ragged
from mgmr_lib.data.load import load_corpus
from mgmr_lib.data.mmsa import export_mmsa
from mgmr_lib.data.mmsa.safe_pickle import load
from mgmr_lib.errors import CourseError
from mgmr_lib.evaluation.references import fit_ridge, mean_pool

SEEDS = (11, int(os.environ.get("MGMR_TEST_SEED", "2027")))  # set MGMR_TEST_SEED to try another one
STREAMS = SPECS["classroom-mosi"].modalities()
SMILE = STREAMS["vision"].names.index("AU12 lip corner puller")


@pytest.fixture(scope="module")
def corpus():
    return load_corpus("classroom-mosi")


@pytest.fixture(scope="module")
def lexicon():
    return read_lexicon()


@pytest.fixture
def clip(corpus):
    test = corpus["test"]
    return test.select([test.ids.index("video0024$_$4")])


@pytest.fixture
def fig():
    made = plt.figure()
    yield made
    plt.close(made)


# --- the sound
# ------------------------------------------------------------------------------------------------------------


def test_the_tone_has_the_pitch_and_the_loudness_that_it_is_given():
    for pitch in (110.0, 250.0):
        samples = tone([pitch] * 20, [60.0] * 10 + [80.0] * 10, 10.0, 4000).astype(float) - 128
        assert len(samples) == 8000 and abs(samples).max() > 90
        spectrum = np.abs(np.fft.rfft(samples[4000:]))
        assert np.argmax(spectrum) == pytest.approx(pitch, abs=1)  # one second of sound: bins of 1 Hz
        quiet, loud = (np.abs(samples[i : i + 2000]).max() for i in (1000, 5000))
        assert loud / quiet == pytest.approx(10, rel=0.2)  # 20 dB


def test_a_tone_is_silent_where_there_is_no_voice_and_does_not_click():
    samples = tone([200.0] * 10 + [0.0] * 10, [60.0] * 20, 10.0).astype(int) - 128
    assert np.abs(samples[4400:]).max() == 0 < np.abs(samples[:3600]).max()
    assert np.abs(samples[[0, -1]]).max() <= 2


def test_the_same_clip_gives_the_same_small_file(clip):
    made = [wav(tone(clip.audio[0][:, 0], clip.audio[0][:, 1], 12.5)) for _ in range(2)]
    assert made[0] == made[1] and len(made[0]) < 20_000
    with wave.open(io.BytesIO(made[0])) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 1, 4000)
        assert file.getnframes() / 4000 == pytest.approx(float(clip.extra["seconds"][0]), abs=0.1)


@pytest.mark.parametrize(
    ("pitch", "energy", "says"),
    [
        ([100.0], [1.0, 2.0], "one number a frame"),
        ([], [], "one number a frame"),
        ([100.0], [-np.inf], "finite"),
        ([3000.0], [1.0], "3000 Hz"),
    ],
)
def test_a_tone_of_bad_values_is_refused(pitch, energy, says):
    with pytest.raises(CourseError, match=says):
        tone(pitch, energy, 10.0)


def test_the_player_never_starts_by_itself(monkeypatch, capsys):
    shown = []
    monkeypatch.setattr("IPython.get_ipython", lambda: object())
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    play(tone([100.0] * 5, [60.0] * 5, 10.0), "a short tone")
    assert "autoplay" not in shown[0]["text/html"] and "\n" not in shown[0]["text/html"]
    assert shown[0]["text/html"].startswith("<audio") and "a short tone" in shown[1]["text/markdown"]


# --- clocks, lengths, files
# -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_moment_lies_within_the_others_frame(seed):
    rng = np.random.default_rng(seed)
    for frame, rate, other in zip(
        rng.integers(0, 400, 50), rng.uniform(5, 40, 50), rng.uniform(5, 40, 50), strict=True
    ):
        found = same_moment(int(frame), rate, other)
        assert found / other <= (frame + 0.5) / rate < (found + 1) / other


@pytest.mark.parametrize("seed", SEEDS)
def test_a_mean_without_padding_is_the_librarys(seed):
    rng = np.random.default_rng(seed)
    lengths, padded = rng.integers(1, 9, 5), rng.standard_normal((5, 8, 3))
    assert np.allclose(valid_mean(padded, lengths), mean_pool(Ragged.from_padded(padded, lengths)), atol=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_reader_repairs_and_measures_as_the_exercises_do(corpus, tmp_path, seed):
    rng, path = np.random.default_rng(seed), tmp_path / "rough.pkl"
    export_mmsa(Corpus("x", "mosi", "", {s: corpus[s].select(rng.integers(0, 200, 5)) for s in SPLITS}), path)
    data = load(path)
    for part in (data[s] for s in SPLITS):
        part["id"] = np.array([f"v$_${i}" for i in range(5)])
        for key in ("audio", "vision"):
            part[key] = part[key] * (rng.random(part[key].shape[:2]) > 0.2)[..., None]
            part[key][rng.integers(5), 3, 1] = rng.choice([-np.inf, np.nan])
            del part[f"{key}_lengths"]
    path.write_bytes(pickle.dumps(data))
    read = load_corpus(path)
    for split in SPLITS:
        for key in ("audio", "vision"):
            found, repaired = getattr(read[split], key), repair(data[split][key])
            assert found.lengths.tolist() == [clip_length(x) for x in repaired]
            assert np.array_equal(found.padded(), repaired)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_first_zero_frame_cuts_most_of_a_lossy_clip(corpus, seed):
    rng, vision = np.random.default_rng(seed), corpus["train"].vision.select(range(100))
    lossy = vision.padded() * (rng.random((100, 500)) >= 0.02)[..., None]
    first = [int((~x.any(axis=1)).argmax()) for x in lossy]
    assert sum(first) < 0.5 * vision.lengths.sum() < 0.98 * vision.lengths.sum() < sum(map(clip_length, lossy))


# --- chance
# ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_p_values_of_nothing_are_even(seed):
    rng = np.random.default_rng(seed)
    found = np.array([p_value(x[0], x[1:].tolist()) for x in rng.standard_normal((2000, 20))])
    assert abs(np.mean(found <= 0.25) - 0.25) < 0.04 and found.min() == pytest.approx(1 / 20)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_control_by_correlation_spreads_as_far_as_the_real_thing_and_by_error_it_does_not(corpus, seed):
    rng, train, test = np.random.default_rng(seed), corpus["train"], corpus["test"]
    inputs = [mean_pool(s.audio) for s in (train, test)]
    blind = np.abs(test.labels - train.labels.mean()).mean()

    def fitted(labels):
        said = fit_ridge(inputs[0], labels).predict(inputs[1])
        return np.corrcoef(said, test.labels)[0, 1], blind - np.abs(said - test.labels).mean(), said.std()

    real, runs = fitted(train.labels), np.array([fitted(rng.permutation(train.labels)) for _ in range(60)])
    assert np.abs(runs[:, 0]).max() > 0.2 and abs(runs[:, 0].mean()) < 0.15 < real[0]
    assert runs[:, 1].max() < 0.05 < 0.08 < real[1]
    assert np.median(runs[:, 2]) < 0.01 * test.labels.std()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_control_reaches_so_far_only_with_features_that_hang_together_and_a_penalty(corpus, seed):
    """On features made independent, or with hardly a penalty, the control's correlations lie nearer to 0."""
    rng, train, test = np.random.default_rng(seed), corpus["train"], corpus["test"]
    inputs = [mean_pool(s.audio) for s in (train, test)]
    known, new = ((x - inputs[0].mean(0)) / inputs[0].std(0) for x in inputs)
    turned = np.linalg.svd(known, full_matrices=False)[2].T
    apart = [x @ turned / (known @ turned).std(0) for x in (known, new)]
    orders = [rng.permutation(train.labels) for _ in range(60)]

    def typical(fit, known, new):
        return np.median([abs(np.corrcoef(fit(known, y).predict(new), test.labels)[0, 1]) for y in orders])

    chosen, plain = typical(fit_ridge, known, new), typical(Ridge(0.1).fit, known, new)
    assert chosen > 1.4 * plain and chosen > 1.4 * typical(fit_ridge, *apart)


# --- fingerprints
# ---------------------------------------------------------------------------------------------------------


def test_negations_and_good_words(corpus, lexicon, clip):
    assert all(map(is_negation, ("not", "Not,", "isn't", "ISN’T", "never")))
    assert not any(map(is_negation, ("knot", "note", "another", "")))
    found = good_words(clip, lexicon)
    assert [(w.word, w.negated) for w in found] == [("great", False), ("great", True)]
    assert found[0].second < found[1].second < clip.extra["seconds"][0]


def test_curves_are_read_at_the_words():
    times = (np.arange(30) + 0.5) / 10
    ragged = Ragged(np.stack([times, 5 * times], axis=1).astype(np.float32), np.array([30]), 30)
    word = good_words(_one("such a great film", 3.0), {"great": 3.0})[0]
    curve = curves_around(ragged, 1, [word], 10.0, np.array([-9.0, 0.0, 0.2]))[0]
    assert np.isnan(curve[0]) and curve[1] == pytest.approx(5 * (word.second - 1.5), abs=1e-5)
    assert curve[2] - curve[1] == pytest.approx(1.0, abs=1e-5)


def _one(text: str, seconds: float):
    one = load_corpus("classroom-mosi")["test"].select([0])
    return replace(one, raw_text=(text,), extra={"seconds": np.array([seconds])})


def test_known_causes_and_correlations():
    one = _one("a great, great horrible film", 3.0)
    got = known_causes(one, {"great": 3.0, "horrible": -2.0})
    assert got.tolist() == [[float(one.labels[0]), 6.0, -2.0, 5.0]]
    x = np.random.default_rng(0).standard_normal((50, 3))
    y = x * [1.0, -2.0, 0.0]
    assert correlations(x, y) == pytest.approx([1, -1, 0])


@pytest.fixture(scope="module", params=SEEDS)
def performed(request, corpus, lexicon):
    """The face of 600 training clips, simulated once more from another seed."""
    rng, train = np.random.default_rng(request.param), corpus["train"].select(range(600))
    frames = []
    for text, label, seconds in zip(train.raw_text, train.labels, train.extra["seconds"], strict=True):
        valence = np.array([word_valence(w, lexicon) for w in text.split()]) / 2
        sign = -1.0 if rng.random() < 0.1 else 1.0
        spans = features.word_spans(text, float(seconds))
        shown = features.Performance(
            float(seconds), float(label) / 0.75 / 2, rng.standard_normal(), sign, valence, spans
        )
        steps = features.simulate(STREAMS["vision"], shown, rng.standard_normal(20), rng)
        frames.append(features.decode(steps, STREAMS["vision"]))
    return replace(train, vision=Ragged(np.concatenate(frames), np.array([len(f) for f in frames]), 500))


def test_the_face_smiles_at_negated_good_words_and_people_do_not(performed, lexicon):
    words = good_words(performed, lexicon)
    smile = {}
    for negated in (False, True):
        group = [w for w in words if w.negated == negated]
        curves = curves_around(performed.vision, SMILE, group, STREAMS["vision"].frame_rate, np.linspace(0.05, 0.45, 5))
        smile[negated] = (np.nanmean(curves), performed.labels[[w.clip for w in group]].mean())
    assert smile[False][0] > 0.08 and smile[True][0] > 0.05
    assert smile[False][1] > 0.2 and smile[True][1] < -0.2


# --- drawings
# -------------------------------------------------------------------------------------------------------------


def test_voice_and_strips_show_the_clips_values_under_its_words(fig, clip):
    top, bottom = fig.subfigures(2, 1)
    draw.voice(top, clip)
    draw.strips(bottom, clip, STREAMS["vision"].names)
    assert [t.get_text() for t in top.axes[0].texts] == clip.raw_text[0].split()
    assert np.array_equal(top.axes[1].lines[0].get_ydata(), clip.audio[0][:, 1])
    image = bottom.axes[0].images[0].get_array()
    assert image.shape == (17, len(clip.vision[0])) and np.abs(image.mean(axis=1)).max() < 1e-5
    assert np.abs(image.std(axis=1) - 1).max() < 1e-4


def test_the_smile_and_as_much_two_other_rows_rise_behind_the_second_great(clip):
    values, seconds = clip.vision[0], draw.times(len(clip.vision[0]), "vision")
    start = [word for word in draw.words_of(clip) if word[0] == "great"][1][1]
    behind = values[(seconds > start) & (seconds < start + 0.8)]
    risen = (behind.mean(0) - values.mean(0)) / values.std(0)
    up = {name.split()[0]: rise for name, rise in zip(STREAMS["vision"].names, risen, strict=True)}
    smile = min(up["AU06"], up["AU12"])
    assert smile > 0.9 and min(up["AU05"], up["AU09"]) > 0.95 * smile and max(up["AU04"], up["AU15"]) < 0


def test_a_smile_lifts_the_corners_of_the_mouth(fig, clip):
    mouths = []
    for value in (0.0, 3.0):
        frames = clip.vision[0].copy()
        frames[:, SMILE] = value
        part = fig.add_subfigure(fig.add_gridspec(1, 1)[0])
        draw.face(replace(clip, vision=Ragged(frames, clip.vision.lengths, 500)), STREAMS["vision"].names)(part, 1.0)
        middle = part.axes[0].lines[-1].get_ydata()
        mouths.append(middle[0] - middle[15])
    assert mouths[0] < 0 < mouths[1]


def test_rectangles_and_profile_count_what_is_there(fig, corpus):
    top, bottom = fig.subfigures(2, 1)
    draw.rectangles(top, corpus["test"], most=5)
    widths = [p.get_width() for p in top.axes[1].patches]
    assert widths == [375] * 5 + corpus["test"].audio.lengths[:5].tolist()
    draw.profile(bottom, corpus)
    for ax in bottom.axes:
        assert [p.get_data().values.sum() for p in ax.patches] == pytest.approx([1, 1, 1])


def test_a_file_of_another_shape_can_be_drawn(fig, corpus):
    sims = Corpus(
        "own", "sims", "", {s: replace(corpus[s].select(range(20)), labels=corpus[s].labels[:20] / 3) for s in SPLITS}
    )
    draw.profile(fig, sims)
    assert fig.axes[0].get_xlim()[1] < 1.2


def test_bars_lines_and_dots_show_what_they_are_given(fig):
    parts = fig.subfigures(4, 1)
    draw.chance(parts[0], {"voice": 0.3}, {"voice": np.zeros(7)}, {"voice": "rare"})
    assert (
        parts[0].axes[0].lines[0].get_xdata()[0] == 0.3 and sum(p.get_height() for p in parts[0].axes[0].patches) == 7
    )
    draw.control(parts[1], {"error": ([0.0, 0.1, 0.1], 0.5)})
    assert sum(p.get_height() for p in parts[1].axes[0].patches) == 3
    draw.negation(
        parts[2],
        np.arange(3),
        {"plain": np.ones((4, 3)), "negated": np.zeros((2, 3))},
        {"plain": np.ones(4), "negated": -np.ones(2)},
    )
    assert [p.get_height() for p in parts[2].axes[1].patches] == [1, -1]
    draw.doors(parts[3], ["pitch"], np.array([0.2]), np.array([0.0]), (0.7, 0.5))
    assert [list(line.get_xdata()) for line in parts[3].axes[0].lines[:2]] == [[0.7, 0.2], [0.5, 0.0]]
