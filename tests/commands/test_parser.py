"""What every command's parser does: help that explains, mistakes that suggest, and no heavy import for either."""

import os
import subprocess
import sys

import pytest

from mgmr_lib import cli
from mgmr_lib.errors import CourseError
from mgmr_lib.models.registry import NETWORKS, entry
from mgmr_lib.paths import REPOSITORY
from mgmr_lib.settings import fields_of, rule_of
from mgmr_lib.training.config import TrainConfig, make_config

HEAVY = """
import sys
from mgmr_lib import cli
code = cli.main(sys.argv[1:])
print(sorted({"torch", "numpy", "pandas", "transformers"} & set(sys.modules)), file=sys.stderr)
sys.exit(code)
"""
LIGHT = ["train", "evaluate", "predict", "report", "experiment", "bench", "doctor", "run"]


def shell(*arguments):
    """(exit code, stdout, stderr, what heavy was imported)."""
    done = subprocess.run(
        [sys.executable, "-c", HEAVY, *arguments], cwd=REPOSITORY, capture_output=True, text=True, timeout=60
    )
    *lines, heavy = done.stderr.strip().splitlines()
    return done.returncode, done.stdout, "\n".join(lines), heavy


@pytest.mark.parametrize("command", LIGHT)
def test_help_and_mistakes_import_nothing_heavy(command):
    code, out, _, heavy = shell(command, "--help")
    assert code == 0 and heavy == "[]" and f"python -m mgmr_lib {command}" in out.split("for example:")[1]
    code, _, error, heavy = shell(command, "--halp")
    assert code == 2 and heavy == "[]" and error.startswith("error: there is no option --halp") and "--help" in error


@pytest.mark.parametrize("model", NETWORKS)
@pytest.mark.parametrize("profile", ["fast", "full"])
def test_trains_help_explains_every_setting(model, profile, capsys):
    assert cli.main(["train", "--model", model, "--profile", profile, "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    config = make_config(model, profile)
    for source in (config, config.network):
        for name, (field, _) in fields_of(type(source)).items():
            if name in ("model", "profile"):
                continue
            rule = rule_of(field)
            assert rule.help, f"{name} has no help"
            assert f"--{name.replace('_', '-')} " in text and rule.help in text
            assert all(choice in text for choice in rule.choices)
    assert f"least 1; default: {config.epochs})" in text


def test_every_field_of_every_configuration_has_a_help():
    for kind in {TrainConfig, *(e.config for e in NETWORKS.values()), *entry("mfmb").readings.values()}:
        for name, (field, _) in fields_of(kind).items():
            assert rule_of(field).help, f"{kind.__name__}.{name}"


def test_no_setting_of_a_network_has_a_runs_name():
    for kind in {*(e.config for e in NETWORKS.values()), *entry("mfmb").readings.values()}:
        assert not set(fields_of(kind)) & (set(fields_of(TrainConfig)) | {"out", "quiet", "command"})


MISTAKES = [
    (["trian"], "no command 'trian': did you mean train?"),
    (["zzz"], "use doctor, data, train"),
    ([], "needs COMMAND"),
    (["--verison"], "did you mean --version?"),
    (["train", "--epoch", "3"], "no option --epoch of `python -m mgmr_lib train`: did you mean --epochs?"),
    (["train", "--mod", "mfmb", "--out", "x"], "did you mean --model?"),
    (["train", "--mod=mfmb", "--out", "x"], "did you mean --model?"),
    (["train", "--model", "mfmd", "--out", "x"], "no model 'mfmd': did you mean mfmb?"),
    (["train", "--model", "mfmb", "--reading", "cod", "--out", "x"], "did you mean code?"),
    (["train", "--profile", "laptob", "--out", "x"], "did you mean laptop?"),
    (["train", "--gate", "scaler", "--out", "x"], "one of scalar, channel, not 'scaler': did you mean scalar?"),
    (["train", "--heads", "4", "--out", "x"], "there is no option --heads"),
    (["train", "--model", "mfmb", "--heads", "3", "--out", "x"], "--heads must divide --d-model"),
    (["train", "--model", "mfmb", "--reading", "code", "--heads", "7", "--out", "x"], "--heads must divide --d-model"),
    (["train", "--epochs", "three", "--out", "x"], "--epochs must be a whole number, at least 1, not 'three'"),
    (["train", "--epochs", "2.5", "--out", "x"], "--epochs must be a whole number"),
    (["train", "--max-clips", "0", "--out", "x"], "--max-clips must be a whole number, at least 1, or none"),
    (["train", "--ema", "2", "--out", "x"], "--ema must be a number, at least 0 and below 1"),
    (["train", "--dropout", "2", "--out", "x"], "--dropout must be a number, at least 0 and below 1"),
    (["train", "--lr", "-1", "--out", "x"], "--lr must be a number, above 0, not '-1'"),
    (["train", "--lr", "-1e-3", "--out", "x"], "--lr must be a number, above 0, not '-1e-3'"),
    (["train", "--lr=nan", "--out", "x"], "--lr must be a number, above 0, not 'nan'"),
    (["train", "--lr", "--out", "x"], "--lr needs a value"),
    (["train", "--valid-rates", "0,0", "--out", "x"], "--valid-rates names the rate 0 twice"),
    (["train", "--model", "mgmr"], "needs --out"),
    (["train", "--model=mfmb", "--heads=3", "--out", "x"], "--heads must divide --d-model"),
    (["train", "--out", "x", "spare"], "no use for 'spare'"),
    (["data", "describe", "--", "--odd.pkl"], "--odd.pkl is neither a file nor one of"),
    (["train", "--out", "x", "--model"], "--model needs a value"),
    (["data", "descrbe"], "did you mean describe?"),
    (["data", "prepare", "--corpus", "clasroom-mosi"], "did you mean classroom-mosi?"),
    (["run", "--profile", "gigantic"], "--profile must be one of fast, laptop, tuned, long, full, not 'gigantic'"),
    (["run", "--seed", "-1"], "--seed must be a whole number, at least 0, not '-1'"),
]


@pytest.mark.parametrize("arguments, words", MISTAKES, ids=[" ".join(a) for a, _ in MISTAKES])
def test_a_mistake_suggests_and_exits_with_two(arguments, words, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["something", "--model", "mfmb", "else"])
    assert cli.main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.startswith("error: ") and shown.err.count("\n") == 1 and words in shown.err
    assert not list(tmp_path.iterdir())


def test_version_and_help_return_as_the_shell_does(capsys):
    assert cli.main(["--version"]) == 0 and capsys.readouterr().out == f"mgmr_lib {cli.version()}\n"
    assert cli.main(["--help"]) == 0 and "COMMAND" in capsys.readouterr().out


@pytest.mark.parametrize("text", [None, "[project", "[project]\nname = 'x'\n"])
def test_where_pyproject_says_no_version_the_installed_package_does(text, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(cli, "REPOSITORY", tmp_path)
    if text is not None:
        (tmp_path / "pyproject.toml").write_text(text)
    monkeypatch.setattr(cli.metadata, "version", {"mgmr-course": "7.8"}.get)
    assert cli.main(["--version"]) == 0 and capsys.readouterr().out == "mgmr_lib 7.8\n"


@pytest.mark.parametrize("module", ["mgmr_lib.training.config", "mgmr_lib.models.registry", "mgmr_lib.settings"])
def test_configurations_are_at_hand_without_torch(module):
    script = f"import sys, {module}; sys.exit(bool({{'torch', 'numpy'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY).returncode == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's device that is always full")
@pytest.mark.parametrize("word", ["doctor", "--help"])
def test_output_into_a_full_disk_is_one_sentence(word):
    env = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}  # output is held back, as it usually is
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "mgmr_lib", word]
        done = subprocess.run(command, cwd=REPOSITORY, env=env, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert "No space left" in done.stderr


def test_make_config_refuses_what_the_command_line_refuses():
    with pytest.raises(CourseError, match="did you mean epochs"):
        make_config(epoch=3)
    with pytest.raises(CourseError, match="no family 'mosj'"):
        make_config(family="mosj")
