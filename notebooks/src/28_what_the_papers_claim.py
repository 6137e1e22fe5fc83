# ---
# jupyter:
#   mgmr:
#     title: What the papers claim
#     claim: "A claim is a sentence and a table; here each of nineteen sentences stands beside its paper's own table and beside ours, and some stand alone."
#     goals:
#       - hold a paper's sentence against the numbers that the same paper prints
#       - say of each claim of both papers what our records show, and by which test
#       - tell a claim that fails from one that was not told apart, and both from one that nobody could test
#       - name what would settle those that are open
#     minutes: 35
#     budget_s: 60
#     device: cpu
#     requires: ["10", "15", "19", "21", "22", "23", "27"]
#     introduces: []
# ---
# %% [markdown]
# ## Nineteen sentences
# Two papers [@mgmr2025] [@mfmb2025] took us through this course. What do they say, and what is true of it here? Below are their claims, each in one sentence of ours. A claim that holds on our corpus may fail on yours, and the other
# way round: the sentences of this corpus are real, its voices and faces are simulated.
#
# **Predict:** how many of the nineteen hold here as they stand?

# %%
import copy

from mgmr_lib.chapters.ch28_what_the_papers_claim import claims, findings, printed, rivals
from mgmr_lib.course import check, exercise, explore, hint, outcome, predict, progress, say, use_style
from mgmr_lib.experiments.complexity import costs_path, read_costs
from mgmr_lib.experiments.ledger import provenance_line, read_ledger
from mgmr_lib.experiments.plan import ABLATIONS, EQUAL
from mgmr_lib.experiments.tables import paper_rows

use_style()
for number, claim in enumerate(claims.CLAIMS, start=1):
    print(f"{number:2} {claim.paper}: {claim.says}")

# %%
predict("28.a", "How many of the nineteen hold here as they stand?", between=(0, 19), step=1, within=1)

# %% [markdown]
# ## 1 A sentence and its own table
# Before we measure anything, we read. MGMR-Net "consistently outperforms", says its paper, "several baseline methods" in the abstract and "state-of-the-art methods" in section 1 [@mgmr2025]. We read *consistently* as "in every column", and its tables have eight, eight and six.

# %% [markdown]
# ### Exercise 28.1 · consistently the best? (easy, 6 minutes)
# Return the columns in which a row is strictly better than every other row, in the order of `mine`. In the columns of `lower`, the smaller number is better. A row may have no number in a column (`None`, or not there at all).
# A column in which `mine` has none, or no other row, does not count.


# %%
@exercise("28.1")
def best_columns(mine, others, lower):
    """mine: {column: number}, others: list of such dicts, lower: list of columns -> list of columns."""
    # SOLUTION
    found = []
    for column, value in mine.items():
        rivals = [row[column] for row in others if row.get(column) is not None]
        ahead = value is not None and all(value < r if column in lower else value > r for r in rivals)
        if rivals and ahead:
            found.append(column)
    return found
    # END SOLUTION


# %%
check("28.1", best_columns)

# %% [markdown]
# **Predict, then run:** MGMR-Net is the best in all columns of Table 3, on MOSI. In how many of the six columns of Table 5, on SIMS?

# %%
predict("28.b", "In how many of the six columns of Table 5 is MGMR-Net the best?", between=(0, 6), step=1, within=0.5)

# %% tags=["baseline"]
best = {}
for table, family in ((3, "mosi"), (4, "mosei"), (5, "sims")):
    rows = paper_rows(("MGMR-Net", table), family).to_dict("index")
    mine = rows.pop("MGMR-Net")
    best[family] = best_columns(mine, list(rows.values()), ["mae"])
    assert len(best[family]) == printed.best_columns("MGMR-Net", table, family, "MGMR-Net")[0], "28.1 is not solved yet"
    print(f"Table {table}, {family.upper()}: best in {len(best[family])} of {len(mine)}: {', '.join(best[family])}")

# %%
assert len(best["mosi"]) == 8 and len(best["mosei"]) < 8
outcome("28.b", len(best["sims"]), because="One word about three tables hides which of them carries it: look "
        "up every column before you repeat a sentence.")

# %% [markdown]
# One row of Table 4 may be miscopied, TETFN's (notebook 10). How many columns would MGMR-Net lead without it?

# %%
rows = paper_rows(("MGMR-Net", 4), "mosei").to_dict("index")
mine = rows.pop("MGMR-Net")
without = best_columns(mine, [row for name, row in rows.items() if name != "TETFN"], ["mae"])
more = set(without) - set(best["mosei"])
print(f"MOSEI without TETFN's row: best in {len(without)} of {len(mine)}; more than before: {', '.join(more)}")

# %% [markdown]
# That is no verdict on the network, only on the word: section 5.1 itself grants "slight gaps in certain metrics" on SIMS [@mgmr2025]. The paper's tables print one number per cell, without a spread: how far apart two cells must be, nobody can read from them (notebook 22).

# %% [markdown]
# ## 2 Every claim, beside our records
# Five words are possible. *Holds here*: told apart, in the claimed direction, in all that the claim names. *In part*: in some of it, and more often for the claim than against it. *Does not hold here*: told apart, and the other way at least as often. *Not told apart here*:
# our trainings cannot see it, and a small effect may hide. *Unknown here*: too little is recorded to speak to it.

# %% [markdown]
# One rule for all ranks: rivals are those of the paper's own table, at least three of them recorded; each metric that the claim names is a family of its own, by Welch's test and Holm's procedure, in the area under the curve or on complete clips; a corpus that its row names, without three recorded rivals there, makes "in part" of
# "holds".

# %% [markdown]
# "Ahead of several" we read as better than at least three and worse than none in each metric, "almost all" as all but one; a claim that names no metric names all eight.

# %% [markdown]
# A changed network is judged in MAE alone, by pairs of seeds, in the family of notebook 22's ten changes; "most" asks that it is told apart from the other parts' changes, too. How time grows and how long a test takes we read off recorded numbers, without a test; the row says by which bar.

# %% [markdown]
# Nothing is trained in this notebook. All verdicts on errors stand on the second edition's records (notebook 21), but for counts in the first row of each page that name another: one search chose every whole network's settings, a changed one takes the whole one's, and the published code's reading has `laptop`'s, as have the costs.
#
# **Predict, then run:** with nine tenths missing, how much of MGMR-Net's lead over the mean label on complete clips is left?

# %%
predict("28.c", "How much of the lead is left with nine tenths missing?", between=(0, 100), step=5, within=10, unit="%")

# %%
equal, complete = (read_ledger(corpus=EQUAL[0], profile=EQUAL[1], protocol=p) for p in ("B", "A-0.0"))
runs = read_ledger()  # the first edition, in the profile's settings: only beside the others
sims = read_ledger(corpus="classroom-sims@2", profile=EQUAL[1])  # few rivals: beside the first row, too
evidence = findings.Evidence(equal, complete, read_costs(costs_path("classroom-mosi", "laptop")), runs, sims)
judged = claims.judged(evidence)
say(claims.page(judged, "MGMR-Net"))

# %%
left = rivals.shares_left(equal)["mgmr"]
outcome("28.c", 100 * sum(left) / len(left), because="Whether that is marginal depends on what others keep: the paper "
        "speaks of a contrast to its rivals, and a contrast has two sides to measure.")

# %% [markdown]
# **Predict, then run:** the MFMB-Net paper finds the absence of the reconstruction "the most pronounced", and that of the macro stream, compared with the micro stream's, "not significant" [@mfmb2025]. Without which part does *our* error rise most?

# %%
PARTS = {"mfmb_no_f1": "the macro stream", "mfmb_no_f2": "the micro stream", "mfmb_no_recon": "the reconstruction"}
predict("28.d", "Without which part of MFMB-Net does our error rise most?", list(PARTS.values()))

# %%
say(claims.page(judged, "MFMB-Net"))

# %%
outcome("28.d", PARTS[evidence.changes["mean"][list(PARTS)].idxmax()], because="The order is not the paper's, and "
        "still no finding: in the family of all changes not even this one is told apart.")

# %%
for records in (equal, complete, runs, sims):
    say(provenance_line(records))

# %% [markdown]
# The first row of each page names four counts. Two of them are the same records, once with five trainings a side and once with three; two are the first edition, with the settings of a profile: there the two networks' were chosen for them by hand, and once more they take their rivals' (MFMB-Net its objective
# and epochs, too).
#
# **Look for** how many words turn between five trainings and three. In JupyterLab, switch the counts, and the network.

# %%
explore(rivals.draw_differences(evidence), "Difference of the AUILC of MAE between a network and each recorded rival, "
        "with intervals over seeds; blue: told apart as better, red: as worse, grey: not told apart, by Holm's "
        "procedure over the rows. Left of the line the network is ahead. With three trainings a side many leads of "
        "five are not told apart any more, though the differences hardly move.",
        title="The same records, and another verdict: how many trainings?", size=(6.4, 4.2),
        network=["mgmr", "mfmb"], settings=list(rivals.CONDITIONS))

# %%
for network in ("mgmr", "mfmb"):
    for condition in rivals.CONDITIONS:
        told = rivals.differences(evidence, network, condition)
        print(f"{network}, {condition}: {rivals.told_apart(told)}, median difference {told['mean'].median():+.3f}")
    others = [better for better, _ in rivals.by_three_seeds(equal, network)]
    print(f"{network}, any three of the five seeds: better than {min(others)} to {max(others)}")

# %% [markdown]
# "Not told apart" is a word about the trainings, too: whoever compares two counts of verdicts compares the numbers of seeds first. What the *search* turns, these counts do not say: the edition changes with it. On the first edition alone, their rivals' settings turn some of MFMB-Net's words (with objective and epochs), none of MGMR-Net's; and which three of five seeds are taken turns words, too, as the last lines say. (The page's rows count one rival more, the other of the two networks.)

# %%
count = {word: [c.says for c, (found, _) in judged if found == word] for word in findings.WORDS}
for word, which in count.items():
    print(f"{len(which):2} {word}")

# %%
assert len(judged) == 19
outcome("28.a", len(count[findings.HOLDS]),
        because=f"{len(count[findings.APART])} are about differences that a handful of trainings do not tell apart, "
        f"and to {len(count[findings.UNKNOWN])} what we recorded does not speak.")

# %% [markdown]
# ## 3 Could this page say anything else?
# A page that always says "not told apart" would be worthless. So we feed it made-up records: the same runs, but a network without a part is worse by a tenth of a point than it was, or
# better by as much, or by half of it; one part at a time.
#
# **Predict, then run:** worse by a tenth of a point, in how many of the six rows on a missing part does the page notice ("holds here" or "in part")?

# %%
predict("28.e", "In how many of the six rows does the page notice it?", between=(0, 6), step=1, within=0.5)

# %% tags=["control"]
def with_worse(records, names, by):
    """A copy of the records in which these networks' errors are larger by that much, and all other metrics smaller."""
    made = copy.deepcopy(records)
    for record in made:
        for row in record["records"] if record["name"] in names else []:
            row.update({m: row[m] + (by if m in printed.LOWER else -by) for m in claims.EIGHT})
    return made


parts = [name for names in ABLATIONS.values() for name in names]
rows = [claim for claim in claims.CLAIMS if claim.says.startswith("Without")]  # in the same order
noticed = {}
for by in (0.1, 0.05, 0.0, -0.05, -0.1):
    words = [claim.here(findings.Evidence(with_worse(equal, {part}, by), complete, evidence.costs))[0]
             for part, claim in zip(parts, rows, strict=True)]
    told = ", ".join(f"{words.count(w)} x {w}" for w in findings.WORDS if w in words)
    print(f"without a part {by:+.2f} points: {told}")
    turned = (findings.HOLDS, findings.PART) if by > 0 else (findings.NOT,)
    noticed[by] = sum(word in turned for word in words)

# %%
assert noticed[0.0] == 0 == noticed[0.05] < noticed[0.1] < 6 and noticed[-0.05] <= 1
outcome("28.e", noticed[0.1], because="The page can say it. With three pairs and the bar of ten comparisons, a tenth "
        "of a point is about what it can just see: worse by half of that it notices nowhere, better by half in one row "
        "at most.")

# %% [markdown]
# The other rows need other records: both networks a whole point better than they were, or worse.

# %% tags=["control"]
lost_little = next(claim for claim in claims.CLAIMS if "only marginally" in claim.says)
for by in (-1.0, 1.0):
    made = [with_worse(records, {"mgmr", "mfmb"}, by) for records in (equal, complete)]
    words = [word for claim, (word, _) in claims.judged(findings.Evidence(*made, evidence.costs))
             if claim not in rows]
    print(f"both networks {by:+.0f} point:", ", ".join(f"{words.count(w)} x {w}" for w in findings.WORDS if w in words))
    assert words.count(findings.NOT if by > 0 else findings.HOLDS) >= 3
    assert words[[c for c in claims.CLAIMS if c not in rows].index(lost_little)] == findings.NOT

# %% [markdown]
# So a rank can be refuted, too, and a row that names corpora without a recorded rank cannot get beyond "in part". (What is lost between two rates no shift of all rates moves: that row stays, and the assertion above holds it to that.) The unknown ones stay so, whatever the errors are. Where a row says *not told apart*, its interval says what is still possible.

# %%
macro = evidence.changes.loc["mfmb_no_f1"]
say(f"Of the macro stream, for one, {len(macro['seeds'])} pairs of trainings can say no more than this: without it the "
    f"error changes by {macro['low']:+.2f} to {macro['high']:+.2f} points if this comparison stood alone. In the "
    f"family of {len(evidence.changes)} it is {'told apart' if macro['told'] else 'not told apart'}.")

# %% [markdown]
# ## 4 What would settle it
# - **More seeds.** Half the difference takes four times the trainings (notebook 10).
# - **Real voices and faces, with their words.** POM has no words (notebook 21).
# - **Loss that empties a step**, such as `--pattern bursts`: single lost frames leave most pooled steps with data (notebook 21).
# - **The papers' own data.** With CMU-MOSI and `--data`, every table of this course is one command.
# - **The other corpora.** Ranks on classroom-mosei and classroom-sims, with every rival of the papers' tables.

# %% [markdown]
# ## Limits
# - The nineteen sentences are our choice and our wording; a paper says more than what can be put in a row.
# - One corpus in two editions (of a second one some counts stand in a row), three to five seeds, and objectives that differ between networks.
# - "Worse on our corpus" says nothing about theirs. Only section 1 and the middle columns hold a paper against itself.

# %% [markdown]
# ## Summary
# - Hold a sentence against the table it stands on: *consistently* is a count of columns.
# - Where a table prints one number per cell, without a spread, no reader can tell two cells apart.
# - *Does not hold*, *not told apart* and *unknown* are three different answers.
# - A page of verdicts must be able to say the opposite, on records where the opposite is true.

# %%
progress("28")
