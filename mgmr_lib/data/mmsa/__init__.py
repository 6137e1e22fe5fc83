"""MMSA's pickle layout: a reader that executes nothing, and an export."""

from mgmr_lib.data.mmsa.reader import export_mmsa, load_mmsa

__all__ = ["export_mmsa", "load_mmsa"]
