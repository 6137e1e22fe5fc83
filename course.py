#!/usr/bin/env python3
"""The course in two commands: `python course.py open` and `python course.py test`.

Only a Python is needed to start: `mgmr_lib/setup` uses the standard library alone, and makes the virtual environment
that holds everything else. This file is kept in words that every Python understands, so that an old one can say what is
wrong.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036
    sys.stderr.write(
        "error: the course needs Python 3.11 to 3.14 and this is "
        + ".".join(map(str, sys.version_info[:3]))
        + ": start it with a newer one, such as `python3.12 course.py open` (python.org has installers)\n"
    )
    sys.exit(2)

from mgmr_lib.setup.commands import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
