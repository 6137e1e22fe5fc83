"""The three generations of the Mamba block by name, for networks that are built with any of them."""

from torch import nn

from mgmr_lib.ssm.blocks import MambaBlock
from mgmr_lib.ssm.mamba2 import Mamba2Block
from mgmr_lib.ssm.mamba3 import Mamba3Block

GENERATIONS = ("selective", "mamba2", "mamba3")
HEAD_DIM = 64  # the official width of a head


def make_block(
    layer: str, d_model: int, d_state: int = 16, d_conv: int = 4, expand: int = 2, **options
) -> MambaBlock | Mamba2Block | Mamba3Block:
    """A block of that generation, (b,l,d) -> (b,l,d). Heads are as wide as fits: the largest divisor of
    expand * d_model up to 64. Mamba-3 has no convolution, so d_conv means nothing there. Further options go to the
    block."""
    if layer == "selective":
        return MambaBlock(d_model, d_state, d_conv, expand, **options)
    head_dim = max(p for p in range(1, HEAD_DIM + 1) if int(expand * d_model) % p == 0)
    if layer == "mamba2":
        return Mamba2Block(d_model, d_state, d_conv, expand, head_dim, **options)
    if layer == "mamba3":
        return Mamba3Block(d_model, d_state, expand, head_dim, **options)
    raise ValueError(f"layer must be one of {', '.join(GENERATIONS)}, but is {layer!r}")


def shares_A(block: nn.Module) -> bool:
    """Whether a block has a matrix A that another one can use: Mamba-3 makes its decays from the input."""
    return isinstance(block, MambaBlock | Mamba2Block)
