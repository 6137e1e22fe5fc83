"""`python -m mgmr_lib COMMAND`."""

import sys

from mgmr_lib.cli import main

sys.exit(main())
