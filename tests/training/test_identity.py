"""A run's identity: it follows the content of the data and the settings, and nothing else."""

import dataclasses
from dataclasses import dataclass, replace

import numpy as np
import pytest

from mgmr_lib.data.corpus import Corpus, Ragged
from mgmr_lib.errors import CourseError
from mgmr_lib.experiments.ledger import RUNS, read_record
from mgmr_lib.settings import setting
from mgmr_lib.training.config import TrainConfig, make_config
from mgmr_lib.training.identity import changed_settings, fingerprint, first_fingerprint, read_config, sentence_of
from tests.toy import toy_corpus


def with_test(corpus: Corpus, **changes) -> Corpus:
    """The same corpus with parts of its test split changed."""
    return replace(corpus, splits={**corpus.splits, "test": replace(corpus["test"], **changes)})


def test_the_fingerprint_is_of_the_content_alone():
    corpus, again = toy_corpus(), toy_corpus()
    assert fingerprint(corpus) == fingerprint(again)
    assert fingerprint(replace(corpus, name="another", source="/elsewhere/name.pkl")) == fingerprint(corpus)
    test = corpus["test"]
    longer = np.pad(test.token_ids, ((0, 0), (0, 5)))  # more padding says nothing about the clips
    assert fingerprint(with_test(corpus, token_ids=longer)) == fingerprint(corpus)


@pytest.mark.parametrize("part", ["ids", "labels", "token_ids", "token_lengths", "audio", "vision"])
def test_one_changed_value_changes_the_fingerprint(part):
    corpus = toy_corpus()
    old = getattr(corpus["test"], part)
    if isinstance(old, Ragged):
        values = old.values.copy()
        values[3, 1] += 1e-3
        new = replace(old, values=values)
    elif isinstance(old, tuple):
        new = (old[0] + "x", *old[1:])
    else:
        new = old.copy()
        new.flat[1] += 1 if part != "token_lengths" else -1
    other = with_test(corpus, **{part: new})
    assert fingerprint(other) != fingerprint(corpus)
    assert (first_fingerprint(other) != first_fingerprint(corpus)) == (part in ("ids", "labels", "token_ids"))


def test_the_same_clips_in_another_split_are_other_data():
    corpus = toy_corpus()
    splits = {"train": corpus["train"], "valid": corpus["test"], "test": corpus["valid"]}
    assert fingerprint(replace(corpus, splits=splits)) != fingerprint(corpus)


@dataclass(frozen=True)
class LaterConfig(TrainConfig):
    """A later release's, with one more setting."""

    label_noise: float = setting(0.0, "something new", low=0)


def test_a_setting_that_comes_later_leaves_older_runs_as_they_were():
    before = make_config("mgmr", "laptop", lr=0.002)
    after = LaterConfig.from_dict(before.to_dict())
    assert after.label_noise == 0.0 and after.hash() == before.hash()
    assert not changed_settings(after, LaterConfig(**vars(before)))
    used = replace(after, label_noise=0.1)
    assert used.hash() != before.hash() and changed_settings(after, used) == {"label_noise": (0.0, 0.1)}


def test_a_default_that_changes_is_noticed_in_a_recorded_configuration():
    @dataclass(frozen=True)
    class OtherDefault(TrainConfig):
        patience: int = setting(5, "was 8", low=1)

    recorded = make_config("concat", "full").to_dict()
    assert recorded["patience"] == 8
    now = OtherDefault(**{k: v for k, v in vars(make_config("concat", "full")).items() if k != "patience"})
    assert changed_settings(read_config(recorded, "x"), now) == {"patience": (8, 5)}


def test_the_hash_does_not_know_where_the_data_lie():
    one = make_config("concat", data="a/unaligned_50.pkl")
    assert one.hash() == replace(one, data="/b/renamed.pkl", dataset="mosi").hash()
    hashes = {one.hash()} | {replace(one, **change).hash() for change in ({"lr": 0.5}, {"seed": 2}, {"ema": 0.5})}
    hashes |= {replace(one, network=replace(one.network, dropout=0.7)).hash(), make_config("tfn").hash()}
    assert len(hashes) == 6


def test_what_differs_is_named():
    one, two = make_config("mgmr"), make_config("mgmr", lr=0.5, d_state=3)
    assert changed_settings(one, two) == {"d_state": (8, 3), "lr": (0.001, 0.5)}
    assert sentence_of(changed_settings(one, two)) == "d_state is 8 there and 3 here; lr is 0.001 there and 0.5 here"


@pytest.mark.parametrize(
    "change", [{"lr": "much"}, {"network": None}, {"network": 3}, {"model": "nothing"}, {"unheard_of": 1}, {"lr": [1]}]
)
def test_a_configuration_that_makes_no_sense_is_refused_with_its_file(change):
    values = make_config("mgmr").to_dict() | change
    with pytest.raises(CourseError, match="some/config.json"):
        read_config(values, "some/config.json")
    for other in (None, [], "x", {}):
        with pytest.raises(CourseError, match="some/config.json"):
            read_config(other, "some/config.json")


def test_every_record_of_the_course_is_read_by_this_release():
    for path in RUNS.rglob("*.json"):
        record = read_record(path)
        if record["config"] is not None:
            config = read_config(record["config"], path)
            assert config.hash() == record["config_hash"] and dataclasses.is_dataclass(config.network)
