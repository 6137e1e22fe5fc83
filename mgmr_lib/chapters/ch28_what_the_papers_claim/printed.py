"""Notebook 28: what the papers' own tables show of a claim, counted in papers.csv."""

import pandas as pd

from mgmr_lib.experiments.tables import HEADS, PAPERS, paper_rows

LOWER = ("mae",)


def ahead(metric: str, a: float, b: float) -> bool:
    """Whether a is the better number in this column."""
    return a < b if metric in LOWER else a > b


def _columns(paper: str, table: int, family: str, network: str) -> tuple[list[str], list[str]]:
    """The columns in which the network's printed value is strictly the best, and those in which it is not."""
    rows = paper_rows((paper, table), family)
    mine, others = rows.loc[network], rows.drop(network)
    best = [m for m in rows.columns if all(ahead(m, mine[m], value) for value in others[m].dropna())]
    return best, [m for m in rows.columns if m not in best]


def best_columns(paper: str, table: int, family: str, network: str) -> tuple[int, int]:
    """(columns in which the network's printed value is strictly the best, columns)."""
    best, rest = _columns(paper, table, family, network)
    return len(best), len(best) + len(rest)


def consistently(paper: str, tables: tuple[tuple[int, str], ...], network: str) -> str:
    """ "best in 8 of 8 columns of Table 3 (MOSI), in 2 of 6 of Table 5 (SIMS; tied or behind in ...)"."""
    told = []
    for table, family in tables:
        best, rest = _columns(paper, table, family, network)
        where = f"{family.upper()}; tied or behind in {', '.join(HEADS[m] for m in rest)}" if rest else family.upper()
        told.append(f"{len(best)} of {len(best) + len(rest)} columns of Table {table} ({where})")
    return "best in " + ", in ".join(told)


def inference_times(paper: str, table: int, network: str) -> str:
    """What a table of seconds prints of a network, complete and half missing, beside the other networks' changes."""
    frame = pd.read_csv(PAPERS).query("paper == @paper and table == @table and metric == 'seconds'")
    found = frame.pivot(index="model", columns="area", values="value")[["complete", "0.5 missing"]]
    rise = found["0.5 missing"] - found["complete"]
    places = [int((found[column] < found.loc[network, column]).sum()) + 1 for column in found]
    return (
        f"Table {table}: of {len(found)} networks number {places[0]} complete and number {places[1]} half missing; its "
        f"seconds change by {rise[network]:+.2f}, the others' by {rise.drop(network).min():+.2f} to "
        f"{rise.drop(network).max():+.2f}; one number a cell, not said of what"
    )


def loss(paper: str, table: int, whole: str, part: str, than: tuple[str, ...] = ()) -> str:
    """What the row without a part prints beside the whole network's: in how many columns it is worse, and by what.

    than: other parts, for a claim that this one costs more; then also in how many columns its row is strictly the
    worst of theirs.
    """
    rows = paper_rows((paper, table), "mosi")
    a, b = rows.loc[whole], rows.loc[f"{whole} w/o {part}"]
    worse = sum(ahead(m, a[m], b[m]) for m in rows.columns)
    told = [f"{m} {b[m] - a[m]:+.3f}" if m in ("mae", "corr") else f"{m} {b[m] - a[m]:+.1f}" for m in rows.columns]
    said = f"Table {table}: worse in {worse} of {len(rows.columns)} columns ({', '.join(told)}), one number a cell"
    if than:
        others = [rows.loc[f"{whole} w/o {other}"] for other in than]
        most = sum(all(ahead(m, other[m], b[m]) for other in others) for m in rows.columns)
        said += f"; worse than without {' and '.join(than)} in {most} of {len(rows.columns)}"
    return said
