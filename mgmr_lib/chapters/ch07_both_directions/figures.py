"""Drawings of notebook 07: what a backward layer hears of a padded clip; where Mamba blocks stand in both nets."""

from types import SimpleNamespace

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from torch import nn

from mgmr_lib.course import figures
from mgmr_lib.models.mfmb.config import MFMBConfig
from mgmr_lib.models.mfmb.network import MFMBNet
from mgmr_lib.models.mgmr.config import MGMRConfig
from mgmr_lib.models.mgmr.network import MGMRNet
from mgmr_lib.ssm import MambaBlock

CLIP = (0.2, 0.9, 0.4, 1.0, 0.6)  # a clip of five steps
FILLING = 0.8  # what stands in its padding
FADE = 0.8  # of the state that hears it


def backward_hears(fig: Figure, padding: int = 3, flip: str = "the whole row") -> None:
    """The steps in the order in which the backward layer hears them, and a fading state that adds them up; dashed: the
    state that hears the clip alone. flip: "the whole row" or "the valid part"."""
    ax, clip, behind = fig.subplots(), list(reversed(CLIP)), [FILLING] * padding
    whole = flip == "the whole row"
    heard = behind + clip if whole else clip + behind
    first = padding if whole else 0
    own = range(first, first + len(clip))
    ax.bar(own, clip, color=figures.BLUE, alpha=0.6, label="clip")
    others = [t for t in range(len(heard)) if t not in own]
    ax.bar(others or [0], behind or [0], color=figures.ORANGE, alpha=0.6, label="padding")
    ax.plot(range(len(heard)), _states(heard), "o-", ms=4, color="black", label="state")
    ax.plot(own, _states(clip), "--", color=figures.RED, lw=2, label="state, clip alone")
    what = "steps of padding" if padding != 1 else "step of padding"
    ax.set(
        title=f"{flip} flipped, {padding} {what}",
        xlabel="heard as number",
        ylabel="value (no unit)",
        ylim=(0, 5.6),
        xlim=(-0.6, len(CLIP) + 8.6),
    )
    ax.legend(loc="upper right", ncols=2, fontsize=8)


def _states(values: list[float]) -> list[float]:
    h, states = 0.0, []
    for v in values:
        h = FADE * h + v
        states.append(h)
    return states


def both_networks() -> dict[str, nn.Module]:
    """The two networks of the course at their papers' sizes, untrained; MFMB-Net with its Mamba encoders."""
    inputs = SimpleNamespace(dims={"text": 768, "audio": 5, "vision": 20})
    return {
        "MGMR-Net": MGMRNet(MGMRConfig(), inputs),
        "MFMB-Net's Mamba twin": MFMBNet(MFMBConfig(encoder="mamba"), inputs),
    }


PARTS = {  # part of a network -> (its words, the notebook that builds it)
    "encoders": ("encode each\nmodality", "11"),
    "reconstruction": ("rebuild what\nis missing", "14"),
    "alignment": ("align voice and\nface with text", "12"),
    "fusion": ("fuse", "13"),
    "align": ("hybrid attention", "16"),
    "macro": ("macro fusion", "17"),
    "micro": ("micro fusion", "18"),
    "rebuild": ("rebuild what\nis missing", "19"),
    "head": ("predict", ""),
}
PLACES = {  # network -> part -> (column, height)
    "MGMR-Net": {"encoders": (0, 0), "reconstruction": (1, 0), "alignment": (2, 0), "fusion": (3, 0), "head": (4, 0)},
    "MFMB-Net's Mamba twin": {
        "align": (0, 0),
        "macro": (1.6, 1),
        "micro": (1.6, 0),
        "rebuild": (1.6, -1),
        "head": (3.2, 0.5),
    },
}
ARROWS = {
    "MGMR-Net": ["encoders reconstruction", "reconstruction alignment", "alignment fusion", "fusion head"],
    "MFMB-Net's Mamba twin": ["align macro", "align micro", "align rebuild", "macro head", "micro head"],
}


def mamba_blocks(module: nn.Module) -> int:
    """How many Mamba blocks are in it."""
    return sum(isinstance(m, MambaBlock) for m in module.modules())


def blocks_in_network(ax: Axes, name: str, net: nn.Module) -> None:
    """The parts of a network, from left to right; orange where Mamba blocks are in it, with their number."""
    places = PLACES[name]
    for arrow in ARROWS[name]:
        start, end = (places[part] for part in arrow.split())
        look = {"arrowstyle": "->", "color": figures.GREY, "lw": 1.4}
        ax.annotate("", (end[0] - 0.42, end[1]), (start[0] + 0.42, start[1]), arrowprops=look)
    for part, (x, y) in places.items():
        count, (words, notebook) = mamba_blocks(getattr(net, part)), PARTS[part]
        colour = figures.ORANGE if count else "white"
        shape = FancyBboxPatch(
            (x - 0.38, y - 0.4), 0.76, 0.8, boxstyle="round,pad=0.03", fc=colour, ec="black", alpha=0.8
        )
        ax.add_patch(shape)
        both = "\nboth ways" if any(hasattr(m, "ahead") for m in getattr(net, part).modules()) else ""
        blocks = f"{count} block{'s' if count > 1 else ''}{both}" if count else ""
        lines = [words, blocks, f"({notebook})" if notebook else ""]
        ax.text(x, y, "\n".join(line for line in lines if line), ha="center", va="center", fontsize=8)
    low, high = (edge(y for _, y in places.values()) for edge in (min, max))
    ax.set(xlim=(-0.5, 4.5), ylim=(low - 0.5, high + 0.5), title=name)
    ax.axis("off")
