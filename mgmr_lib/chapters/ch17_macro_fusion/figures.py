"""Drawings of notebook 17: what a hub carries, what its tokens ask, and what it hears when more goes missing."""

import torch

from mgmr_lib.course import figures

COLOURS = {"vision": figures.BLUE, "audio": figures.ORANGE, "text": figures.GREEN}
NAMES = {"vision": "face", "audio": "voice", "text": "text"}


def cargo(ax, carried: dict, bound: dict, mean: float, strangers: float) -> None:
    """Explained share over the hub's tokens: carried and bound {k: share}; the mean over frames as a line; strangers at
    k = 4."""
    at = range(len(carried))
    ax.plot(at, list(bound.values()), "--", color="black", lw=1, label="most that a linear head can explain")
    ax.plot(at, list(carried.values()), "o-", color=figures.BLUE, label="trained hub")
    ax.axhline(mean, ls=":", color=figures.GREY, label="mean over frames")
    ax.plot([list(carried).index(4)], [strangers], "x", ms=9, mew=2, color=figures.RED, label="another clip's numbers")
    ax.set_xticks(at, list(carried))
    ax.set(xlabel="tokens of the hub k", ylabel="explained share (1: all)", ylim=(-0.06, 1.08))
    ax.legend(loc="center right")


def asked(fig, rows: dict) -> None:
    """A panel a hub: mean shares (k * heads, frames) of its tokens and heads; rows = {k: shares}."""
    axes = fig.subplots(1, len(rows))
    for ax, (k, shares) in zip(axes, rows.items(), strict=True):
        image = ax.imshow(shares, aspect="auto", vmin=0, vmax=1, interpolation="nearest")
        heads = len(shares) // k
        ax.set_yticks([heads * i + (heads - 1) / 2 for i in range(k)], [str(i + 1) for i in range(k)])
        for i in range(1, k):
            ax.axhline(heads * i - 0.5, color="white", lw=1.5)
        ax.set(title=f"{k} token{'s' * (k > 1)}", xlabel="frame", xticks=range(shares.shape[1]))
        ax.grid(False)
    axes[0].set_ylabel("token (a row a head)")
    fig.colorbar(image, ax=axes, label="mean share", shrink=0.9)
    fig.suptitle("More tokens, more different questions", x=0.01, ha="left")


def bars(ax, shares: dict, bound: float) -> None:
    """Horizontal bars with their values, and a dashed line at the bound of one token."""
    drawn = ax.barh(list(shares), list(shares.values()), color=[figures.BLUE, *[figures.ORANGE] * (len(shares) - 1)])
    ax.bar_label(drawn, fmt="%.2f", padding=3)
    ax.axvline(bound, ls="--", lw=1, color="black")
    ax.invert_yaxis()
    ax.set(ylabel="hub of four tokens", xlim=(0, 1.1))
    ax.grid(axis="y", visible=False)


def journeys(fig, found: dict) -> None:
    """found {rate: ({modality: share on lost steps}, spread of the hub over clips)}."""
    left, right = fig.subplots(1, 2)
    rates = list(found)
    left.plot([0, 1], [0, 1], "--", lw=1, color="black", label="share = rate")
    for m, marker in zip(COLOURS, "o^s", strict=True):
        left.plot(rates, [found[r][0][m] for r in rates], marker=marker, color=COLOURS[m], label=NAMES[m])
    left.set(
        title="Lost steps get their share of attention",
        xlabel="missing rate",
        ylabel="share of attention on lost steps",
    )
    left.legend()
    right.plot(rates, [found[r][1] for r in rates], "o-", color=figures.PURPLE)
    right.set(
        title="and hubs forget their clips", xlabel="missing rate", ylabel="spread of hubs over clips", ylim=(0, None)
    )


def one_clip(fig, maps: dict, rate: float) -> None:
    """maps {modality: (shares (k,l), lost (l) bool)}: a panel per modality, grey marks below lost steps; shares against
    even ones."""
    axes = fig.subplots(1, len(maps), sharey=True)
    for ax, (m, (shares, lost)) in zip(axes, maps.items(), strict=True):
        even = shares / shares.mean(1, keepdim=True)
        image = ax.imshow(
            even,
            aspect="auto",
            vmin=0,
            vmax=2,
            interpolation="nearest",
            extent=(-0.5, shares.shape[1] - 0.5, len(shares) - 0.5, -0.5),
        )
        steps = torch.nonzero(lost)[:, 0]
        ax.plot(steps, torch.full((len(steps),), len(shares) - 0.3), "|", color=figures.GREY, ms=5)
        ax.set(title=f"{NAMES[m]}, rate {rate:g}", xlabel="step", ylim=(len(shares), -0.5), yticks=range(len(shares)))
        ax.grid(False)
    axes[0].set_ylabel("hub token")
    fig.colorbar(image, ax=axes, label="share / even share", shrink=0.9)


def journey(fig, stop: str, held: dict) -> None:
    """What the hub of each network holds at one stop: held = {kind: {stop: {content: explained share}}}."""
    for ax, (kind, stops) in zip(fig.subplots(1, len(held), sharey=True), held.items(), strict=True):
        names, shares = list(stops[stop]), list(stops[stop].values())
        ax.barh(names, shares, color=[figures.GREY, figures.ORANGE, figures.BLUE])
        route = " → ".join(f"[{s}]" if s == stop else s for s in stops)
        ax.set(
            title=f"{kind}: {route}",
            xlabel="share told by a linear reader",
            ylabel="of what",
            xlim=(0, 1),
            ylim=(2.6, -0.6),
        )
