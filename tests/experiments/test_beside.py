"""What stands beside a table's rows: from the records, the search and nothing else."""

import pytest

from mgmr_lib.experiments.beside import HEADS, beside, cells
from mgmr_lib.experiments.headline import headline_table
from mgmr_lib.training.config import make_config
from mgmr_lib.training.tuned import read_tuning
from tests.experiments.test_tables import record


def trained(name, seed, best, allowed=12, profile="laptop", **settings):
    config = make_config(name, "laptop", epochs=allowed, **settings).to_dict()
    return record(name, seed) | {
        "config": config, "best_epoch": best - 1, "epochs": min(best + 8, allowed), "parameters": 1_234_567,
        "profile": profile,
    }  # fmt: skip


def test_best_epochs_count_from_one_and_the_last_is_the_last_allowed():
    found = beside([trained("mgmr", 1111, 3), trained("mgmr", 1112, 12), trained("concat", 1111, 2, allowed=2)])
    assert found["mgmr"].cells() == ("mae", "1.23 M", "0", "3 to 12 of 12", "1 of 2")
    assert found["concat"].cells()[3:] == ("2 of 2", "1 of 1")
    # Stopped for want of patience in its 11th epoch: the best one, its last run, is not the last allowed.
    stopped = trained("mgmr", 1113, 11) | {"epochs": 11}
    assert beside([stopped])["mgmr"].last == 0
    assert found["mgmr"].row()["best_epoch_first"] == 3 and found["mgmr"].row()["best_in_last"] == 1


def test_each_network_names_what_it_was_trained_on():
    runs = {"mfmb": {}, "almt": {}, "concat": {"objective": "mse"}, "tfn": {}}
    kinds = {name: beside([trained(name, 1111, 1, **settings)])[name].objective for name, settings in runs.items()}
    assert kinds == {"mfmb": "classes", "almt": "mse", "concat": "mse", "tfn": "mae"}


def test_trials_are_those_of_the_search_and_belong_to_the_tuned_profile_alone():
    counts = {name: len(network["trials"]) for name, network in read_tuning()["networks"].items()}
    assert beside([trained("mult", 1111, 1)])["mult"].trials == 0
    assert beside([trained("mult", 1111, 1, profile="tuned")])["mult"].trials == counts["mult"] >= 16
    shuffled = trained("mgmr", 1111, 1, profile="tuned") | {"name": "mgmr_shuffled"}
    found = beside([shuffled])["mgmr_shuffled"]
    assert found.trials == counts["mgmr"] and found.cells()[2] == f"{counts['mgmr']} (MGMR-Net's)"
    code = trained("mfmb", 1111, 1, profile="tuned", reading="code") | {"name": "mfmb_code"}
    assert beside([code])["mfmb_code"].cells()[2] == "0"  # laptop's settings: nobody searched


def test_what_was_not_trained_has_dashes_and_every_row_has_all_cells():
    assert cells(None) == ("–",) * len(HEADS)
    text = headline_table([trained("mgmr", 1111, 7), record("text_ridge", 0, config=False)]).split("\n\n")[0]
    head, _, *rows = text.splitlines()
    assert len(rows) == 2 and all(row.count("|") == head.count("|") for row in rows)
    ridge, mgmr = sorted(rows, key=lambda row: "1.23 M" in row)
    assert ridge.endswith("| – | – | – | – | – |") and mgmr.endswith("| mae | 1.23 M | 0 | 7 of 12 | 0 of 1 |")


@pytest.mark.parametrize("shown", HEADS)
def test_the_heads_stand_in_the_readme(shown):
    from mgmr_lib.paths import REPOSITORY

    assert f"| {shown} |" in (REPOSITORY / "README.md").read_text(encoding="utf-8")
