"""State space models: one selective scan with rungs from Python lists to CUDA, and the blocks built on it."""

from .backends import available_backends
from .blocks import BiMamba, MambaBlock
from .padding import flip_valid, zero_padding
from .scan import selective_scan, selective_scan_step
from .simplified import MambaLayer, SimplifiedMambaLayer

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
