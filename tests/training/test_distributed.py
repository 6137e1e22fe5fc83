"""Two processes under `accelerate launch` on CPU: the same losses as one process with the same global batch."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import sys
sys.path.insert(0, {root!r})
from tests.toy import toy_corpus
from tests.training import taught
from mgmr_lib.training.config import make_config
from mgmr_lib.training.run import train_run

# 49 clips in batches of 16: the last batch holds one clip, so one of two processes has none.
corpus = toy_corpus(sizes=(49, 16, 24))
common = {{"text_encoder": "tiny", "batch_size": 16, "pool_audio": 4, "pool_vision": 4, "epochs": 3, "lr": 0.005}}
taught.register()
for name, settings in {networks!r}.items():
    train_run(make_config(name, "fast", **common | settings), sys.argv[1] + "/" + name, corpus, quiet=True)
"""
# "concat" is the network of tests/training/taught.py. No dropout: it is drawn by process. Nor any term that compares
# clips with each other, which a process takes over its own share.
PLAIN = {"dropout": 0.0}
NETWORKS = {
    "mgmr": {"dropout": 0.0, "input_dropout": 0.0},
    "concat": {},
    "misa": {"difference": 0.0, "similarity": 0.0, "attention_dropout": 0.0} | PLAIN,
    "self_mm": PLAIN,
    "mmim": {"contrast": 0.0, "bound": 0.0} | PLAIN,
    "tetfn": PLAIN,
    "cenet": PLAIN,
    "almt": PLAIN,
    "lnln": PLAIN,
    "emt": {"attraction": 0.0} | PLAIN,
    "tf_mamba": PLAIN,
}
PARTS = {"mgmr": ("text", "audio", "vision"), "concat": ("small", "taught"), "misa": ("rebuild",),
         "self_mm": ("audio_pseudo",), "mmim": ("estimator",), "tetfn": ("vision_pseudo",),
         "lnln": ("completeness", "adversarial"), "emt": ("audio", "complete_side"), "tf_mamba": ("text",)}  # fmt: skip


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def histories(folder: Path, processes: int) -> dict[str, list[dict]]:
    """{network: one entry an epoch}, all of them trained in one launch."""
    script = folder / "train.py"
    folder.mkdir()
    script.write_text(SCRIPT.format(root=str(ROOT), networks=NETWORKS))
    command = [
        sys.executable,
        "-m",
        "accelerate.commands.launch",
        "--cpu",
        "--num_processes",
        str(processes),
        "--num_machines",
        "1",
        "--mixed_precision",
        "no",
        "--dynamo_backend",
        "no",
        "--num_cpu_threads_per_process",
        "1",
        "--main_process_port",
        str(free_port()),
        str(script),
        str(folder),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]
    return {name: json.loads((folder / name / "result.json").read_text())["history"] for name in NETWORKS}


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    return histories(folder / "one", 1), histories(folder / "two", 2)


@pytest.mark.skipif(sys.platform == "win32", reason="gloo under accelerate launch is tried on Linux and macOS")
@pytest.mark.parametrize("network", NETWORKS)
def test_two_processes_give_the_losses_of_one(network, both):
    one, two = both[0][network], both[1][network]
    assert len(one) == len(two) == 3
    assert {"valid_mae", *(f"train_{name}" for name in ("task", "total", *PARTS.get(network, ())))} <= one[0].keys()
    for a, b in zip(one, two, strict=True):
        assert a == pytest.approx(b, abs=1e-4)
    for name in ("total", *PARTS.get(network, ())):
        assert abs(one[0][f"train_{name}"] - one[2][f"train_{name}"]) > 3e-4, (
            f"{name} does not move: the comparison would say nothing"
        )
