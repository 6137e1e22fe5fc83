"""Seeds that do not run into each other."""

import numpy as np


def mix(*parts: int) -> int:
    """One 32-bit seed out of several numbers; neighbouring inputs give unrelated seeds."""
    return int(np.random.SeedSequence([int(p) for p in parts]).generate_state(1)[0])
