"""A drawing of MGMR-Net made from the network itself: its modules, their weights, and the shapes that pass on a batch.

Shapes are what hooks saw, so the picture changes with the network.
"""

import torch
from matplotlib.patches import Rectangle
from torch import nn

from mgmr_lib.course import figures
from mgmr_lib.data.batch import Batch
from mgmr_lib.data.corpus import MODALITIES

APART = ("inputs", "encoders", "reconstruction", "pooling")  # a box a modality
TOGETHER = ("alignment", "fusion", "head")  # one box for all
LABELS = {"encoders": "encoder", "reconstruction": "rebuild", "pooling": "to words", "alignment": "stage 1"}
LABELS |= {"inputs": "input", "fusion": "stage 2"}

Shapes = dict[tuple[str, str], tuple[int, ...]]  # (column, modality) -> shape; the modality is "" where all are one


@torch.no_grad()
def passing_shapes(net: nn.Module, batch: Batch) -> Shapes:
    """The shape of what leaves each column, as seen in one forward pass of `net`, which has all its stages."""
    seen: Shapes = {("inputs", m): tuple(s.x.shape) for m, s in net.inputs(batch).items()}

    def leaving(column: str, m: str = ""):
        def hook(_module, _args, out) -> None:
            out = out[0] if isinstance(out, tuple) else out
            tensors = out if isinstance(out, dict) else {m: out}
            seen.update({(column, name): tuple(x.shape) for name, x in tensors.items()})

        return hook

    def entering(_module, args) -> None:
        seen.update({("pooling", m): tuple(x.shape) for m, x in args[0].items()})

    handles = [net.alignment.register_forward_pre_hook(entering)]
    handles += [getattr(net, column).register_forward_hook(leaving(column)) for column in TOGETHER]
    handles += [getattr(net, c)[m].register_forward_hook(leaving(c, m)) for c in APART[1:3] for m in MODALITIES]
    try:
        net(batch)
    finally:
        for handle in handles:
            handle.remove()
    return seen


def draw_network(ax, net: nn.Module, batch: Batch, here: str = "") -> None:
    """The network from left to right, on each arrow the shape that passes, without the batch; the column `here` in
    blue."""
    shapes = passing_shapes(net, batch)
    for at, column in enumerate(APART + TOGETHER):
        for m in MODALITIES if column in APART else ("",):
            _box(ax, at, column, m, _weights(net, column, m), column == here)
        for m in [m for c, m in shapes if c == column]:
            y = 2 - MODALITIES.index(m) if m else 1
            ax.annotate("", (at + 0.68, y), (at + 0.32, y), arrowprops={"arrowstyle": "->", "color": figures.GREY})
            passing = "×".join(str(n) for n in shapes[column, m][1:])
            ax.text(at + 0.5, y + 0.07, passing, ha="center", va="bottom", fontsize=7.5)
    ax.text(len(APART + TOGETHER) - 0.28, 1, "ŷ", va="center")
    ax.set(xlim=(-0.4, len(APART + TOGETHER)), ylim=(-0.4, 2.4))
    ax.axis("off")


def _weights(net: nn.Module, column: str, m: str) -> int:
    if column in ("inputs", "pooling"):
        return 0
    module = getattr(net, column)
    return sum(p.numel() for p in (module[m] if m else module).parameters())


def _box(ax, at: int, column: str, m: str, weights: int, here: bool) -> None:
    """One module; a tall box where m is ""."""
    centre, tall = (2 - MODALITIES.index(m), 0.6) if m else (1, 2.6)
    colour, width = (figures.BLUE, 2.5) if here else (figures.GREY, 1.0)
    ax.add_patch(Rectangle((at - 0.31, centre - tall / 2), 0.62, tall, ec=colour, fc="white", lw=width))
    lines = [LABELS.get(column, column), m, f"{weights:,}" if weights else ""]
    ax.text(at, centre, "\n".join(line for line in lines if line), ha="center", va="center", fontsize=8)
