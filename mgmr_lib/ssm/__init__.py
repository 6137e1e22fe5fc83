"""State space models: one selective scan with rungs from Python lists to CUDA, and the blocks built on it."""

from mgmr_lib.ssm.blocks import BiMamba, MambaBlock
from mgmr_lib.ssm.engines.backends import available_backends
from mgmr_lib.ssm.padding import flip_valid, zero_padding
from mgmr_lib.ssm.scan import selective_scan, selective_scan_step
from mgmr_lib.ssm.simplified import MambaLayer, SimplifiedMambaLayer

__all__ = [
    "BiMamba",
    "MambaBlock",
    "MambaLayer",
    "SimplifiedMambaLayer",
    "available_backends",
    "flip_valid",
    "selective_scan",
    "selective_scan_step",
    "zero_padding",
]
