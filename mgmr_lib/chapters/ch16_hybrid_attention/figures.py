"""Drawings of notebook 16: position codes, where words look, what two kinds of mixing can do, and who hears whom."""

import torch

from mgmr_lib.course import figures


def codes(fig, p: torch.Tensor) -> None:
    """Position codes p (l,d) as an image, and the product of the middle one with all."""
    image_ax, ax = fig.subplots(1, 2, width_ratios=(3, 2))
    image = image_ax.imshow(p.T, aspect="auto", vmin=-1, vmax=1, interpolation="nearest")
    image_ax.set(title="Every time has its own code", xlabel="time step t", ylabel="channel i")
    image_ax.grid(False)
    fig.colorbar(image, ax=image_ax, label="code (no unit)")
    middle = len(p) // 2
    ax.plot(torch.arange(len(p)) - middle, p @ p[middle])
    ax.set(title="near times, like codes", xlabel="distance (steps)", ylabel="product of two codes")


def lookups(fig, shares: torch.Tensor, valid: torch.Tensor, answers: torch.Tensor) -> None:
    """A panel per clip: for each word (row) its sharpest head's shares over the frames, circles at the frames with its
    tag.

    shares (b,heads,l_q,l_k), valid (b,l_k), answers (b,l_q). Padded frames stay white.
    """
    axes = fig.subplots(1, len(shares), sharey=True)
    for i, ax in enumerate(axes):
        best = shares[i].amax(-1).argmax(0)
        rows = torch.stack([shares[i, h, w] for w, h in enumerate(best.tolist())])
        image = ax.imshow(
            rows.masked_fill(~valid[i], float("nan")), aspect="auto", vmin=0, vmax=1, interpolation="nearest"
        )
        ax.plot(
            answers[i],
            range(len(answers[i])),
            "o",
            ms=13,
            mfc="none",
            mew=1.8,
            color=figures.RED,
            label="frame with its tag",
        )
        ax.set(title=f"clip {i + 1}", xlabel="frame of the voice", yticks=range(len(rows)))
        ax.grid(False)
    axes[0].set_ylabel("word that asks")
    fig.colorbar(image, ax=axes, label="share", shrink=0.9)
    fig.suptitle("Each word looks at the frame that carries its tag", x=0.01, ha="left")


def strengths(ax, in_order: dict, rows: dict) -> None:
    """Bars in groups: in_order {who: share right}, then rows {frames: {who: share right}}."""
    groups = {"which came first?": in_order} | {f"lookup, up to {n} frames": found for n, found in rows.items()}
    colours = {
        "attention": figures.BLUE,
        "attention + codes": figures.SKY,
        "scan": figures.ORANGE,
        "mean tone": figures.GREY,
    }
    at, middles, named = 0.0, [], set()
    for found in groups.values():
        start = at
        for who, value in found.items():
            bar = ax.bar(at, value, 0.85, color=colours[who], label=None if who in named else who)
            ax.bar_label(bar, fmt="%.2f", padding=2, fontsize=9)
            named.add(who)
            at += 1
        middles.append((start + at - 1) / 2)
        at += 0.8
    ax.axhline(0.5, ls="--", lw=1, color="black")
    ax.text(len(in_order) - 0.1, 0.51, "chance", fontsize=9, ha="center")
    ax.set_xticks(middles, list(groups))
    ax.set(xlabel="task", ylim=(0, 1.3), xlim=(-0.7, at - 1.2))
    ax.grid(axis="x", visible=False)
    ax.legend(ncols=4, loc="upper center")


def readings(fig, maps: dict) -> None:
    """maps {(reading, asked): |d word / d step| (l_t,l_asked)}: a row of panels a reading, a column per modality; exact
    zeros white."""
    kinds = list(dict.fromkeys(r for r, _ in maps)), list(dict.fromkeys(a for _, a in maps))
    axes = fig.subplots(len(kinds[0]), len(kinds[1]), sharex="col", sharey=True, width_ratios=(1, 2))
    label = {"text": "token that is heard", "audio": "voice frame that is heard"}
    for (reading, asked), rows in maps.items():
        ax = axes[kinds[0].index(reading)][kinds[1].index(asked)]
        shown = rows / rows.amax(1, keepdim=True)
        image = ax.imshow(
            shown.masked_fill(rows == 0, float("nan")), aspect="auto", vmin=0, vmax=1, interpolation="nearest"
        )
        ax.set_title(f"reading: {reading}")
        ax.grid(False)
        if reading == kinds[0][-1]:
            ax.set_xlabel(label[asked])
    for row in axes:
        row[0].set_ylabel("aligned token")
    fig.colorbar(image, ax=axes, label="influence (row's largest = 1)", shrink=0.85)
    fig.suptitle("In the code's reading this layer hides later words", x=0.01, ha="left")


def one_query(fig, query: float, keys: torch.Tensor, values: torch.Tensor) -> None:
    """The share that a query gives to each frame, by the frame's key, and the answer over it."""
    shares = (query * keys).softmax(0)
    ax = fig.subplots()
    ax.bar([f"{k:g}" for k in keys.tolist()], shares.tolist(), color=figures.BLUE)
    ax.set(title=f"query {query:g}: answer {shares @ values:.2f}", xlabel="key of the frame", ylabel="share (1: all)")
    ax.set_ylim(0, 1.05)
