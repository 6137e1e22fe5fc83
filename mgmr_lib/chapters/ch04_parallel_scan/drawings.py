"""What moves in notebook 04: a tree that folds steps upwards and downwards, and a closed form that leaves float32."""

import math

import torch

from mgmr_lib.course import figures

Join = tuple[int, int, int]  # (first, middle, last): steps first..middle are joined with middle+1..last


def levels(joins: list[Join]) -> list[tuple[str, list[Join]]]:
    """The joins of a tree by level, each with a name: "up 1", "up 2", ... then "down 1", "down 2", ...

    Up: neighbours of equal length, from pairs on. Down: what is known from the start joins a part that follows it, the
    longest parts first.
    """
    found: dict[tuple, list[Join]] = {}
    for first, middle, last in joins:
        size = last - middle
        up = middle - first + 1 == size and (first - 1) % (2 * size) == 0
        found.setdefault((0, size) if up else (1, -size), []).append((first, middle, last))
    counted, named = [0, 0], []
    for down, size in sorted(found):
        counted[down] += 1
        named.append((f"{('up', 'down')[down]} {counted[down]}", found[down, size]))
    return named


def tree_fold(joins: list[Join], states: list[float]):
    """draw(fig, level) of a tree's joins ("start", then the names of `levels`): what each place knows after it.

    states: h of each step, printed below a place as soon as it knows all steps from the first on.
    """
    named = levels(joins)
    rows = {"start": 0} | {name: i for i, (name, _) in enumerate(named, 1)}
    places = range(1, len(states) + 1)

    def draw(fig, level: str) -> None:
        ax = fig.subplots()
        known = {t: ((t, t), 0) for t in places}  # place -> (range of steps, row of its box)
        for t in places:
            _box(ax, t, 0, (t, t), new=level == "start")
        for row, (_, made) in enumerate(named[: rows[level]], 1):
            before = dict(known)
            for first, middle, last in made:
                new = row == rows[level]
                for place in (middle, last):
                    look = {"color": "black" if new else figures.GREY, "lw": 1.6 if new else 0.8}
                    ax.plot([place, last], [before[place][1], row], zorder=1, **look)
                known[last] = (first, last), row
                _box(ax, last, row, (first, last), new)
        knowing = [t for t in places if known[t][0][0] == 1]
        for t in knowing:
            ax.text(t, len(named) + 1, f"{states[t - 1]:.3g}", ha="center", va="center", fontsize=8)
        ax.set(title=f"{level}: {len(knowing)} of {len(states)} states known", xlim=(0.4, len(states) + 0.6))
        ax.set(ylim=(len(named) + 1.5, -0.6), xlabel="place (time step)", ylabel="level", xticks=list(places))
        ax.set_yticks([*rows.values(), len(named) + 1], [*rows, "state h"])
        ax.grid(False)

    return draw, list(rows)


def _box(ax, place: int, row: int, steps: tuple[int, int], new: bool) -> None:
    whole = steps[0] == 1  # a prefix: it holds the state
    look = {"boxstyle": "round,pad=0.25", "fc": figures.ORANGE if whole else figures.SKY, "ec": "black"}
    label = str(steps[0]) if steps[0] == steps[1] else f"{steps[0]}–{steps[1]}"
    look |= {"lw": 1.6 if new else 0.3}
    ax.text(place, row, label, ha="center", va="center", fontsize=8, alpha=1 if new else 0.55, bbox=look, zorder=2)


def divided_in_chunks(log_a: torch.Tensor, x: torch.Tensor, chunk: int) -> torch.Tensor:
    """States h_t = a_t h_{t-1} + x_t of a float32 (l), by the closed form with division in each chunk, and a carry."""
    states, carry = [], torch.zeros(())
    for S, part in zip([s.cumsum(0) for s in log_a.split(chunk)], x.split(chunk), strict=True):
        h = torch.exp(S) * (carry + torch.cumsum(torch.exp(-S) * part, dim=0))
        states.append(h)
        carry = h[-1]
    return torch.cat(states)


def division(fig, decay: float = 1.0, chunk: int = 16, length: int = 100) -> None:
    """1 / P within chunks of a scan whose factors are exp(-decay), and the steps at which its states are wrong."""
    ax = fig.subplots()
    x = torch.ones(length)
    h = divided_in_chunks(torch.full((length,), -decay), x, chunk)
    exact, state = [], 0.0
    for _ in range(length):
        state = math.exp(-decay) * state + 1
        exact.append(state)
    wrong = (h.double() - torch.tensor(exact, dtype=torch.float64)).abs().nan_to_num(math.inf) > 1e-3
    most = math.log10(torch.finfo(torch.float32).max)
    digits = [decay * (t % chunk + 1) / math.log(10) for t in range(length)]
    steps = range(1, length + 1)
    ax.plot(steps, [min(d, most) for d in digits], color=figures.BLUE, label="1/P (cut off at the limit)")
    ax.axhline(most, color="black", ls="--", lw=1, label="float32 ends")
    bad = [t for t, w in zip(steps, wrong.tolist(), strict=True) if w]
    ax.plot(bad, [0] * len(bad), "x", color=figures.RED, ms=5, label="wrong state")
    told = f"wrong from step {bad[0]} on" if bad else "all states right"
    ax.set(title=f"decay {decay:g}, chunks of {chunk}: {told}", xlabel="time step t", ylabel="power of ten")
    ax.set(ylim=(-3, most + 4), xlim=(0, length + 1))
    ax.legend(loc="center right", fontsize=7)
