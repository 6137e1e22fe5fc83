"""The networks by name: the configuration each one takes and how it is built. `train --model NAME` reads this table."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn

from mgmr_lib.errors import CourseError
from mgmr_lib.models.baselines.feedforward import FeedForward, FeedForwardConfig
from mgmr_lib.models.baselines.lstm import EarlyLSTM, LateLSTM, LSTMConfig
from mgmr_lib.models.baselines.mult import MulT, MulTConfig
from mgmr_lib.models.baselines.tensor_fusion import LMF, TFN, LMFConfig, TFNConfig
from mgmr_lib.models.baselines.tfr import TFRConfig, TFRNet
from mgmr_lib.models.inputs import Inputs
from mgmr_lib.models.mfmb.network import MFMBConfig, MFMBNet
from mgmr_lib.models.mgmr.network import MGMRConfig, MGMRNet


@dataclass(frozen=True)
class Entry:
    """config: a frozen dataclass type; build(config, inputs) -> a module that maps a Batch to an Output."""

    config: type
    build: Callable[[object, Inputs], nn.Module]


NETWORKS: dict[str, Entry] = {
    "mgmr": Entry(MGMRConfig, MGMRNet),
    "mfmb": Entry(MFMBConfig, MFMBNet),
    "fc_t": Entry(FeedForwardConfig, partial(FeedForward, modalities=("text",))),
    "fc_a": Entry(FeedForwardConfig, partial(FeedForward, modalities=("audio",))),
    "fc_v": Entry(FeedForwardConfig, partial(FeedForward, modalities=("vision",))),
    "concat": Entry(FeedForwardConfig, FeedForward),
    "early_lstm": Entry(LSTMConfig, EarlyLSTM),
    "late_lstm": Entry(LSTMConfig, LateLSTM),
    "tfn": Entry(TFNConfig, TFN),
    "lmf": Entry(LMFConfig, LMF),
    "mult": Entry(MulTConfig, MulT),
    "tfr": Entry(TFRConfig, TFRNet),
}


def entry(name: str) -> Entry:
    """The entry of that name; an unknown name is an error that lists the known ones."""
    if name not in NETWORKS:
        raise CourseError(f"there is no model {name!r}: use --model {'|'.join(NETWORKS)}")
    return NETWORKS[name]
