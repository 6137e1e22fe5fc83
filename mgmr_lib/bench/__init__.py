"""`python -m mgmr_lib bench`: the scan ladder against its peers, in one run on one machine."""

from .command import add_arguments, main

__all__ = ["add_arguments", "main"]
