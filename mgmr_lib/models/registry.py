"""The networks by name: the configuration each one takes and how it is built. `train --model NAME` reads this table."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from ..errors import CourseError
from .inputs import Inputs
from .mgmr_net import MGMRConfig, MGMRNet


@dataclass(frozen=True)
class Entry:
    """config: a frozen dataclass type; build(config, inputs) -> a module that maps a Batch to an Output."""

    config: type
    build: Callable[[object, Inputs], nn.Module]


NETWORKS: dict[str, Entry] = {"mgmr": Entry(MGMRConfig, MGMRNet)}


def entry(name: str) -> Entry:
    """The entry of that name; an unknown name is an error that lists the known ones."""
    if name not in NETWORKS:
        raise CourseError(f"there is no model {name!r}: use --model {'|'.join(NETWORKS)}")
    return NETWORKS[name]
