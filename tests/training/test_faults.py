"""What may go wrong while training: numbers that are not finite, a full disk, a kill, a second process. Each is one
sentence, nothing is half-written, and the next run ends where an undisturbed one does."""

import dataclasses
import errno
import json
import math
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from mgmr_lib import files
from mgmr_lib.errors import CourseError
from mgmr_lib.models.output import Output
from mgmr_lib.paths import REPOSITORY
from mgmr_lib.training import trainer as loop
from mgmr_lib.training.checkpoint import load_tensors, save_tensors
from mgmr_lib.training.finite import NotFinite, check_loss
from mgmr_lib.training.run import load_run, train_run
from mgmr_lib.training.setup import prepare
from mgmr_lib.training.trainer import Progress, Trainer
from tests.toy import toy_corpus
from tests.training.test_training import config


def names(folder):
    return sorted(p.name for p in folder.iterdir() if p.name != files.LOCK)


def weights(folder):
    return load_tensors(folder / "model.safetensors")[0]


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in b)


# ---- numbers that are not finite ------------------------------------------------------------------------------------


def with_change(corpus, split, part, change):
    """The corpus with one array of a split changed in place of a copy."""
    old = corpus[split]
    if part == "labels":
        labels = old.labels.copy()
        change(labels)
        new = dataclasses.replace(old, labels=labels)
    else:
        ragged = getattr(old, part)
        values = ragged.values.copy()
        change(values)
        new = dataclasses.replace(old, **{part: dataclasses.replace(ragged, values=values)})
    return dataclasses.replace(corpus, splits={**corpus.splits, split: new})


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("split", ["train", "valid", "test"])
@pytest.mark.parametrize("part", ["labels", "audio", "vision"])
def test_a_corpus_with_a_number_that_is_not_finite_is_refused_with_the_clip(tmp_path, split, part, value):
    corpus = toy_corpus()
    clip = 3
    start = clip if part == "labels" else int(getattr(corpus[split], part).lengths[:clip].sum())

    def change(values):
        values[start] = value

    broken = with_change(corpus, split, part, change)
    with pytest.raises(CourseError) as found:
        train_run(config(epochs=1), tmp_path / "run", broken, quiet=True)
    assert split in str(found.value) and corpus[split].ids[clip] in str(found.value) and part in str(found.value)
    assert not (tmp_path / "run").exists() or names(tmp_path / "run") == ["config.json"]


def break_after(monkeypatch, epochs, what="loss", clips=None):
    """Let the network's output become nan (or its gradient infinite) after so many epochs."""
    real = Trainer._train_epoch

    def epoch(self, number):
        if number < epochs:
            return real(self, number)
        model, forward = self._plain(), type(self._plain()).forward

        def broken(batch):
            output = forward(model, batch)
            if what == "gradient":  # 0 times the square root's infinite slope
                return dataclasses.replace(output, prediction=output.prediction + (0 * output.prediction).sqrt())
            bad = torch.zeros_like(output.prediction)
            bad[: len(bad) if clips is None else clips] = torch.nan
            return dataclasses.replace(output, prediction=output.prediction + bad)

        model.forward = broken
        try:
            return real(self, number)
        finally:
            del model.forward

    monkeypatch.setattr(Trainer, "_train_epoch", epoch)


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_a_loss_that_goes_wrong_later_keeps_and_names_the_best_weights(tmp_path, monkeypatch, capsys, what):
    corpus, folder = toy_corpus(), tmp_path / "run"
    c = config(epochs=4, patience=4)
    break_after(monkeypatch, 2, what)
    with pytest.raises(CourseError) as found:
        train_run(c, folder, corpus, quiet=True)
    sentence = str(found.value)
    assert sentence.startswith(f"the {what} is not finite since epoch 3 (step ") and "\n" not in sentence
    assert "a smaller --lr and another --out" in sentence and f"kept in {folder / 'model.safetensors'}" in sentence
    best = load_tensors(folder / "last.safetensors")
    assert equal(weights(folder), {k[5:]: v for k, v in best[0].items() if k.startswith("best/")})
    assert best[1]["epoch"] == 2 and f"epoch {best[1]['best_epoch'] + 1}, valid MAE {best[1]['best']:.3f}" in sentence
    monkeypatch.undo()
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    with pytest.raises(CourseError) as again:  # and not once more in silence
        train_run(c, folder, corpus, quiet=True)
    assert str(again.value) == sentence and before == {p.name: p.read_bytes() for p in folder.iterdir()}
    assert equal(load_run(folder, corpus).model.state_dict(), weights(folder))  # the best weights serve
    assert f"warning: {folder} ended early: the {what} is not finite" in capsys.readouterr().err


def test_a_loss_that_is_wrong_at_once_names_the_clip_and_keeps_nothing(tmp_path, monkeypatch):
    folder = tmp_path / "run"
    break_after(monkeypatch, 0, clips=1)
    with pytest.raises(CourseError, match=r"the loss is not finite since epoch 1 \(step 1, clip train\d+\$_\$1\)"):
        train_run(config(epochs=4), folder, toy_corpus(), quiet=True)
    assert names(folder) == ["config.json", "failed.json"]
    with pytest.raises(CourseError, match="the loss is not finite since epoch 1"):
        load_run(folder, toy_corpus())


def test_predictions_on_the_valid_split_that_are_not_finite_are_named(tmp_path, monkeypatch):
    def predict(model, masked, *_, **__):
        found = np.zeros(len(masked))
        found[2] = np.nan
        return found

    monkeypatch.setattr(loop, "predict", predict)
    corpus = toy_corpus()
    clip = corpus["valid"].ids[2].replace("$", r"\$")
    with pytest.raises(
        CourseError, match=rf"a prediction on the valid split is not finite since epoch 1 \(clip {clip}\)"
    ):
        train_run(config(epochs=2), tmp_path / "run", corpus, quiet=True)


def test_a_learning_rate_that_is_far_too_large_ends_in_the_sentence(tmp_path):
    with pytest.raises(CourseError, match="is not finite since epoch 1"):
        train_run(config(lr=1e18, epochs=3, warmup=0.0, weight_decay=0.0), tmp_path / "run", toy_corpus(), quiet=True)


# ---- checkpoints that are not ours -----------------------------------------------------------------------------------

STATES = [
    {},
    {"epoch": "two"},
    {"epoch": 1.5},
    {"epoch": 3, "history": []},
    {"best": "low"},
    {"best": float("nan")},
    {"history": 3},
    {"epoch": None},
    {"epoch": 1, "history": [{}, {}]},
]


@pytest.mark.parametrize("state", STATES, ids=str)
def test_a_checkpoint_whose_progress_makes_no_sense_is_damaged(tmp_path, state):
    c, corpus = config(epochs=1), toy_corpus()
    train_run(c, tmp_path / "run", corpus, quiet=True)
    path = tmp_path / "run" / "last.safetensors"
    tensors, good = load_tensors(path)
    for removed in ({}, dict.fromkeys(list(tensors)[:1])):
        rest = {k: v for k, v in tensors.items() if k not in removed}
        save_tensors(path, rest, {**good, **state} if state else {"epoch": [1]})
        with pytest.raises(CourseError, match="last.safetensors"):
            Trainer(prepare(c, corpus), tmp_path / "run", quiet=True).run()


def test_older_checkpoints_without_seconds_are_read():
    old = {"epoch": 0, "step": 0, "best": float("inf"), "best_epoch": -1, "waited": 0, "history": [], "config": "abc"}
    assert Progress.from_checkpoint(old) == Progress()


# ---- a full disk
# ------------------------------------------------------------------------------------------------------


def test_a_disk_that_is_full_at_any_write_costs_nothing(tmp_path, monkeypatch):
    corpus, c = toy_corpus(), config(epochs=3)
    train_run(c, tmp_path / "whole", corpus, quiet=True)
    real, calls = files._to_disk, []

    def full_at(n):
        def write(path):
            calls.append(path)
            if len(calls) == n:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            real(path)

        return write

    for n in range(1, 7):  # config.json, three epochs, model.safetensors, result.json
        folder = tmp_path / f"full{n}"
        calls.clear()
        monkeypatch.setattr(files, "_to_disk", full_at(n))
        with pytest.raises(CourseError, match=r"cannot be written \(No space left on device\): make room"):
            train_run(c, folder, corpus, quiet=True)
        assert len(calls) == n and not [p for p in names(folder) if p.endswith(".part")]
        monkeypatch.setattr(files, "_to_disk", real)
        train_run(c, folder, corpus, quiet=True)
        assert equal(weights(folder), weights(tmp_path / "whole")) and names(folder) == names(tmp_path / "whole")
        a, b = (json.loads((f / "result.json").read_text()) for f in (folder, tmp_path / "whole"))
        assert {**a, "seconds": 0} == {**b, "seconds": 0}
    assert len(calls) == 6


def test_a_disk_of_one_megabyte(small_disk, tmp_path):
    corpus, c = toy_corpus(), config(epochs=2, d_model=48, expand=2)
    with pytest.raises(CourseError, match="No space left on device"):
        train_run(c, small_disk / "run", corpus, quiet=True)
    assert names(small_disk / "run") == ["config.json"]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions mean nothing to the superuser")
def test_a_folder_that_may_not_be_written_to(tmp_path):
    (tmp_path / "run").mkdir(mode=0o555)
    with pytest.raises(CourseError, match="cannot be written to"):
        train_run(config(), tmp_path / "run", toy_corpus(), quiet=True)


# ---- a kill, and a second process
# -------------------------------------------------------------------------------------

SCRIPT = """
import os, signal, sys
sys.path.insert(0, {root!r})
from mgmr_lib import files
from mgmr_lib.training.run import train_run
from tests.toy import toy_corpus
from tests.training.test_training import config
real_disk, real_replace = files._to_disk, os.replace

def train(folder, moment):
    def to_disk(path):
        if moment == "written":
            os.kill(os.getpid(), signal.SIGKILL)
        real_disk(path)

    def replace(a, b):
        real_replace(a, b)
        if moment == "replaced":
            os.kill(os.getpid(), signal.SIGKILL)

    files._to_disk, os.replace = to_disk, replace
    train_run(config(epochs=2), folder, toy_corpus(), quiet=True)

folders, moments = sys.argv[1::2], sys.argv[2::2]
for folder, moment in zip(folders, moments, strict=True):
    # a process each, from one that has imported everything and computed nothing
    child = os.fork()
    if child == 0:
        train(folder, moment)
        os._exit(0)
    print(moment, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def start(*folders_and_moments):
    """Trainings one after the other, each in a process that is killed at that moment of its first write."""
    command = [sys.executable, "-c", SCRIPT.format(root=str(REPOSITORY)), *map(str, folders_and_moments)]
    return subprocess.Popen(
        command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, text=True, start_new_session=True
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kill -9 is a POSIX signal")
def test_a_kill_in_the_middle_of_any_write_changes_nothing(tmp_path):
    folder, writes = tmp_path / "killed", 5  # config.json, an epoch, another one, the weights, the result
    trainings = [
        (tmp_path / "whole", "never"),
        *[(folder, "written"), (folder, "replaced")] * writes,
        (folder, "never"),
    ]
    out, _ = start(*(word for training in trainings for word in training)).communicate()
    killed = f"written {-signal.SIGKILL}\nreplaced {-signal.SIGKILL}\n"
    assert out == "never 0\n" + killed * writes + "never 0\n"
    assert equal(weights(folder), weights(tmp_path / "whole")) and names(folder) == names(tmp_path / "whole")
    a, b = (json.loads((f / "result.json").read_text()) for f in (folder, tmp_path / "whole"))
    assert {**a, "seconds": 0} == {**b, "seconds": 0}


@pytest.mark.skipif(os.name == "nt", reason="stops a process by a POSIX signal")
def test_the_second_process_in_one_folder_is_one_sentence_and_the_first_goes_on(tmp_path):
    folder = tmp_path / "run"
    first = start(folder, "never")
    while not (folder / "config.json").exists() and first.poll() is None:
        time.sleep(0.01)
    os.killpg(first.pid, signal.SIGSTOP)
    try:
        with pytest.raises(CourseError, match="another process is training into"):
            train_run(config(epochs=2), folder, toy_corpus(), quiet=True)
    finally:
        os.killpg(first.pid, signal.SIGCONT)
    assert first.communicate()[0] == "never 0\n" and load_run(folder, toy_corpus()).config == config(epochs=2)


@pytest.mark.parametrize(
    "part, bad, said",
    [
        ("sides", {"gate": torch.tensor([1.0, math.nan, 1.0])}, "step 3, clip b"),
        ("prediction", torch.tensor([math.nan, 0.0, math.inf]), "step 3, clip a and 1 more"),
        ("prediction", torch.full((3,), math.nan), "step 3, all 3 clips"),
        ("prediction", torch.zeros(3), "step 3"),  # finite outputs, and yet no finite loss
    ],
)
def test_a_loss_names_the_clips_whose_outputs_are_not_finite(part, bad, said):
    output = Output(torch.zeros(3))
    setattr(output, part, bad)
    with pytest.raises(NotFinite, match=rf"the loss is not finite \({said}\)"):
        check_loss(torch.tensor(math.nan), output, "abc", 2)
    check_loss(torch.tensor(1.0), output, "abc", 2)
