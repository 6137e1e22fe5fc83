"""The classroom corpora: honest splits, lengths that tell nothing, calibrated voice and face, the same bytes."""

import json
from dataclasses import replace

import numpy as np
import pytest
from safetensors import SafetensorError
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mgmr_lib.data.classroom import corpora as classroom
from mgmr_lib.data.classroom import ratings
from mgmr_lib.data.classroom.corpora import SECOND, SPECS, build, corpus_path, features, is_built, read, splits_of
from mgmr_lib.data.classroom.ratings import GROUPED_SETS, SETS, clean, normalised, read_lexicon, read_set, word_valence
from mgmr_lib.data.classroom.splits import draw_splits, held
from mgmr_lib.data.corpus import SPLITS
from mgmr_lib.data.load import load_corpus, prepare
from mgmr_lib.data.text import cached_features, load_encoder
from mgmr_lib.errors import CourseError
from mgmr_lib.paths import data_root

SMALL = replace(SPECS["classroom-sims"], name="classroom-small", sizes=(40, 12, 20), vision=(55, 30))


@pytest.fixture(scope="module")
def corpus():
    return load_corpus("classroom-mosi")


@pytest.fixture
def own_folder(tmp_path, monkeypatch, corpus):
    """A data folder with the downloads of the real one, and nothing built."""
    (tmp_path / "cache").mkdir()
    for name in ("vader", "minilm"):
        (tmp_path / "cache" / name).symlink_to(data_root() / "cache" / name)
    monkeypatch.setenv("MGMR_DATA", str(tmp_path))
    return tmp_path


# ------------------------------------------------------------------------------------------------------- the rated sets


def test_the_rated_sets_are_whole_and_clean():
    prepare([], wait=True)
    sets = {name: read_set(name) for name in SETS}
    assert [len(s) for s in sets.values()] == [10605, 5190, 4200, 3708]
    assert sets["movieReviewSnippets"][2].text == "Effective but too tepid biopic"
    assert sets["movieReviewSnippets"][2].rating == -0.6
    everything = [s for one in sets.values() for s in one]
    assert all(abs(s.rating) <= 4 and s.text == clean(s.text) and "&amp;" not in s.text for s in everything)
    assert all((s.group is not None) == (s.origin.split("/")[0] in GROUPED_SETS) for s in everything)
    assert {s.group for s in sets["amazonReviewSnippets"][:3]} == {"amazonReviewSnippets/1"}


def test_what_counts_as_the_same_sentence():
    same = ["A  pretentious mess...", "a PRETENTIOUS mess!", "“A pretentious mess”", "A prétentious mess &amp;amp;"]
    assert len({normalised(text) for text in same}) == 1
    assert normalised("A pretentious mess 2") != normalised("A pretentious mess")


def test_the_lexicon_finds_a_word_as_it_stands_in_a_sentence():
    lexicon = read_lexicon()
    assert len(lexicon) == 7503
    assert word_valence("great", lexicon) == word_valence('"Great!"', lexicon) == 3.1
    assert word_valence("horrible,", lexicon) == -2.5
    assert word_valence(":)", lexicon) == 2.0 and word_valence("the", lexicon) == 0


# --------------------------------------------------------------------------------------------------------------- splits


@pytest.mark.parametrize("name", SPECS)
def test_splits_have_the_papers_sizes_and_share_no_text_speaker_or_source(name):
    splits = splits_of(SPECS[name])
    assert tuple(len(splits[s]) for s in SPLITS) == SPECS[name].sizes
    clips = [clip for split in SPLITS for clip in splits[split]]
    assert len({normalised(c.sentence.text) for c in clips}) == len({(c.video, c.number) for c in clips}) == len(clips)
    for key in (lambda c: c.video, lambda c: c.sentence.group):
        seen = [{key(c) for c in splits[split]} - {None} for split in SPLITS]
        assert all(seen) or name.startswith(("classroom-mosi", "classroom-dev"))
        assert not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])
    by_video = {}
    for clip in clips:
        by_video.setdefault(clip.video, set()).add(clip.sentence.group)
    assert all(len(groups) == 1 for groups in by_video.values())


def test_the_development_corpus_has_no_sentence_that_a_result_is_read_on():
    def texts(name, *splits):
        found = splits_of(SPECS[name])
        return {normalised(c.sentence.text) for split in splits or SPLITS for c in found[split]}

    ours = texts("classroom-dev")
    assert len(ours) == sum(SPECS["classroom-dev"].sizes)
    for name in ("classroom-mosi", "classroom-sims"):
        assert not ours & texts(name)
    assert not ours & texts("classroom-mosei", "valid", "test")
    # The control: drawn without leaving anything out, most of its sentences would stand in the others.
    spec = replace(SPECS["classroom-dev"], apart=False)
    found = {normalised(c.sentence.text) for clips in splits_of(spec).values() for c in clips}
    assert len(found & (texts("classroom-mosi") | texts("classroom-sims"))) > 200


def test_leaving_sentences_out_leaves_out_their_whole_review():
    splits = draw_splits(SETS[3:], (60, 8, 8), 1)
    reviews = {c.sentence.group for clips in splits.values() for c in clips}
    again = draw_splits(SETS[3:], (60, 8, 8), 1, held(splits))
    assert len(reviews) > 5 and not reviews & {c.sentence.group for clips in again.values() for c in clips}


def test_every_split_of_mosei_draws_on_every_set_in_like_shares():
    splits = draw_splits(SETS, (16326, 1871, 4659), SPECS["classroom-mosei"].seed)
    shares = np.array(
        [[np.mean([c.sentence.origin.startswith(s) for c in splits[split]]) for s in SETS] for split in SPLITS]
    )
    assert np.abs(shares - shares[0]).max() < 0.03


def test_the_corpus_holds_the_drawn_sentences_with_their_ratings(corpus):
    spec = SPECS["classroom-mosi"]
    ratings = {s.origin: s for s in read_set("movieReviewSnippets")}
    for split in SPLITS:
        data = corpus[split]
        assert len(set(data.ids)) == len(data) and all("$_$" in i for i in data.ids)
        assert len(data) == spec.sizes[SPLITS.index(split)]
        expected = np.array([ratings[o].rating * 0.75 for o in data.extra["origin"]], np.float32)
        np.testing.assert_array_equal(data.labels, expected)
        assert data.raw_text == tuple(ratings[o].text for o in data.extra["origin"])
        assert (data.audio.dim, data.audio.max_length, data.vision.dim, data.vision.max_length) == (5, 375, 20, 500)
        assert data.token_ids.shape == (len(data), 50)
        assert np.isfinite(data.audio.values).all() and np.isfinite(data.vision.values).all()


# -------------------------------------------------------------------------------------- what lengths, ids and rows tell


def permutation_p_value(statistic, labels, times=500, seed=0):
    """How often shuffled labels give at least the statistic that the real ones give."""
    rng = np.random.default_rng(seed)
    real = abs(statistic(labels))
    return (1 + sum(abs(statistic(rng.permutation(labels))) >= real for _ in range(times))) / (times + 1)


def residual(x, given):
    """x without what a straight line in each column of `given` explains."""
    design = np.column_stack([np.ones(len(x)), given])
    return x - design @ np.linalg.lstsq(design, x, rcond=None)[0]


@pytest.mark.parametrize("modality", ["audio", "vision"])
def test_lengths_tell_nothing_about_the_label_beyond_the_number_of_words(corpus, modality):
    lengths = np.concatenate([getattr(corpus[s], modality).lengths for s in SPLITS])
    words = np.concatenate([[len(t.split()) for t in corpus[s].raw_text] for s in SPLITS])
    labels = np.concatenate([corpus[s].labels for s in SPLITS])
    rest = residual(np.log(lengths), np.column_stack([np.log(words), words]))
    for target in (labels, np.abs(labels)):
        target = residual(target, np.column_stack([np.log(words), words]))
        assert permutation_p_value(lambda y: np.corrcoef(rest, y)[0, 1], target) > 0.01  # noqa: B023
    sarcastic = np.concatenate([corpus[s].extra["sarcastic"] for s in SPLITS]).astype(float)
    assert permutation_p_value(lambda y: np.corrcoef(rest, y)[0, 1], sarcastic) > 0.01


def test_the_simulation_gets_no_length_from_the_rating():
    """The same clip with the opposite rating has the same length, the same words and other frames."""
    modality = SPECS["classroom-mosi"].modalities()["audio"]
    spans = features.word_spans("a good film", 4.0)
    clips = [features.Performance(4.0, y, 0.0, 1.0, np.array([0, 1, 0.0]), spans) for y in (-2, 2)]
    low, high = (features.simulate(modality, clip, np.zeros(5), np.random.default_rng(3)) for clip in clips)
    assert low.shape == high.shape and (low != high).any()


def test_ids_rows_and_speakers_are_in_an_order_that_tells_nothing(corpus):
    for split in SPLITS:
        data = corpus[split]
        video = np.array([int(i[5:].split("$_$")[0]) for i in data.ids])
        number = np.array([int(i.split("$_$")[1]) for i in data.ids])
        for order in (np.arange(len(data)), video, number):
            for target in (data.labels, data.extra["sarcastic"].astype(float)):
                assert permutation_p_value(lambda y: np.corrcoef(order, y)[0, 1], target) > 0.005  # noqa: B023


def test_a_speakers_other_clips_tell_nothing_about_a_movie_snippet(corpus):
    """Movie snippets were handed to speakers at random: the variance between speakers is what chance gives."""
    data = corpus["train"]
    video = np.unique([i.split("$_$")[0] for i in data.ids], return_inverse=True)[1]

    def between(labels):
        means = np.bincount(video, labels) / np.bincount(video)
        return ((means[video] - labels.mean()) ** 2).sum()

    assert permutation_p_value(between, data.labels) > 0.01


# ---------------------------------------------------------------------------------------------------------- calibration


def pooled(ragged):
    return np.array([np.concatenate([ragged[i].mean(0), ragged[i].std(0)]) for i in range(len(ragged))])


def ridge_prediction(train, labels, test):
    ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-1, 5, 25)))
    return ridge.fit(train, labels).predict(test)


@pytest.fixture(scope="module")
def probes(corpus):
    """(train, test) features a modality; text = mean-pooled frozen MiniLM."""
    encoder = load_encoder("minilm")
    found = {m: tuple(pooled(getattr(corpus[s], m)) for s in ("train", "test")) for m in ("audio", "vision")}
    text = [cached_features(encoder, corpus[s]) for s in ("train", "test")]
    found["text"] = tuple(np.array([t[i].mean(0) for i in range(len(t))]) for t in text)
    return found


def score(corpus, *parts):
    train, test = (np.concatenate([p[i] for p in parts], axis=1) for i in (0, 1))
    prediction = ridge_prediction(train, corpus["train"].labels, test)
    truth = corpus["test"].labels
    return np.corrcoef(prediction, truth)[0, 1], np.abs(prediction - truth).mean()


def test_voice_alone_and_face_alone_tell_as_much_as_was_measured_on_real_data(corpus, probes):
    assert score(corpus, probes["audio"])[0] == pytest.approx(0.30, abs=0.05)
    assert score(corpus, probes["vision"])[0] == pytest.approx(0.20, abs=0.05)


def test_fusion_adds_to_text_but_text_leads(corpus, probes):
    text, both = score(corpus, probes["text"]), score(corpus, probes["audio"], probes["vision"])
    everything = score(corpus, *(probes[m] for m in ("text", "audio", "vision")))
    print(f"ridge (corr, MAE): text {text}, voice and face {both}, all {everything}")
    assert 0.5 < text[0] < 0.75 and both[0] < text[0] - 0.1
    assert everything[0] > text[0] + 0.015 and everything[1] < text[1] - 0.015


def test_with_voice_and_face_missing_nothing_is_left_that_tells_the_label(corpus):
    """What a network still sees with voice, face and words all gone: the numbers of frames and tokens."""

    def left(split):
        data = corpus[split]
        return np.column_stack([data.token_lengths, data.audio.lengths, data.vision.lengths, data.audio.lengths**2])

    prediction = ridge_prediction(left("train").astype(float), corpus["train"].labels, left("test").astype(float))
    truth = corpus["test"].labels
    if prediction.std() > 1e-9:
        assert abs(np.corrcoef(prediction, truth)[0, 1]) < 0.12
    mean_error = np.abs(truth - corpus["train"].labels.mean()).mean()
    assert np.abs(prediction - truth).mean() > mean_error - 0.02


def test_words_move_the_face_while_they_are_spoken(corpus):
    """Averaged over clips, AU12 (the smile) is higher in the half second after a good word than after a bad one."""
    spec, lexicon, gaps = SPECS["classroom-mosi"], read_lexicon(), []
    modality = spec.modalities()["vision"]
    smile = modality.names.index("AU12 lip corner puller")
    data = corpus["train"]
    for i in np.flatnonzero(~data.extra["sarcastic"]):
        frames = data.vision[i][:, smile]
        time = (np.arange(len(frames)) + 0.5) / modality.frame_rate
        centres = features.word_spans(data.raw_text[i], data.extra["seconds"][i]).mean(1) + 0.25
        for word, centre in zip(data.raw_text[i].split(), centres, strict=True):
            near = np.abs(time - centre) < 0.25
            valence = word_valence(word, lexicon)
            if valence and near.any():
                gaps.append(np.sign(valence) * (frames[near].mean() - frames.mean()))
    assert np.mean(gaps) > 5 * np.std(gaps) / np.sqrt(len(gaps)) and np.mean(gaps) > 0.05


def test_a_tenth_is_sarcastic_and_there_voice_and_face_say_the_opposite(corpus, probes):
    train, test = corpus["train"], corpus["test"]
    share = np.concatenate([corpus[s].extra["sarcastic"] for s in SPLITS]).mean()
    assert 0.08 < share < 0.12
    both = [np.concatenate([probes["audio"][i], probes["vision"][i]], axis=1) for i in (0, 1)]
    prediction = ridge_prediction(both[0], train.labels, both[1])
    sarcastic = test.extra["sarcastic"]
    assert np.corrcoef(prediction[sarcastic], test.labels[sarcastic])[0, 1] < -0.1
    assert np.corrcoef(prediction[~sarcastic], test.labels[~sarcastic])[0, 1] > 0.35


# ----------------------------------------------------------------------------------------------------------- simulation


def test_simulated_noise_keeps_its_variance_and_memory():
    modality = SPECS["classroom-mosi"].modalities()["vision"]
    noise = features._autoregressive(np.random.default_rng(0).standard_normal((20000, 20)), modality)
    assert noise.std() == pytest.approx(1, abs=0.03)
    step = int(round(modality.memory * modality.frame_rate))
    assert np.mean(noise[step:] * noise[:-step]) == pytest.approx(np.exp(-step / modality.frame_rate / 0.5), abs=0.05)


@pytest.mark.parametrize("name", SPECS)
def test_steps_cover_each_channels_range(name):
    for modality, shape in zip(SPECS[name].modalities().values(), (SPECS[name].audio, SPECS[name].vision), strict=True):
        assert (modality.max_frames, modality.dim) == shape and len(modality.names) == modality.dim
        low, high = modality.ranges
        ends = features.decode(np.array([[0] * modality.dim, [255] * modality.dim], np.uint8), modality)
        np.testing.assert_allclose(ends, [low, high], rtol=1e-4, atol=1e-4)


def test_word_spans_fill_the_time_between_the_pauses():
    spans = features.word_spans("an extraordinary film", 5.0)
    np.testing.assert_allclose(spans[:-1, 1], spans[1:, 0])
    np.testing.assert_allclose([spans[0, 0], spans[-1, 1]], [0.3, 4.7])
    assert np.argmax(np.diff(spans, axis=1)) == 1


# -------------------------------------------------------------------------------------------------------------- storage


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(own_folder):
    path = build(SMALL, progress=False)
    first = path.read_bytes()
    assert is_built(SMALL)
    assert build(SMALL, progress=False).read_bytes() == first
    other = replace(SMALL, seed=1)
    assert not is_built(other)  # the file there was made from something else
    assert build(other, progress=False).read_bytes() != first
    assert sorted(p.name for p in (own_folder / "corpora").iterdir()) == ["classroom-small.json", path.name]


def test_what_is_read_is_what_was_built(own_folder):
    build(SMALL, progress=False)
    corpus = read(SMALL)
    assert corpus.family == "sims" and corpus.label_range == 1.0 and "simulated" in corpus.family_reason
    splits = draw_splits(SMALL.sets, SMALL.sizes, SMALL.seed)
    for split in SPLITS:
        data = corpus[split]
        assert data.raw_text == tuple(clip.sentence.text for clip in splits[split])
        np.testing.assert_allclose(data.labels, [clip.sentence.rating / 4 for clip in splits[split]], rtol=1e-6)
        assert np.abs(data.labels).max() <= 1
        assert (data.audio.dim, data.vision.dim) == (33, 30)
        assert data.audio.lengths.max() <= 400 and data.vision.lengths.max() <= 55
        np.testing.assert_array_equal(data.vision.lengths, [round(s * 55 / 12) for s in data.extra["seconds"]])


def test_a_damaged_corpus_is_one_sentence_and_is_built_again(own_folder):
    path = build(SMALL, progress=False)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert not is_built(SMALL)
    with pytest.raises(CourseError, match="damaged") as caught:
        read(SMALL)
    assert "\n" not in str(caught.value)
    path.write_bytes(b"\xff" * len(whole))
    with pytest.raises(CourseError, match="damaged"):
        read(SMALL)


def test_a_broken_off_build_leaves_nothing(own_folder, monkeypatch):
    monkeypatch.setattr(classroom, "file_sha256", lambda path: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        build(SMALL, progress=False)
    assert list((own_folder / "corpora").iterdir()) == []


@pytest.mark.parametrize(
    "code, words", [(28, "is full: free at least"), (13, "cannot write to the data folder .*ermission denied")]
)
def test_a_build_that_cannot_be_written_says_why(own_folder, monkeypatch, code, words):
    """safetensors gives the system's words, and no number but in them."""

    def fails(tensors, path):
        path.write_bytes(b"half")
        raise SafetensorError(f"Error while serializing: I/O error: Some words (os error {code})")

    monkeypatch.setattr(classroom, "draw_splits", lambda *spec: {})
    monkeypatch.setattr(classroom, "save_file", fails)
    with pytest.raises(CourseError, match=words) as caught:
        build(SMALL, progress=False)
    assert "MGMR_DATA" in str(caught.value) and list((own_folder / "corpora").iterdir()) == []


@pytest.mark.parametrize("line", ["1\t0.5", "1\tgood\ta film", "1\t9.5\ta film", "1\tnan\ta film", "1\t1\ta\tb", ""])
def test_a_damaged_rated_set_names_the_line_and_the_fix(tmp_path, monkeypatch, line):
    path = tmp_path / "tweets.txt"
    path.write_text(f"7\t-2.5\ta  dull &amp; long film\n{line}\n", encoding="utf-8")
    monkeypatch.setattr(ratings, "require", lambda source, name: tmp_path / name)
    with pytest.raises(
        CourseError, match=r"tweets\.txt, line 2, is not .*delete the file and run .*data prepare"
    ) as caught:
        read_set("tweets")
    assert "\n" not in str(caught.value)
    path.write_text(path.read_text(encoding="utf-8").splitlines()[0], encoding="utf-8")
    assert read_set("tweets") == [ratings.RatedSentence("tweets/7", None, "a dull & long film", -2.5)]


# ---------------------------------------------------------------------------------------------------- load and describe


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(CourseError, match="classroom-mosi, classroom-mosei, classroom-sims") as caught:
        load_corpus("classroom-mosy")
    assert "unaligned_50.pkl" in str(caught.value)
    with pytest.raises(CourseError, match="--dataset sims"):
        load_corpus("classroom-mosi", "sims")


def run(*arguments):
    from mgmr_lib.cli import main

    return main(["data", *arguments])


def test_describe_says_what_is_simulated(corpus, capsys):
    assert run("describe", "classroom-mosi") == 0
    out = capsys.readouterr().out
    assert out.isascii() and "SIMULATED" in out and "1284" in out and "375 x 5" in out and "mosi" in out


def test_export_builds_the_corpus_and_writes_what_others_can_read(own_folder, monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(SPECS, SMALL.name, SMALL)
    out = tmp_path / "sims.pkl"
    assert run("export", SMALL.name, str(out)) == 0
    said = capsys.readouterr().out  # what builds speaks to stderr
    assert said.startswith(f"{out}: ") and said.count("\n") == 1 and is_built(SMALL)
    back, corpus = load_corpus(out), read(SMALL)
    for name in SPLITS:
        assert back[name].ids == corpus[name].ids and (back[name].labels == corpus[name].labels).all()
        assert (back[name].token_ids == corpus[name].token_ids).all()
        assert (back[name].vision.values == corpus[name].vision.values).all()
    assert run("export", SMALL.name, str(tmp_path / "absent" / "sims.pkl")) == 2
    assert f"cannot write {tmp_path / 'absent' / 'sims.pkl'}: its folder does not exist" in capsys.readouterr().err


def test_verify_names_a_damaged_corpus(own_folder, monkeypatch, capsys):
    monkeypatch.setitem(SPECS, SMALL.name, SMALL)
    path = build(SMALL, progress=False)
    assert run("verify") == 0
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert run("verify") == 2
    captured = capsys.readouterr()
    assert "classroom-small.safetensors is damaged" in captured.err and captured.err.count("\n") == 1
    manifest = json.loads((own_folder / "corpora" / "classroom-small.json").read_text())
    assert manifest["made_from"]["seed"] == SMALL.seed


def test_prepare_builds_once_and_keeps_a_ready_corpus(own_folder, monkeypatch, capsys):
    monkeypatch.setitem(SPECS, SMALL.name, SMALL)
    assert run("prepare", "--corpus", SMALL.name) == 0
    assert corpus_path(SMALL.name).is_file() and "simulated" in capsys.readouterr().out
    monkeypatch.setattr(classroom, "build", lambda *a, **k: pytest.fail("built twice"))
    assert run("prepare", "--corpus", SMALL.name) == 0


def test_editions_by_name(monkeypatch):
    assert classroom.recorded_name("classroom-mosi") == classroom.recorded_name("classroom-mosi@1") == "classroom-mosi"
    assert (
        classroom.recorded_name("classroom-mosi@2") == "classroom-mosi@2" != classroom.recorded_name("classroom-mosi@3")
    )
    monkeypatch.setattr(classroom, "EDITION", 2)
    assert classroom.recorded_name("classroom-mosi") == "classroom-mosi@2"
    assert classroom.recorded_name(classroom.exact_name("classroom-mosi")) == "classroom-mosi"  # what old records mean
    assert classroom.recorded_name("classroom-sims") == "classroom-sims@2"
    assert classroom.recorded_name("pom") == "pom"  # it has one edition


def test_the_second_edition_changes_voice_and_face_alone(own_folder):
    second = replace(SMALL, name="classroom-small@2", **SECOND | {"faceless": 0.4})
    one, other = (read(spec) for spec in (SMALL, second) if build(spec, progress=False))
    for name in SPLITS:
        a, b = one[name], other[name]
        assert a.ids == b.ids and a.raw_text == b.raw_text and (a.labels == b.labels).all()
        assert (a.audio.lengths == b.audio.lengths).all() and not np.allclose(a.audio.values, b.audio.values)
        faces = b.recorded("vision")
        assert not faces.all() and (a.vision.lengths[faces] == b.vision.lengths[faces]).all()


@pytest.mark.parametrize("family", ["mosi", "mosei", "sims"])
def test_every_corpus_has_a_second_edition_of_the_same_clips_and_shapes(corpus, family):
    first, second = SPECS[f"classroom-{family}"], SPECS[f"classroom-{family}@2"]
    clips = draw_splits(first.sets[:1], (60, 8, 8), first.seed)["train"]
    one, other = (list(classroom.simulate_clips(spec, clips, [spec.seed, 2, 0])) for spec in (first, second))
    shapes = {m: {x[m].shape[1] for _, x in one} for m in ("audio", "vision")}
    assert shapes == {"audio": {first.audio[1]}, "vision": {first.vision[1]}}
    faces = 0
    for (shown, a), (again, b) in zip(one, other, strict=True):
        assert shown.seconds == again.seconds and shown.feeling == again.feeling
        assert a["audio"].shape == b["audio"].shape and (a["audio"] != b["audio"]).any()
        assert b["vision"].shape in (a["vision"].shape, (0, first.vision[1]))
        faces += len(b["vision"]) > 0
    assert 0.6 * len(clips) < faces < len(clips)


def test_a_gesture_adds_no_level():
    manner = SECOND["voice"]
    for seconds in (1.0, 5.0, 30.0):
        time = (np.arange(int(seconds * 12.5)) + 0.5) / 12.5
        course = features._gestures(manner, seconds, time, np.random.default_rng(0))
        assert abs(course.mean()) < 1e-12 and course.std() > 0.1


def test_the_first_edition_is_named_as_it_always_was():
    assert SPECS["classroom-mosi"].made_from().keys().isdisjoint({"voice", "face", "faceless"})
    assert SPECS["classroom-mosi@2"].made_from()["faceless"] == SECOND["faceless"]
