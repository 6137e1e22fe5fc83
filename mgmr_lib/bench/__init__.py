"""`python -m mgmr_lib bench`: the scan ladder against its peers, in one run on one machine."""

from mgmr_lib.bench.command import add_arguments, main

__all__ = ["add_arguments", "main"]
