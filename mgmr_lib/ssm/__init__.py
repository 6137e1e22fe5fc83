"""State space models: one selective scan with engines from Python lists to CUDA, and the blocks built on it.

Symbols, in code, comments and shapes (Gu and Dao 2023):

    b   clips of a batch              x   input of the scan (b, l, e); y its output
    l   steps of a sequence           dt  step size Delta (b, l, e), positive
    d   model width                   A   (e, n), negative: a state decays by exp(dt A) in a step
    e   inner width, expand * d       B   (b, l, n): what is written;  C (b, l, n): what is read
    n   states of each channel        D   (e,): the skip from x to y;  z (b, l, e): the gate
    h   the state (b, e, n)           valid (b, l) bool: True, then False (right padding)

and where channels come in heads (Dao and Gu 2024):

    h   heads, e = h p                x   (b, l, h, p);  dt (b, l, h);  A (h,): one decay for a whole head
    p   channels of a head            B   and C (b, l, g, n);  D (h,) or (h, p);  z (b, l, h, p)
    g   groups of heads, which share B and C;  the state is (b, h, p, n)
"""

from mgmr_lib.ssm.blocks import BiMamba, MambaBlock
from mgmr_lib.ssm.engines.backends import available_backends
from mgmr_lib.ssm.generations import GENERATIONS, make_block
from mgmr_lib.ssm.mamba2 import Mamba2Block
from mgmr_lib.ssm.mamba3 import Mamba3Block, mamba3_scan
from mgmr_lib.ssm.padding import flip_valid, zero_padding
from mgmr_lib.ssm.scan import selective_scan, selective_scan_step
from mgmr_lib.ssm.simplified import MambaLayer, SimplifiedMambaLayer
from mgmr_lib.ssm.ssd import ssd_masked, ssd_reference, ssd_scan, ssd_step

__all__ = [
    "GENERATIONS",
    "BiMamba",
    "Mamba2Block",
    "Mamba3Block",
    "MambaBlock",
    "MambaLayer",
    "SimplifiedMambaLayer",
    "available_backends",
    "flip_valid",
    "make_block",
    "mamba3_scan",
    "selective_scan",
    "selective_scan_step",
    "ssd_masked",
    "ssd_reference",
    "ssd_scan",
    "ssd_step",
    "zero_padding",
]
