"""Mutated valid files: every reader gives a corpus, tensors or one sentence; no traceback, no hang, nothing executed.

MGMR_FUZZ=5000 makes a long search of it; by default it is a few seconds.
"""

import gzip
import io
import json
import os
import pickle
import sys
import time

import h5py
import numpy as np
import pytest
import torch

pytest.importorskip("hypothesis", reason="hypothesis is in the dev extra")
from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from mgmr_lib.data.commands import describe  # noqa: E402
from mgmr_lib.data.mmsa import load_mmsa  # noqa: E402
from mgmr_lib.data.mmsa.convert import Choices, convert  # noqa: E402
from mgmr_lib.data.text import load_encoder  # noqa: E402
from mgmr_lib.data.wordpiece import load_tokenizer  # noqa: E402
from mgmr_lib.errors import CourseError  # noqa: E402
from mgmr_lib.training.checkpoint import load_tensors, save_tensors  # noqa: E402
from tests.data.test_convert import misa  # noqa: E402
from tests.data.test_encoders import checkpoint  # noqa: E402
from tests.data.test_mmsa import make_data  # noqa: E402

EXAMPLES = int(os.environ.get("MGMR_FUZZ", 80))
SECONDS = 20  # far more than any of these files needs
FORBIDDEN = (
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "subprocess.Popen",
    "socket.connect",
    "os.remove",
    "ctypes.dlopen",
)
bounded = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="MGMR_FUZZ" not in os.environ,
    database=None,
    suppress_health_check=list(HealthCheck),
)
_watching: list[list[str]] = []


def _watch(event: str, _arguments) -> None:
    if _watching and event in FORBIDDEN:
        _watching[-1].append(event)


sys.addaudithook(_watch)


def survives(read, path) -> None:
    """The reader ends soon, with a value or one sentence, and asks the system for nothing that data does not need."""
    started, seen = time.perf_counter(), []
    _watching.append(seen)
    try:
        read(path)
    except CourseError as error:
        assert "\n" not in str(error) and len(str(error)) < 1500, str(error)
    finally:
        _watching.pop()
    assert not seen and time.perf_counter() - started < SECONDS, seen


def small_data() -> dict:
    data = make_data(tokens=6, audio=(4, 2), vision=(3, 2))
    for part in data.values():
        part["text"] = part["text"][:, :, :5]
    return data


def with_tensors() -> dict:
    return {
        s: {k: torch.from_numpy(v) if isinstance(v, np.ndarray) and v.dtype.kind == "f" else v for k, v in part.items()}
        for s, part in small_data().items()
    }


def archive() -> bytes:
    out = io.BytesIO()
    torch.save({s: {k: v for k, v in p.items() if isinstance(v, torch.Tensor)} for s, p in with_tensors().items()}, out)
    return out.getvalue()


def arrays_of(write) -> bytes:
    """A file of plain arrays, one to a split and modality, as `write(file, {name: array})` makes it."""
    out = io.BytesIO()
    write(out, {f"{s}/{k}": v for s, p in small_data().items() for k, v in p.items()
                if isinstance(v, np.ndarray) and v.dtype.kind in "if"})  # fmt: skip
    return out.getvalue()


def write_hdf5(out, arrays) -> None:
    with h5py.File(out, "w") as file:
        for name, value in arrays.items():
            file[name] = value
        file["train/raw_text"] = ["a good film"] * len(file["train/audio"])


VALID = {
    **{f"protocol {p}": pickle.dumps(small_data(), p) for p in (0, 2, 4, 5)},
    "tensors": pickle.dumps(with_tensors()),
    "torch.save": archive(),
    "gzip": gzip.compress(pickle.dumps(small_data())),
    "clips": pickle.dumps(misa(make_data())),
    "npz": arrays_of(lambda out, arrays: np.savez_compressed(out, **arrays)),
    "hdf5": arrays_of(write_hdf5),
}


@st.composite
def damaged(draw, whole: bytes) -> bytes:
    """Bytes changed, cut out, doubled or replaced by instructions that pickles have."""
    raw = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        at, what = draw(st.integers(0, max(0, len(raw) - 1))), draw(st.integers(0, 4))
        if what == 0:
            raw[at : at + 1] = bytes([draw(st.integers(0, 255))])
        elif what == 1:
            del raw[at : at + draw(st.integers(1, 40))]
        elif what == 2:
            raw[at:at] = raw[at : at + draw(st.integers(1, 40))]
        elif what == 3:
            raw[at:at] = draw(
                st.sampled_from([b".", b"0", b"2", b"(", b"t", b"R", b"b", b"Q", b"s", b"cos\nsystem\n", b"\x93"])
            )
        else:
            raw[at : at + 8] = draw(st.sampled_from([b"\xff" * 8, b"\x00" * 8, b"\x7f" + b"\xff" * 7]))
    return bytes(raw)


@pytest.mark.parametrize("kind", VALID)
def test_damaged_files(kind, tmp_path):
    path = tmp_path / "mosi.pkl"

    @bounded
    @given(damaged(VALID[kind]))
    def run(raw):
        path.write_bytes(raw)
        survives(lambda p: describe(load_mmsa(p, partial=True)), path)
        survives(lambda p: convert(p, Choices()), path)

    path.write_bytes(VALID[kind])
    (load_mmsa if kind not in ("clips", "torch.save", "npz", "hdf5") else lambda p: convert(p, Choices()))(path)
    run()


NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70), st.floats(), st.booleans(), st.none(), st.text(max_size=5), st.binary(max_size=5)
)
SHAPES = st.lists(st.integers(0, 13), max_size=4)


@st.composite
def arrays(draw) -> np.ndarray:
    kind, shape = (
        draw(st.sampled_from(["f8", "f4", "f2", "i8", "u1", "?", "U3", "S2", "O", "<i2", ">f4"])),
        draw(SHAPES),
    )
    filling = draw(st.sampled_from([0, 1, -1, 2.5, np.nan, np.inf, 1e300, 101, 2**31]))
    with np.errstate(all="ignore"):
        try:
            return np.full(shape, filling).astype(kind)
        except (ValueError, OverflowError):
            return np.zeros(shape, kind)


VALUES = st.recursive(
    st.one_of(NUMBERS, arrays()),
    lambda inner: st.one_of(st.lists(inner, max_size=13), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=20,
)
KEYS = [
    "id",
    "raw_text",
    "text",
    "text_bert",
    "audio",
    "vision",
    "audio_lengths",
    "vision_lengths",
    "regression_labels",
    "annotations",
    "classification_labels",
    "labels",
    "label",
    "video",
    "extra",
]


@bounded
@given(st.data())
def test_valid_pickles_of_strange_values(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "strange_mosi.pkl"
    content = small_data()
    for _ in range(data.draw(st.integers(1, 3))):
        split, key = data.draw(st.sampled_from(list(content))), data.draw(st.sampled_from(KEYS))
        what = data.draw(st.integers(0, 3))
        part = content[split]
        if what == 0 and type(part) is dict:
            part.pop(key, None)
        elif what == 1 and type(part) is dict and isinstance(part.get(key), np.ndarray):
            changed = np.array(part[key])
            changed = (
                changed.astype(data.draw(st.sampled_from(["f8", "f2", "O", "i8"])))
                if changed.dtype.kind in "if"
                else changed
            )
            if changed.size and changed.dtype.kind in "ifO":
                changed.reshape(-1)[data.draw(st.integers(0, changed.size - 1))] = data.draw(
                    st.sampled_from([0, -1, 7, 10**6])
                )
            part[key] = changed
        elif what == 2:
            content[split] = data.draw(VALUES)
        elif type(part) is dict:
            part[key] = data.draw(VALUES)
    path.write_bytes(pickle.dumps(content))
    survives(lambda p: describe(load_mmsa(p, partial=True)), path)
    survives(lambda p: load_mmsa(p), path)
    survives(lambda p: convert(p, Choices(label_column=0, label_range=(-3, 3))), path)


def test_damaged_checkpoints(tmp_path):
    path = tmp_path / "model.safetensors"
    save_tensors(path, {"a": torch.arange(6.0), "b/c": torch.ones(2, 3)}, {"epoch": 3})
    whole = path.read_bytes()

    @bounded
    @given(damaged(whole))
    def run(raw):
        path.write_bytes(raw)
        survives(load_tensors, path)

    run()


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "tokenizer.json"])
def test_damaged_text_encoders(file, tmp_path):
    checkpoint(tmp_path)
    path, whole = tmp_path / file, (tmp_path / file).read_bytes()

    def read(_):
        load_encoder(str(tmp_path))
        load_tokenizer(str(tmp_path))

    @settings(bounded, max_examples=max(8, EXAMPLES // 10))
    @given(st.data())
    def run(data):
        if file == "config.json" and data.draw(st.booleans()):
            content = json.loads(whole)
            content[data.draw(st.sampled_from(list(content)))] = data.draw(
                st.one_of(
                    st.none(),
                    st.text(max_size=5),
                    st.integers(-5, 40),
                    st.lists(st.integers(), max_size=3),
                    st.floats(),
                )
            )
            path.write_text(json.dumps(content))
        else:
            path.write_bytes(data.draw(damaged(whole)))
        survives(read, path)

    run()
