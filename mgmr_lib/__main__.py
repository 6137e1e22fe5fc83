"""`python -m mgmr_lib COMMAND`."""

import sys

from .cli import main

sys.exit(main())
