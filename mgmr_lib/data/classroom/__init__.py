"""The classroom corpora: real sentences and ratings, simulated voice and face."""

from mgmr_lib.data.classroom.corpora import SPECS

__all__ = ["SPECS"]
