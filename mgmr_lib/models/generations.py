"""The names of the three generations of the Mamba block, for configurations, which are read before torch is there."""

from mgmr_lib.errors import CourseError

GENERATIONS = ("selective", "mamba2", "mamba3")


def check_state(layer: str, d_state: int) -> None:
    """CourseError unless the state is large enough for that layer: half of Mamba-3's turns, in pairs."""
    if layer == "mamba3" and d_state < 4:
        raise CourseError(f"--layer mamba3 needs --d-state of at least 4, half of which turns in pairs, not {d_state}")
