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

# 49 clips in batches of 16: the last batch holds one clip, so one of two processes has none. No dropout: it is drawn by
# process.
common = {{"text_encoder": "tiny", "d_model": 8, "batch_size": 16, "pool_audio": 4, "pool_vision": 4}}
if sys.argv[2] == "taught":
    taught.register()
    config = make_config("concat", "laptop", **common, epochs=3, lr=0.02)
else:
    config = make_config("mgmr", "laptop", **common, d_state=2, expand=1, epochs=2, dropout=0.0, input_dropout=0.0)
train_run(config, sys.argv[1], toy_corpus(sizes=(49, 16, 24)), quiet=True)
"""


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def history(tmp_path, processes: int, network: str) -> list[dict]:
    script, folder = tmp_path / "train.py", tmp_path / f"run{processes}"
    script.write_text(SCRIPT.format(root=str(ROOT)))
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
        network,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads((folder / "result.json").read_text())["history"]


@pytest.mark.skipif(sys.platform == "win32", reason="gloo under accelerate launch is tried on Linux and macOS")
@pytest.mark.parametrize("network", ["mgmr", "taught"])
def test_two_processes_give_the_losses_of_one(network, tmp_path):
    one, two = history(tmp_path, 1, network), history(tmp_path, 2, network)
    assert len(one) == len(two) == (2 if network == "mgmr" else 3)
    parts = ("text", "audio", "vision") if network == "mgmr" else ("small", "taught")
    assert {"valid_mae", *(f"train_{name}" for name in ("task", "total", *parts))} <= one[0].keys()
    for a, b in zip(one, two, strict=True):
        assert a == pytest.approx(b, abs=1e-4)
    assert abs(one[0]["train_total"] - one[1]["train_total"]) > 1e-3, (
        "the losses do not move: the comparison would say nothing"
    )
