"""Drawings of notebook 13: events of toy clips, what each layout learns, what a fading memory holds of each token,
multiplications against length."""

from mgmr_lib.chapters.ch13_fusion.toys import STREAMS, arrange
from mgmr_lib.chapters.shared.seed_dots import seed_dots
from mgmr_lib.course import figures

NAMES = {"audio": "voice", "vision": "face", "text": "words"}


def events(fig, clips: dict, answers) -> None:
    """The first clip with answer 1 and the first with answer 0: a row per modality, dark where an event is."""
    axes = fig.subplots(1, 2, sharey=True)
    for ax, answer, title in zip(axes, (1, 0), ("together", "apart"), strict=True):
        first = int((answers == answer).nonzero()[0, 0])
        rows = [clips[m][first, :, 0].tolist() for m in NAMES]
        ax.imshow(rows, cmap="Blues", vmin=0, vmax=1.3, aspect="auto", interpolation="nearest")
        meets = [t for t in range(len(rows[0])) if rows[0][t] > 0.5 and rows[2][t] > 0.5]
        for t in meets:
            ax.axvspan(t - 0.5, t + 0.5, fill=False, ec=figures.RED, lw=2)
        ax.set(title=title, xlabel="step", xticks=range(len(rows[0])))
        ax.grid(False)
    axes[0].set_yticks(range(3), NAMES.values())
    axes[0].set_ylabel("modality")
    fig.suptitle("Only voice and words together tell the two clips apart", x=0.01, ha="left")


def scores(ax, moments: dict, controls: dict) -> None:
    """A dot per seed and a bar at the mean: the question of moments in blue, the control in orange."""
    columns = [(f"moments\n{name}".replace(", ", ",\n"), v, figures.BLUE) for name, v in moments.items()]
    columns += [(f"loudness\n{name}", v, figures.ORANGE) for name, v in controls.items()]
    for k, (_, values, colour) in enumerate(columns):
        seed_dots(ax, k, values, colour)
    ax.axhline(0.5, ls="--", lw=1, color=figures.GREY)
    ax.text(len(columns) - 0.45, 0.51, "guess", ha="right", va="bottom", fontsize=9, color=figures.GREY)
    ax.set_xticks(range(len(columns)), [name for name, _, _ in columns], fontsize=9)
    ax.set(
        xlim=(-0.6, len(columns) - 0.4),
        ylim=(0.35, 1.05),
        xlabel="question, and order of the tokens",
        ylabel="share right",
    )
    ax.grid(axis="x", visible=False)


def costs(ax, lengths, counts: dict, mark: int) -> None:
    """Counts against lengths, a line a name, both axes logarithmic; a dashed line at `mark` steps."""
    for (name, values), marker in zip(counts.items(), "os^v", strict=False):
        ax.plot(lengths, values, marker + "-", label=name)
    ax.axvline(mark, ls="--", lw=1, color=figures.GREY)
    ax.set(xscale="log", yscale="log", xlabel="steps of the clip (three tokens each)", ylabel="multiplications")
    ax.set_xticks(lengths, [str(n) for n in lengths])
    ax.minorticks_off()
    ax.legend()


def held(kept: float, layout: str, steps: int) -> tuple[list[float], dict[str, int]]:
    """What a memory that keeps the share `kept` of itself at every token holds of each token up to the word of the
    middle step, which it has just read; and the places of that step's three tokens."""
    index, middle = arrange(layout, steps), steps // 2
    place = {m: (index == 3 * middle + i).nonzero().item() for i, m in enumerate(STREAMS)}
    return [kept**back for back in range(place["text"], -1, -1)], place


def fading_memory(fig, kept: float, layout: str, steps: int) -> None:
    """`held` as a bar for each token of the line, in grey but for those of the middle step."""
    ax, (left, place) = fig.subplots(), held(kept, layout, steps)
    ax.bar(range(len(left)), left, width=1.0, color="#CCCCCC", edgecolor="white", lw=0.4)
    for modality, colour in zip(STREAMS, (figures.ORANGE, figures.GREEN, figures.BLUE), strict=True):
        at = place[modality]
        ax.bar(at, left[at], width=1.0, color=colour, edgecolor="white", lw=0.4, label=NAMES[modality])
        ax.plot(at, left[at] + 0.06, "v", ms=5, color=colour)
    ax.set(
        title=f"{layout}, {kept:g} kept: the voice is {left[place['audio']] / sum(left):.1%}",
        xlabel="place in the line",
        ylabel="still held",
        xlim=(-1, 3 * steps),
        ylim=(0, 1.4),
    )
    ax.legend(loc="upper right", ncols=3, fontsize=8)
