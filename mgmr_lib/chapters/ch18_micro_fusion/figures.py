"""Drawings of notebook 18: what gates explain, who is right, which word moves the answer, and how it turns with the
voice."""

from mgmr_lib.course import figures

COLOURS = {
    "printed": figures.BLUE,
    "sigmoid": figures.SKY,
    "code": figures.ORANGE,
    "code, gate alone": figures.RED,
    "code, signed": figures.PURPLE,
    "open": figures.GREY,
}


def shares(ax, explained: dict) -> None:
    """A dot for each seed, a column for each (task, gate)."""
    for k, ((_, gate), values) in enumerate(explained.items()):
        ax.plot([k - 0.06, k + 0.06][: len(values)], values, "o", ms=7, color=COLOURS[gate])
        ax.hlines(sum(values) / len(values), k - 0.25, k + 0.25, color=COLOURS[gate], lw=2)
    ax.set_xticks(range(len(explained)), ["\n".join((task, *gate.split(", "))) for task, gate in explained])
    ax.axhline(0, ls="--", lw=1, color=figures.GREY)
    ax.set(xlabel="task, gate", ylim=(-0.12, 1.12))
    ax.grid(axis="x", visible=False)


def who_is_right(ax, right: dict, majority: float) -> None:
    """Bars of the share of right answers, a dashed line at the majority's."""
    colours = [figures.BLUE if name == "micro" else figures.GREY if "," in name else figures.ORANGE for name in right]
    bars = ax.bar([name.replace(", ", ",\n") for name in right], list(right.values()), 0.6, color=colours)
    ax.bar_label(bars, fmt="%.2f", padding=2, fontsize=9)
    ax.axhline(majority, ls="--", lw=1, color="black")
    ax.text(len(right) - 0.6, majority + 0.01, "majority of words", fontsize=9, va="bottom")
    ax.set(xlabel="stream", ylabel="share of right answers", ylim=(0, 1.15), xlim=(-0.6, len(right) + 0.4))
    ax.grid(axis="x", visible=False)


def influence(fig, maps: dict) -> None:
    """One panel a stream: (stressed word, word), each row divided by its sum."""
    axes = fig.subplots(1, len(maps), sharey=True)
    for ax, (name, rows) in zip(axes, maps.items(), strict=True):
        image = ax.imshow(rows / rows.sum(1, keepdim=True), vmin=0, vmax=0.6, aspect="auto", interpolation="nearest")
        ticks = range(len(rows))
        ax.set(
            title=name,
            xlabel="word",
            xticks=ticks,
            yticks=ticks,
            xticklabels=[t + 1 for t in ticks],
            yticklabels=[t + 1 for t in ticks],
        )
        ax.grid(False)
    axes[0].set_ylabel("stressed word")
    fig.colorbar(image, ax=axes, label="share of the influence", shrink=0.9)
    fig.suptitle("Micro fusion looks most at the stressed word", x=0.01, ha="left")


def turning(words, answers: dict):
    """draw(fig, stressed): the words of one clip, the one that the voice stresses framed, and what each stream answers.

    words: +1 or -1 each; answers: {stream: how sure it is of "good", for each stressed word in turn}.
    """

    def draw(fig, stressed: int) -> None:
        said, streams = fig.subplots(1, 2, width_ratios=[3, 2])
        good, places = words[stressed - 1] > 0, range(1, len(words) + 1)
        said.bar(places, words, color=[figures.BLUE if w > 0 else figures.SKY for w in words])
        said.axvspan(stressed - 0.5, stressed + 0.5, fill=False, ec="black", lw=2)
        said.set(title=f"the voice stresses word {stressed}: {'good' if good else 'bad'}", xlabel="word", xticks=places)
        said.set(ylabel="value", yticks=(-1, 1), yticklabels=("bad", "good"), ylim=(-1.3, 1.3))
        sure = [float(a[stressed - 1]) for a in answers.values()]
        right = [(s > 0.5) == bool(good) for s in sure]
        streams.barh(list(answers), sure, color=[figures.BLUE if r else figures.ORANGE for r in right])
        for k, r in enumerate(right):
            streams.text(1.03, k, "right" if r else "wrong", fontsize=9, va="center")
        streams.axvline(0.5, ls="--", lw=1, color="black")
        streams.set(title="what each stream answers", xlabel="how sure of good", ylabel="stream", xlim=(0, 1.25))
        streams.set_xticks((0, 0.5, 1))
        streams.invert_yaxis()

    return draw
