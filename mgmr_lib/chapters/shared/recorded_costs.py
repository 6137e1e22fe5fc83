"""The recorded costs of train steps over length, as a table (19, 26)."""

from collections.abc import Iterable

from mgmr_lib import markdown

NOT_RECORDED = (
    "**Not recorded yet.** No costs over length lie in `data/results`: `python -m mgmr_lib experiment complexity` "
    "records them."
)


def train_steps(found: dict | None, names: Iterable[str]) -> str:
    """Markdown: seconds and memory of a train step of these networks, a column for each length, with provenance; or
    that some are not recorded. found: complexity.read_costs."""
    names = list(names)
    steps = [r for r in (found or {"over_length": []})["over_length"] if r["pass"] == "train step"]
    mine = {(r["name"], r["frames"]): r for r in steps if r["name"] in names}
    if found is None or {name for name, _ in mine} != set(names):
        return NOT_RECORDED
    lengths, facts = sorted({frames for _, frames in mine}), found["provenance"]
    rows = []
    for name in names:
        costs = [mine.get((name, n)) for n in lengths]
        label = next(r["label"] for r in costs if r)
        rows.append((label, *(f"{r['seconds']:.2f} s, {r['bytes'] / 2**20:.0f} MiB" if r else "" for r in costs)))
    head = (
        f"**Recorded, not computed here**: {found['profile']} profile, batch {found['batch']}, one thread, "
        f"{facts.get('device', 'cpu')}, commit {facts.get('commit', '')}, {facts.get('date', '')}."
    )
    return head + "\n\n" + markdown.table(("train step", *(f"{n} frames" for n in lengths)), rows)
