"""Notebook 28's page: what the papers print is counted rightly, and the verdicts follow the records, both ways."""

import copy

import pandas as pd
import pytest

from mgmr_lib.chapters.ch28_what_the_papers_claim import claims, exercises, findings, printed, rivals
from mgmr_lib.chapters.ch28_what_the_papers_claim.findings import Evidence
from mgmr_lib.experiments import verdicts
from mgmr_lib.experiments.complexity import costs_path, read_costs
from mgmr_lib.experiments.ledger import areas, read_ledger
from mgmr_lib.experiments.plan import EQUAL
from mgmr_lib.experiments.tables import condition_said, paper_rows


@pytest.fixture(scope="module")
def evidence():
    equal, complete = (read_ledger(corpus=EQUAL[0], profile=EQUAL[1], protocol=p) for p in ("B", "A-0.0"))
    return Evidence(equal, complete, read_costs(costs_path("classroom-mosi", "laptop")), read_ledger())


def moved(records, names, by, metrics=claims.EIGHT):
    """These networks worse by that much in these metrics."""
    made = copy.deepcopy(records)
    for record in made:
        for row in record["records"] if record["name"] in names else []:
            row.update({m: row[m] + (by if m == "mae" else -by) for m in metrics})
    return made


def shifted(evidence, name, by, metrics=claims.EIGHT):
    equal, complete = (moved(records, {name}, by, metrics) for records in (evidence.equal, evidence.complete))
    return Evidence(equal, complete, evidence.costs, evidence.runs)


def word(evidence, says):
    (claim,) = (c for c in claims.CLAIMS if says in c.says)
    return claim.here(evidence)[0]


@pytest.mark.parametrize("table, family", [(3, "mosi"), (4, "mosei"), (5, "sims")])
def test_columns_are_counted_as_the_exercise_counts_them(table, family):
    rows = paper_rows(("MGMR-Net", table), family).to_dict("index")
    mine = rows.pop("MGMR-Net")
    best = exercises.best_columns(mine, list(rows.values()), ["mae"])
    assert printed.best_columns("MGMR-Net", table, family, "MGMR-Net") == (len(best), len(mine))


def test_printed_counts_known_by_hand():
    assert printed.best_columns("MGMR-Net", 3, "mosi", "MGMR-Net") == (8, 8)
    assert printed.best_columns("MGMR-Net", 5, "sims", "MGMR-Net") == (2, 6)  # Acc-5 and Acc-2
    said = printed.loss("MFMB-Net", 5, "MFMB-Net", "Recon")
    assert "acc7 -1.4" in said and "acc5 -1.3" in said  # the text says .7


def test_what_is_tied_or_behind_is_named():
    said = printed.consistently("MFMB-Net", ((4, "mosi"),), "MFMB-Net")
    assert said.startswith("best in 4 of 8 columns of Table 4 (MOSI; tied or behind in ") and "Acc-5" in said
    assert printed.consistently("MGMR-Net", ((3, "mosi"),), "MGMR-Net") == "best in 8 of 8 columns of Table 3 (MOSI)"


def test_the_papers_times_are_counted():
    said = printed.inference_times("MGMR-Net", 7, "MGMR-Net")
    assert said.startswith("Table 7: of 6 networks number 1 complete and number 1 half missing")
    assert "change by +0.28, the others' by -0.01 to +0.55" in said


def test_a_rank_at_one_rate_follows_the_errors_there(evidence):
    own = rivals.theirs("MGMR-Net", 3)
    for by, wanted in ((-0.5, "better"), (0.5, "worse")):
        found = rivals.at_rate(moved(evidence.equal, {"mgmr"}, by, ("mae",)), "mgmr", own)
        assert len(found) == 8 and set(found["word"]) == {getattr(verdicts, wanted.upper())}


def test_three_seeds_of_five_are_taken_in_every_way(evidence):
    found = rivals.by_three_seeds(evidence.equal, "mfmb", ("concat", "mult"))
    assert len(found) == 10 and all(0 <= better + worse <= 2 for better, worse in found)
    ahead = moved(evidence.equal, {"mfmb"}, -1.0, ("mae",))
    assert rivals.by_three_seeds(ahead, "mfmb", ("concat", "mult")) == [(2, 0)] * 10


def test_the_claim_of_table_2_says_that_its_data_is_not_named():
    (said,) = (c.printed() for c in claims.CLAIMS if "Table 2" in c.printed())
    assert ("not said" in said) != condition_said(("MFMB-Net", 2), "mosi")


def test_verdicts_turn_with_the_records(evidence):
    for by, wanted in ((0.3, findings.HOLDS), (-0.3, findings.NOT)):
        assert (
            word(shifted(evidence, "mgmr_no_recon", by), "Without the reconstruction it is worse, above all in F1")
            == wanted
        )
    assert word(shifted(evidence, "mgmr_shared", 0.3), "inside of a layer") == findings.HOLDS
    ahead, behind = shifted(evidence, "mfmb", -0.5), shifted(evidence, "mfmb", 0.5)
    assert word(ahead, "in almost all metrics") == findings.HOLDS
    assert word(behind, "in almost all metrics") == word(behind, "on MOSI in MAE") == findings.NOT


def test_a_rank_holds_in_every_metric_that_its_claim_names_and_on_every_corpus(evidence):
    claim = "on MOSI in MAE"
    assert word(shifted(evidence, "mfmb", -0.5), claim) == findings.PART  # nothing of MOSEI is recorded
    here = findings.against("mfmb", "MFMB-Net", 4, ("mae", "corr"))
    assert here(shifted(evidence, "mfmb", -0.5))[0] == findings.HOLDS
    assert here(shifted(evidence, "mfmb", -0.5, ("mae",)))[0] == findings.PART  # ahead of all in one of two
    assert here(shifted(evidence, "mfmb", 0.5, ("mae", "corr")))[0] == findings.NOT
    few = [r for r in evidence.equal if r["name"] in ("mfmb", "tfn", "lmf")]
    assert here(Evidence(few, [], None))[0] == findings.UNKNOWN


@pytest.mark.parametrize(
    "better, worse, wanted",
    [(4, 0, findings.HOLDS), (3, 1, findings.PART), (1, 0, findings.PART), (2, 2, findings.NOT), (1, 3, findings.NOT),
     (0, 1, findings.NOT), (0, 0, findings.APART)],
)  # fmt: skip
def test_one_scale_of_words(better, worse, wanted):
    words = ["better"] * better + ["worse"] * worse + ["not told apart"] * (4 - better - worse)
    assert findings.one_word({"mae": pd.DataFrame({"word": words})}) == wanted


def test_single_modalities_are_judged_on_the_same_scale(evidence):
    claim = "Text tells most"
    for names, by, wanted in (
        ((), 0.0, findings.PART),  # as recorded: text is ahead of both, and the three are not told apart from it
        (("concat",), -0.5, findings.HOLDS),
        (("fc_t",), 2.0, findings.NOT),  # behind both, and only the three together are ahead of it
    ):
        assert word(Evidence([], moved(evidence.complete, names, by), None), claim) == wanted


def test_all_metrics_but_one():
    ahead, open_ = pd.DataFrame({"word": ["better"] * 3}), pd.DataFrame({"word": ["not told apart"] * 3})
    worse = pd.DataFrame({"word": ["better", "better", "worse"]})
    for families, wanted in (((ahead, open_), True), ((open_, open_), False), ((ahead, worse), False)):
        found = findings.one_word(dict(enumerate(families)), spare=1)
        assert (found == findings.HOLDS) == wanted


def test_a_rival_is_who_stands_in_the_papers_own_table():
    assert rivals.theirs("MGMR-Net", 3) == ("misa", "self_mm", "mmim", "cenet", "tetfn", "tfr", "almt", "lnln")
    assert rivals.theirs("MFMB-Net", 4) == ("tfn", "lmf", "mult", "misa", "self_mm", "tfr", "mmim")


def test_a_rank_says_what_trainings_and_care_make_of_it(evidence):
    says = {c.says: why for c, (_, why) in claims.judged(evidence)}
    for network, start in (("mgmr", "It is consistently"), ("mfmb", "It is ahead of all others while")):
        (why,) = (w for s, w in says.items() if s.startswith(start))
        other = "mfmb" if network == "mgmr" else "mgmr"
        for condition in rivals.CONDITIONS:
            found = rivals.differences(evidence, network, condition, (other, *rivals.RIVALS))
            assert f"{condition}: {rivals.told_apart(found)}" in why and len(found) == 20


def test_five_trainings_tell_more_apart_than_other_settings_do(evidence):
    """The notebook: what turns most words is the number of trainings."""
    for network in ("mgmr", "mfmb"):
        told = {c: (rivals.differences(evidence, network, c)["word"] == "better").sum() for c in rivals.CONDITIONS}
        five, *_, three = told.values()
        assert five - three >= 5 and five > max(list(told.values())[1:])


def test_ahead_of_several_on_complete_clips(evidence):
    own = rivals.theirs("MGMR-Net", 3)
    level = [r for r in evidence.equal if r["name"] == "mgmr"]
    assert word(Evidence(level, [], None), "several others") == findings.UNKNOWN
    for rival in own[:4]:
        level += [copy.deepcopy(r) | {"name": rival, "label": rival} for r in level if r["name"] == "mgmr"]
    for behind, wanted in ((2, findings.PART), (3, findings.HOLDS)):  # the others: not told apart
        assert word(Evidence(moved(level, own[:behind], 1.0), [], None), "several others") == wanted
    ahead = moved(moved(level, own[:3], 1.0), own[3:4], -1.0)
    assert word(Evidence(ahead, [], None), "several others") == findings.PART  # one of them is ahead
    assert word(Evidence(moved(level, own, -1.0), [], None), "several others") == findings.NOT


def test_most_of_all_is_judged_against_the_others(evidence):
    harmed = shifted(evidence, "mfmb_no_recon", 0.8)
    assert word(harmed, "most of all") == findings.HOLDS
    assert word(shifted(harmed, "mfmb_no_f1", 0.8), "most of all") == findings.PART  # both harm, level with each other
    assert word(shifted(harmed, "mfmb_no_f1", 1.6), "most of all") == findings.PART
    said = printed.loss("MFMB-Net", 5, "MFMB-Net", "Recon", ("F-1", "F-2"))
    assert said.endswith("worse than without F-1 and F-2 in 3 of 7")


def test_what_is_lost_is_compared_with_what_the_rivals_lose(evidence):
    left = rivals.shares_left(evidence.equal)
    mae = {r["training_seed"]: areas(r) for r in evidence.equal if r["name"] == "mgmr"}
    assert len(left["mgmr"]) == len(mae) and 0.1 < min(left["mgmr"]) < max(left["mgmr"]) < 0.4
    lost = [
        next(row["mae"] for row in r["records"] if row["rate"] == 0.9 and row["seed"] == 1)
        - next(row["mae"] for row in r["records"] if row["rate"] == 0 and row["seed"] == 1)
        for r in evidence.equal
        if r["name"] == "mgmr"
    ]
    assert rivals.mean_loss(evidence.equal, "mgmr", "mae") == pytest.approx(sum(lost) / len(lost), abs=0.02)
    for rise, wanted in ((0.0, findings.HOLDS), (1.5, findings.NOT)):  # who loses nothing, and who loses all
        made = copy.deepcopy(evidence.equal)
        for record in [r for r in made if r["name"] == "mgmr"]:
            for row in record["records"]:
                at = row["rate"] * rise + record["training_seed"] / 1e6 * row["rate"]
                row.update({"mae": 0.8 + at, "f1_non0": 0.8 - at / 3})
        assert word(Evidence(made, [], None), "only marginally") == wanted


def test_costs_decide_on_the_claims_about_time(evidence):
    costs = copy.deepcopy(evidence.costs)
    for row in costs["over_length"]:
        row["seconds"] = row["frames"] ** 2
    for row in costs["inference"]:
        row["seconds"] = 1.0 if row["name"] == "mgmr" else 2.0
    turned = Evidence(evidence.equal, evidence.complete, costs)
    assert word(evidence, "linearly") == findings.PART  # no scan of either stage grows in that record
    assert word(turned, "linearly") == findings.NOT
    claim = "inference time is competitive"
    assert word(turned, claim) == findings.UNKNOWN  # nobody of Table 7 was timed
    for name, seconds in (("misa", 2.0), ("lnln", 2.0)):
        costs["inference"] += [{"name": name, "rate": rate, "seconds": seconds} for rate in (0.0, 0.5)]
    for row in costs["inference"]:  # who is not in the paper's table decides nothing
        row["seconds"] = {"mgmr": 1.0, "misa": 2.0, "lnln": 2.0}.get(row["name"], 0.5)
    for slower, wanted in (({}, findings.HOLDS), ({"misa": 0.5}, findings.PART), ({"lnln": 0.5}, findings.NOT)):
        for row in costs["inference"]:
            row["seconds"] = slower.get(row["name"], row["seconds"])
        assert word(Evidence(evidence.equal, evidence.complete, costs), claim) == wanted


def test_without_records_everything_is_unknown():
    assert {w for _, (w, _) in claims.judged(Evidence([], [], None))} == {findings.UNKNOWN}


def test_every_claim_is_on_its_papers_page(evidence):
    found = claims.judged(evidence)
    pages = {paper: claims.page(found, paper) for paper in (claims.MGMR, claims.MFMB)}
    assert all(f"| {c.says} ({c.place}) |" in pages[c.paper] for c in claims.CLAIMS)
    assert sum(page.count("\n") - 1 for page in pages.values()) == len(claims.CLAIMS)


def test_their_rivals_settings_turn_words_of_one_network_on_the_first_edition(evidence):
    own, theirs = (c for c in rivals.CONDITIONS if "first edition" in c)
    turned = {}
    for network in ("mgmr", "mfmb"):
        one, other = (rivals.differences(evidence, network, c).set_index("second")["word"] for c in (own, theirs))
        turned[network] = (one != other).sum()
    assert turned["mgmr"] == 0 < turned["mfmb"]
