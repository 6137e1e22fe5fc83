"""Folders of HDF5 files by split and modality (MFN's layout), padded at either end, with clips that lack a modality."""

import h5py
import numpy as np
import pytest

from mgmr_lib import cli
from mgmr_lib.data.findings import findings
from mgmr_lib.data.mmsa import export_mmsa, load_mmsa
from mgmr_lib.data.mmsa.convert import Choices, convert
from mgmr_lib.errors import CourseError


def mfn(
    folder,
    name="{key}_{split}.h5",
    front=("audio", "video"),
    gone=("video",),
    widths=(4, 3),
    steps=7,
    mixed=False,
    **keys,
):
    """Such a folder, and each clip's frames, {split: {modality: [(l_i, d), ...]}}; every third clip lacks `gone`."""
    rng, truth = np.random.default_rng(1), {}
    for split, n in (("train", 18), ("valid", 7), ("test", 9)):
        truth[split] = {}
        for key, width in zip(("audio", "video"), widths, strict=True):
            array, clips = np.zeros((n, steps, width)), []
            for i in range(n):
                length = 0 if key in gone and i % 3 == 0 else int(rng.choice([*range(1, steps - 1), steps]))
                clips.append(rng.uniform(0.1, 1, (length, width)))
                at = steps - length if key in front and (i % 2 or not mixed) else 0
                array[i, at : at + length] = clips[-1]
            truth[split][key] = clips
            save(folder / name.format(key=keys.get(key, key), split=split), array)
        save(folder / name.format(key="y", split=split), rng.uniform(-3, 3, (n, 1)))
    return truth


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["d1"] = array


FOLDERS = {
    "front": {},
    "back": {"front": ()},
    "either end": {"mixed": True, "steps": 12},
    "one each": {"front": ("video",), "gone": ("audio", "video"), "widths": (74, 36)},
    "other names": {"name": "{split}/{key}Features.h5", "audio": "covarep", "video": "facet"},
    "no gaps": {"gone": (), "steps": 20, "name": "{split}-{key}.hdf5"},
}


@pytest.mark.parametrize("case", FOLDERS)
def test_hdf5_folders_give_the_frames_that_were_there(tmp_path, case):
    truth = mfn(tmp_path / "d", **FOLDERS[case])
    corpus = convert(tmp_path / "d", Choices())
    export_mmsa(corpus, tmp_path / "d.pkl")
    for found in (corpus, load_mmsa(tmp_path / "d.pkl")):
        for split, parts in truth.items():
            for key, frames in (("audio", found[split].audio), ("video", found[split].vision)):
                assert frames.lengths.tolist() == [len(c) for c in parts[key]]
                np.testing.assert_allclose(frames.values, np.concatenate(parts[key]), rtol=1e-6)
            assert not found[split].recorded("text").any()
        assert any("text was never recorded" in line for line in findings(found))


def test_a_modality_without_files_was_never_recorded_and_unknown_files_are_named(tmp_path):
    mfn(tmp_path / "d")
    for path in tmp_path.glob("d/video_*"):
        path.rename(path.with_name(path.name.replace("video", "gait")))
    corpus = convert(tmp_path / "d", Choices())
    assert not any(s.recorded("vision").any() for s in corpus.splits.values())
    assert any("not read" in note and "gait_train.h5" in note for note in corpus.notes)
    (tmp_path / "d" / "acoustic_train.h5").write_bytes((tmp_path / "d" / "audio_train.h5").read_bytes())
    with pytest.raises(CourseError, match="two files for audio of split 'train'"):
        convert(tmp_path / "d", Choices())


@pytest.mark.parametrize("model", ["mgmr", "mfmb"])
def test_a_corpus_with_gaps_and_no_words_trains_and_is_measured(tmp_path, model, capsys):
    mfn(tmp_path / "d")
    data, run = str(tmp_path / "d.pkl"), str(tmp_path / "run")
    assert cli.main(["data", "convert", str(tmp_path / "d"), data]) == 0
    assert "none" in capsys.readouterr().out.splitlines()[4].split()
    settings = "--profile fast --pool-audio 1 --pool-vision 1 --epochs 1 --quiet".split()
    assert cli.main(["train", "--model", model, "--data", data, "--out", run, *settings]) == 0
    out = ["--out", str(tmp_path / "e.json"), "--quiet"]
    assert cli.main(["evaluate", "--run", run, "--rates", "0,1", "--seeds", "1", *out]) == 0
    said = capsys.readouterr().out
    assert "voice and face ridge" in said
    assert "never recorded, so missing at every rate: text in 9, vision in 3 of 9 clips" in said
    assert "44% at rate 0, 100% at rate 1" in said  # (1 + 0 + 1/3) / 3 of it
    assert cli.main(["train", "--data", data, "--out", run + "2", "--text-encoder", "tiny", *settings]) == 2
    assert "holds no text" in capsys.readouterr().err
