"""Data: what a corpus is, how a pickle in MMSA's layout is read, and how parts of it go missing."""

from mgmr_lib.data.corpus import MODALITIES, SPLITS, Corpus, Ragged, Split
from mgmr_lib.data.mmsa.reader import export_mmsa, load_mmsa

__all__ = ["MODALITIES", "SPLITS", "Corpus", "Ragged", "Split", "export_mmsa", "load_mmsa"]
