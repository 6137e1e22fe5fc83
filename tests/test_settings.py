"""The one door for settings: what text means, what is refused, and how the refusal reads."""

import math
from dataclasses import dataclass

import numpy as np
import pytest

from mgmr_lib import settings
from mgmr_lib.errors import CourseError
from mgmr_lib.settings import parse_rates, parse_set, setting, validate


@dataclass(frozen=True)
class Run:
    epochs: int = setting(60, "passes over the clips", low=1)
    lr: float = setting(1e-3, "learning rate", above=0)
    ema: float = setting(0.0, "decay", low=0, below=1)
    kernel: int = setting(3, "kernel", low=1, odd=True)
    protocol: str = setting("B", "protocol", choices=("A", "B"))
    max_clips: int | None = setting(None, "only so many clips", low=1)
    shuffle: bool = setting(False, "control")
    valid_rates: tuple[float, ...] = setting((0.0, 0.5), "rates")
    free: str = setting("x", "any word")
    network: object = None

    def __post_init__(self):
        validate(self)


@dataclass(frozen=True)
class Network:
    d_model: int = setting(64, "width", low=1)


GOOD = [
    ("epochs=3", 3),
    ("epochs=1_000", 1000),
    ("lr=1", 1.0),
    ("lr=1e-4", 1e-4),
    ("ema=0", 0.0),
    ("kernel=5", 5),
    ("protocol=A", "A"),
    ("max_clips=none", None),
    ("max_clips=None", None),
    ("max-clips=7", 7),
    ("shuffle=true", True),
    ("shuffle=0", False),
    ("valid_rates=0,0.3", (0.0, 0.3)),
    ("valid_rates=0:1:0.5", (0.0, 0.5, 1.0)),
    ("free=a=b", "a=b"),
    ("d_model=8", 8),
]


@pytest.mark.parametrize("word, value", GOOD, ids=[w for w, _ in GOOD])
def test_text_becomes_the_fields_type(word, value):
    (found,) = parse_set([word], [Run, Network]).values()
    assert found == value and type(found) is type(value)


BAD = [
    ("epochs=three", "--epochs must be a whole number, at least 1, not 'three'"),
    ("epochs=2.5", "--epochs must be a whole number, at least 1, not '2.5'"),
    ("epochs=", "--epochs must be a whole number, at least 1, not ''"),
    ("epochs=0", "--epochs must be"),
    ("epochs=-3", "--epochs must be"),
    ("epochs=none", "--epochs must be"),
    ("epochs=true", "--epochs must be"),
    ("epochs=" + "9" * 5000, "--epochs must be"),
    ("lr=-1", "--lr must be a number, above 0, not '-1'"),
    ("lr=0", "--lr must be"),
    ("lr=nan", "--lr must be"),
    ("lr=inf", "--lr must be"),
    ("lr=1e999", "--lr must be"),
    ("ema=2", "--ema must be a number, at least 0 and below 1"),
    ("ema=1", "--ema must be"),
    ("kernel=2", "--kernel must be a whole number, odd and at least 1, not '2'"),
    ("protocol=C", "--protocol must be one of A, B, not 'C'"),
    ("max_clips=0", "--max-clips must be a whole number, at least 1, or none"),
    ("shuffle=maybe", "--shuffle must be true or false"),
    ("valid_rates=0,2", "--valid-rates"),
    ("valid_rates=", "--valid-rates"),
    ("valid_rates=0,0", "--valid-rates names the rate 0 twice"),
    ("epoch=3", "did you mean epochs?"),
    ("network=1", "no setting 'network'"),
    ("epochs", "NAME=VALUE"),
    ("=3", "NAME=VALUE"),
    ("", "NAME=VALUE"),
]


@pytest.mark.parametrize("word, sentence", BAD, ids=[w[:20] for w, _ in BAD])
def test_other_text_is_one_sentence_with_the_options_name_and_range(word, sentence):
    with pytest.raises(CourseError) as found:
        parse_set([word], [Run, Network])
    assert sentence in str(found.value) and "\n" not in str(found.value) and len(str(found.value)) < 250


def test_a_setting_given_twice_is_refused():
    with pytest.raises(CourseError, match="epochs twice"):
        parse_set(["epochs=3", "epochs=4"], [Run])


VALUES = [
    {"epochs": 2.0},
    {"epochs": True},
    {"epochs": "3"},
    {"epochs": None},
    {"lr": math.nan},
    {"lr": math.inf},
    {"lr": 0},
    {"ema": 1.0},
    {"kernel": 4},
    {"protocol": "b"},
    {"protocol": 1},
    {"max_clips": 0},
    {"shuffle": 1},
    {"valid_rates": ()},
    {"valid_rates": 0.5},
    {"valid_rates": (0.5, 0.5)},
    {"valid_rates": ("a",)},
    {"valid_rates": (math.nan,)},
    {"free": 3},
    {"lr": np.float32("nan")},
]


@pytest.mark.parametrize("change", VALUES, ids=str)
def test_python_values_meet_the_same_rules(change):
    (name,) = change
    with pytest.raises(CourseError, match="--" + name.replace("_", "-")):
        Run(**change)


def test_equal_numbers_are_kept_as_one_type():
    run = Run(lr=1, ema=np.float64(0.5), epochs=np.int64(3), valid_rates=[0, 1])
    assert (type(run.lr), type(run.ema), type(run.epochs)) == (float, float, int)
    assert run.valid_rates == (0.0, 1.0) and type(run.valid_rates[0]) is float


RATES = [
    ("0:0.9:0.5", [0, 0.5]),
    ("0:0.9:0.3", [0, 0.3, 0.6, 0.9]),
    ("0:1:0.1", [i / 10 for i in range(11)]),
    ("0.5", [0.5]),
    ("1,0", [1, 0]),
    ("0.3:0.3:0.1", [0.3]),
    ("0:1:0.001", [i / 1000 for i in range(1001)]),
    (" 0 , 1 ", [0, 1]),
    ("-0", [0]),
    ("0.1:0.7:0.2", [0.1, 0.3, 0.5, 0.7]),
    ("0:1:0.7", [0, 0.7]),
    ("0:1:5", [0]),
]


@pytest.mark.parametrize("text, rates", RATES, ids=[t for t, _ in RATES])
def test_rates(text, rates):
    found = parse_rates(text)
    assert found == rates and not math.copysign(1, found[0]) < 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        ",",
        "0,",
        "0:1",
        "0:1:0",
        "0:1:-0.1",
        "1:0:0.1",
        "-0.1",
        "1.1",
        "nan",
        "inf",
        "0:nan:0.1",
        "0:1:nan",
        "nan:1:0.1",
        "0:inf:0.1",
        "0:1.1:0.1",
        "a:b:c",
        "0:1:1e-9",
        "0:1:1e-999999",
        "0,0",
        "0.5,0.50000001",
        "1:2:0.5",
        "0:1:0.1:2",
        "0:1e999999999:1",
    ],
)
def test_other_rates_are_one_sentence(text):
    with pytest.raises(CourseError, match="^--rates ") as found:
        parse_rates(text)
    assert "\n" not in str(found.value)


def test_rules_in_words():
    words = {n: settings.describe(a, settings.rule_of(f)) for n, (f, a) in settings.fields_of(Run).items()}
    assert words["ema"] == "a number, at least 0 and below 1" and words["protocol"] == "one of A, B"
    assert words["max_clips"] == "a whole number, at least 1, or none" and "network" not in words
