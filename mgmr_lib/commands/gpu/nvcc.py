"""Stands in for nvcc while a package is compiled: the same compiler, told to make code for this machine's GPU alone.

The packages' own settings name up to nine kinds of GPU and take no other word for it; each costs as much time as the
first. Only the standard library, since it starts once a file. MGMR_NVCC: the compiler; MGMR_CAPABILITY: "90" on an
H100.
"""

import os
import re
import sys


def for_one_gpu(arguments: list[str], capability: int) -> list[str]:
    """The arguments without the `-gencode` pairs of other GPUs.

    A GPU runs the code of its own number, or of a smaller one with the same first digits (8.9 runs 8.0). Where no pair
    fits, all stay.
    """
    pairs = [i for i, a in enumerate(arguments[:-1]) if a == "-gencode"]
    numbers = {i: int(m[1]) for i in pairs if (m := re.search(r"code=sm_(\d+)$", arguments[i + 1]))}
    usable = [n for n in numbers.values() if n // 10 == capability // 10 and n <= capability]
    if not usable:
        return arguments
    dropped = {j for i, n in numbers.items() if n != max(usable) for j in (i, i + 1)}
    return [a for j, a in enumerate(arguments) if j not in dropped]


if __name__ == "__main__":
    command = [os.environ["MGMR_NVCC"], *for_one_gpu(sys.argv[1:], int(os.environ["MGMR_CAPABILITY"]))]
    os.execv(command[0], command)
