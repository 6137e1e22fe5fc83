"""Notebook 28's page: what the papers print is counted rightly, and the verdicts follow the records, both ways."""

import copy

import pytest

from mgmr_lib.chapters.ch28_what_the_papers_claim import claims, exercises, rivals
from mgmr_lib.experiments.complexity import costs_path, read_costs
from mgmr_lib.experiments.ledger import areas, read_ledger
from mgmr_lib.experiments.tables import condition_said, paper_rows


@pytest.fixture(scope="module")
def evidence():
    runs, complete = (read_ledger(corpus="classroom-mosi", profile="laptop", protocol=p) for p in ("B", "A-0.0"))
    equal = read_ledger(corpus="classroom-mosi@2", profile="tuned")
    return claims.Evidence(runs, complete, read_costs(costs_path("classroom-mosi", "laptop")), equal)


def moved(records, names, by):
    made = copy.deepcopy(records)
    for record in made:
        for row in record["records"] if record["name"] in names else []:
            row["mae"] += by
    return made


def shifted(evidence, name, by):
    runs, equal = (moved(records, {name}, by) for records in (evidence.runs, evidence.equal))
    return claims.Evidence(runs, evidence.complete, evidence.costs, equal)


def word(evidence, says):
    return {c.says: w for c, (w, _) in claims.judged(evidence) if says in c.says}.popitem()[1]


@pytest.mark.parametrize("table, family", [(3, "mosi"), (4, "mosei"), (5, "sims")])
def test_columns_are_counted_as_the_exercise_counts_them(table, family):
    rows = paper_rows(("MGMR-Net", table), family).to_dict("index")
    mine = rows.pop("MGMR-Net")
    best = exercises.best_columns(mine, list(rows.values()), ["mae"])
    assert claims.best_columns("MGMR-Net", table, family, "MGMR-Net") == (len(best), len(mine))


def test_printed_counts_known_by_hand():
    assert claims.best_columns("MGMR-Net", 3, "mosi", "MGMR-Net") == (8, 8)
    assert claims.best_columns("MGMR-Net", 5, "sims", "MGMR-Net") == (2, 6)  # Acc-5 and Acc-2
    said = claims.printed_loss("MFMB-Net", 5, "MFMB-Net", "Recon")
    assert "acc7 -1.4" in said and "acc5 -1.3" in said  # the text says .7


def test_the_claim_of_table_2_says_that_its_data_is_not_named():
    (said,) = (c.printed() for c in claims.CLAIMS if "Table 2" in c.printed())
    assert ("not said" in said) != condition_said(("MFMB-Net", 2), "mosi")


def test_verdicts_turn_with_the_records(evidence):
    for by, wanted in ((0.3, claims.HOLDS), (-0.3, claims.NOT)):
        assert word(shifted(evidence, "mgmr_no_recon", by), "Without the reconstruction it is worse.") == wanted
    ahead, behind = shifted(evidence, "mgmr", -0.5), shifted(evidence, "mgmr", 0.5)
    assert word(ahead, "on three corpora") == claims.HOLDS and word(behind, "on three corpora") == claims.NOT
    assert word(shifted(evidence, "mgmr_shared", 0.3), "inside of a layer") == claims.HOLDS


def test_a_rival_is_who_stands_in_the_papers_own_table():
    assert rivals.theirs("MGMR-Net", 3) == ("misa", "self_mm", "mmim", "cenet", "tetfn", "tfr", "almt", "lnln")
    assert rivals.theirs("MFMB-Net", 4) == ("tfn", "lmf", "mult", "misa", "self_mm", "tfr", "mmim")


def test_a_rank_says_what_care_makes_of_it(evidence):
    says = {c.says: why for c, (_, why) in claims.judged(evidence)}
    for network, start in (("mgmr", "It is consistently"), ("mfmb", "It is ahead of all others while")):
        (why,) = (w for s, w in says.items() if s.startswith(start))
        other = "mfmb" if network == "mgmr" else "mgmr"
        for condition in rivals.CONDITIONS:
            found = rivals.differences(evidence, network, condition, (other, *rivals.RIVALS))
            assert f"{condition}: {rivals.told_apart(found)}" in why and len(found) == 20


def test_ahead_of_several_on_complete_data_is_unknown_where_its_rivals_are_not_recorded(evidence):
    assert word(evidence, "several others") == claims.UNKNOWN
    own = rivals.theirs("MGMR-Net", 3)
    level = [r for r in evidence.complete if r["name"] == "mgmr"]
    for rival in own[:4]:
        level += [copy.deepcopy(r) | {"name": rival, "label": rival} for r in level if r["name"] == "mgmr"]
    for behind, wanted in ((2, claims.PART), (3, claims.HOLDS)):  # the others: not told apart
        records = moved(level, own[:behind], 1.0)
        assert word(claims.Evidence([], records, None), "several others") == wanted
    ahead = moved(moved(level, own[:3], 1.0), own[3:4], -1.0)
    assert word(claims.Evidence([], ahead, None), "several others") == claims.PART  # one of them is ahead
    assert word(claims.Evidence([], moved(level, own, -1.0), None), "several others") == claims.NOT


def test_first_of_all_on_complete_data_is_in_part_where_some_are_missing(evidence):
    assert word(evidence, "in almost all metrics") == claims.PART


def test_a_rank_is_judged_as_a_rank(evidence):
    harmed = shifted(evidence, "mfmb_no_recon", 0.3)
    assert word(harmed, "most of all") == claims.HOLDS
    outdone = claims.Evidence(shifted(harmed, "mfmb_no_f1", 0.6).runs, evidence.complete, evidence.costs)
    assert word(outdone, "most of all") == claims.PART


def test_a_share_that_is_left_is_compared_with_the_rivals_shares(evidence):
    left = rivals.shares_left(evidence.equal)
    mae = {r["training_seed"]: areas(r) for r in evidence.equal if r["name"] == "mgmr"}
    assert len(left["mgmr"]) == len(mae) and 0.1 < min(left["mgmr"]) < max(left["mgmr"]) < 0.4
    for kept, wanted in (
        (0.8, claims.HOLDS),
        (1.5, claims.NOT),
    ):  # the error at every rate of one who loses nothing, or all
        made = copy.deepcopy(evidence.equal)
        for record in [r for r in made if r["name"] == "mgmr"]:
            for row in record["records"]:
                row["mae"] = 0.8 if row["rate"] == 0 else kept + record["training_seed"] / 1e6
        assert word(claims.Evidence([], [], None, made), "only marginally") == wanted


def test_costs_decide_on_the_claims_about_time(evidence):
    costs = copy.deepcopy(evidence.costs)
    for row in costs["over_length"]:
        row["seconds"] = row["frames"] ** 2
    for row in costs["inference"]:
        row["seconds"] = 1.0 if row["name"] == "mgmr" else 2.0
    turned = claims.Evidence(evidence.runs, evidence.complete, costs)
    assert word(turned, "linearly") == claims.NOT
    claim = "inference time is competitive"
    assert word(turned, claim) == claims.UNKNOWN  # nobody of Table 7 was timed
    for name, seconds in (("misa", 2.0), ("lnln", 2.0)):
        costs["inference"] += [{"name": name, "rate": rate, "seconds": seconds} for rate in (0.0, 0.5)]
    for row in costs["inference"]:  # who is not in the paper's table decides nothing
        row["seconds"] = {"mgmr": 1.0, "misa": 2.0, "lnln": 2.0}.get(row["name"], 0.5)
    for slower, wanted in (({}, claims.HOLDS), ({"misa": 0.5}, claims.PART), ({"lnln": 0.5}, claims.NOT)):
        for row in costs["inference"]:
            row["seconds"] = slower.get(row["name"], row["seconds"])
        assert word(claims.Evidence(evidence.runs, evidence.complete, costs), claim) == wanted


def test_without_records_everything_is_unknown():
    assert {w for _, (w, _) in claims.judged(claims.Evidence([], [], None))} == {claims.UNKNOWN}


def test_every_claim_is_on_its_papers_page(evidence):
    found = claims.judged(evidence)
    pages = {paper: claims.page(found, paper) for paper in (claims.MGMR, claims.MFMB)}
    assert all(f"| {c.says} ({c.place}) |" in pages[c.paper] for c in claims.CLAIMS)
    assert sum(page.count("\n") - 1 for page in pages.values()) == len(claims.CLAIMS)
