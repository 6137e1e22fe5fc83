"""Notebook 28: what the papers' own tables show of a claim, counted in papers.csv."""

from mgmr_lib.experiments.tables import paper_rows

LOWER = ("mae",)


def ahead(metric: str, a: float, b: float) -> bool:
    """Whether a is the better number in this column."""
    return a < b if metric in LOWER else a > b


def best_columns(paper: str, table: int, family: str, network: str) -> tuple[int, int]:
    """(columns in which the network's printed value is strictly the best, columns)."""
    rows = paper_rows((paper, table), family)
    mine, others = rows.loc[network], rows.drop(network)
    best = sum(all(ahead(m, mine[m], value) for value in others[m].dropna()) for m in rows.columns)
    return int(best), len(rows.columns)


def consistently(paper: str, tables: tuple[tuple[int, str], ...], network: str) -> str:
    """ "best in 8 of 8 columns of Table 3 (MOSI), ..."."""
    found = [(table, family, *best_columns(paper, table, family, network)) for table, family in tables]
    return "best in " + ", ".join(f"{b} of {n} columns of Table {t} ({f.upper()})" for t, f, b, n in found)


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
