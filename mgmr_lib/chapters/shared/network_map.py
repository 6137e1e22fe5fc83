"""Drawings of MGMR-Net and MFMB-Net made from the networks themselves: modules, their weights, and what passes.

Shapes are what hooks saw in one forward pass, so a picture changes with its network, its reading and its layers.
"""

from dataclasses import dataclass

import torch
from matplotlib.patches import Rectangle
from torch import nn

from mgmr_lib.course import figures
from mgmr_lib.data.batch import Batch
from mgmr_lib.data.corpus import MODALITIES
from mgmr_lib.experiments.complexity import network, random_batch
from mgmr_lib.models.mfmb.network import MFMBNet

MGMR = ("inputs", "encoders", "reconstruction", "pooling", "alignment", "fusion", "head")
MFMB = ("inputs", "project", "align", "macro", "micro", "rebuild", "head")
APART = ("inputs", "encoders", "reconstruction", "pooling", "project")  # a box per modality; else one for all three
LABELS = {"inputs": "input", "encoders": "encoder", "reconstruction": "rebuild", "pooling": "to words"}
LABELS |= {"alignment": "stage 1", "fusion": "stage 2", "macro": "macro fusion", "micro": "micro fusion"}
ALIGN = {"transformer": "hybrid\nattention", "mamba": "hybrid\nscans"}
BRANCHES = {"macro": 2, "micro": 1, "rebuild": 0}  # MFMB-Net's parts that all read the same, and their rows

WIDTHS, FRAMES = (384, 5, 20), (375, 500)  # of the default corpus: text (encoded), voice and face; its longest clips

Shapes = dict[tuple[str, str], tuple[int, ...]]  # (column, modality) -> shape; the modality is "" where all are one


@dataclass(frozen=True)
class Box:
    """A module: its column, what stands in it, its weights, its middle and its size."""

    column: str
    label: str
    weights: int
    x: float
    y: float
    width: float = 0.62
    height: float = 0.6


@dataclass(frozen=True)
class Arrow:
    """What passes from x to `to` in row y."""

    x: float
    to: float
    y: float
    passing: str


def sketch(name: str, profile: str = "laptop") -> tuple[nn.Module, Batch]:
    """A variant of the plan ("mgmr", "mfmb", "mfmb_mamba") with fresh weights in the sizes that are recorded, and two
    clips of noise as wide and as long as the default corpus has them."""
    with torch.random.fork_rng():
        return network(name, profile, WIDTHS, pool=True).eval(), random_batch(FRAMES, 2, WIDTHS)


@torch.no_grad()
def passing_shapes(net: nn.Module, batch: Batch) -> Shapes:
    """The shape of what leaves each column, as seen in one forward pass of `net`, which has all its parts."""
    seen: Shapes = {("inputs", m): tuple(s.x.shape) for m, s in net.inputs(batch).items()}

    def note(column: str, out, m: str = "") -> None:
        out = out[0] if isinstance(out, tuple) else out
        seen.update({(column, n): tuple(x.shape) for n, x in (out.items() if isinstance(out, dict) else [(m, out)])})

    def leaving(module: nn.Module, column: str, m: str = ""):
        return module.register_forward_hook(lambda _module, _args, out: note(column, out, m))

    if isinstance(net, MFMBNet):
        handles = [leaving(getattr(net, column), column) for column in ("align", "macro", "micro", "head")]
        handles += [leaving(net.align.project[m], "project", m) for m in MODALITIES]
        handles += [leaving(net.rebuild[m], "rebuild", m) for m in MODALITIES]
    else:
        handles = [net.alignment.register_forward_pre_hook(lambda _module, args: note("pooling", args[0]))]
        handles += [leaving(getattr(net, column), column) for column in ("alignment", "fusion", "head")]
        handles += [leaving(getattr(net, c)[m], c, m) for c in ("encoders", "reconstruction") for m in MODALITIES]
    try:
        net(batch)
    finally:
        for handle in handles:
            handle.remove()
    return seen


def draw_network(ax, net: nn.Module, batch: Batch, here: str = "", *also: str) -> None:
    """The network from left to right, on each arrow the shape that passes, without the batch; the columns `here`
    and `also` (of MGMR or MFMB) in blue."""
    columns, blue = MFMB if isinstance(net, MFMBNet) else MGMR, {here, *also} - {""}
    if not blue <= set(columns):
        raise ValueError(f"here must be of {columns}, but is {sorted(blue)}")
    shapes = passing_shapes(net, batch)
    boxes, arrows = _mfmb(net, shapes) if columns is MFMB else _mgmr(net, shapes)
    for box in boxes:
        _box(ax, box, box.column in blue)
    for arrow in arrows:
        ax.annotate("", (arrow.to, arrow.y), (arrow.x, arrow.y), arrowprops={"arrowstyle": "->", "color": figures.GREY})
        middle = (arrow.x + arrow.to) / 2
        ax.text(middle, arrow.y + 0.07, arrow.passing, ha="center", va="bottom", fontsize=7.5)
    ax.text(arrows[-1].to + 0.05, arrows[-1].y, "ŷ", va="center")
    ax.set(xlim=(-0.4, arrows[-1].to + 0.3), ylim=(-0.4, 2.4))
    ax.axis("off")


def _mgmr(net: nn.Module, shapes: Shapes) -> tuple[list[Box], list[Arrow]]:
    boxes, arrows = [], []
    for at, column in enumerate(MGMR):
        boxes += _column(net, column, at)
        arrows += [Arrow(at + 0.32, at + 0.68, _row(m), _passing(s)) for (c, m), s in shapes.items() if c == column]
    return boxes, arrows


def _mfmb(net: MFMBNet, shapes: Shapes) -> tuple[list[Box], list[Arrow]]:
    """Three rows up to the attention; then one bar that three branches read, of which two reach the head."""
    boxes, arrows = [], []
    for at, column in enumerate(MFMB[:3]):
        boxes += _column(net, column, at)
        arrows += [Arrow(at + 0.32, at + 0.68, _row(m), _passing(s)) for (c, m), s in shapes.items() if c == column]
    boxes += [Box("", "", 0, 2.7, 1, width=0.03, height=2.6)]
    arrows += [Arrow(2.72, 3.14, y, "all three") for y in BRANCHES.values()]
    boxes += [Box(c, LABELS.get(c, c), _weights(net, c), 3.6, y, width=0.9) for c, y in BRANCHES.items()]
    boxes += [Box("head", "head", _weights(net, "head"), 5.3, 1.5, height=1.6), Box("", "loss\nalone", 0, 5.3, 0)]
    rebuilt = "\n".join(f"{m} {_passing(shapes['rebuild', m])}" for m in MODALITIES)
    passing = {c: rebuilt if c == "rebuild" else _passing(shapes[c, ""]) for c in BRANCHES}
    arrows += [Arrow(4.06, 4.98, y, passing[c]) for c, y in BRANCHES.items()]
    return boxes, [*arrows, Arrow(5.62, 5.98, 1.5, _passing(shapes["head", ""]))]


def _column(net: nn.Module, column: str, at: float) -> list[Box]:
    """A box for each modality, or a tall one for all."""
    if column in APART:
        label = LABELS.get(column, column)
        return [Box(column, f"{label}\n{m}", _weights(net, column, m), at, _row(m)) for m in MODALITIES]
    label = ALIGN[net.config.encoder] if column == "align" else LABELS.get(column, column)
    return [Box(column, label, _weights(net, column), at, 1, height=2.6)]


def _row(m: str) -> int:
    return 2 - MODALITIES.index(m) if m else 1


def _passing(shape: tuple[int, ...]) -> str:
    return "×".join(str(n) for n in shape[1:])


def _weights(net: nn.Module, column: str, m: str = "") -> int:
    """Those of one box: MFMB-Net's projections are a part of its `align`, and have a column of their own."""
    if column in ("inputs", "pooling"):
        return 0
    count = lambda module: sum(p.numel() for p in module.parameters())  # noqa: E731
    if column == "project":
        return count(net.align.project[m])
    module = getattr(net, column)
    return count(module[m] if m else module) - (count(net.align.project) if column == "align" else 0)


def _box(ax, box: Box, here: bool) -> None:
    colour, width = (figures.BLUE, 2.5) if here else (figures.GREY, 1.0)
    corner = (box.x - box.width / 2, box.y - box.height / 2)
    ax.add_patch(Rectangle(corner, box.width, box.height, ec=colour, fc="white", lw=width))
    text = f"{box.label}\n{box.weights:,}" if box.weights else box.label
    ax.text(box.x, box.y, text, ha="center", va="center", fontsize=8)
