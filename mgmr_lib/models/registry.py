"""The networks by name: the configuration each one takes and where it is built. `train --model NAME` reads this table.

Configurations are at hand at once; a network's module, and torch with it, is imported when one is built.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mgmr_lib.models.baselines import config as baselines
from mgmr_lib.models.baselines import config_self_supervised as self_supervised
from mgmr_lib.models.baselines.config import FeedForwardConfig, LMFConfig, LSTMConfig, MulTConfig, TFNConfig, TFRConfig
from mgmr_lib.models.mfmb import config as mfmb
from mgmr_lib.models.mgmr.config import MGMRConfig
from mgmr_lib.settings import known

if TYPE_CHECKING:
    from mgmr_lib.models.inputs import Inputs, Network


@dataclass(frozen=True)
class Entry:
    """config: a frozen dataclass type; network: "module:class" that maps a Batch to an Output, built with `options`;
    teacher: "module:class" of its Teacher.

    readings: where a paper can be read in several ways, each one's configuration; from_recorded: brings the settings
    of older records up to date.
    """

    config: type
    network: str
    options: Mapping = field(default_factory=dict)
    readings: Mapping[str, type] = field(default_factory=dict)
    from_recorded: Callable[[dict], dict] = dict
    teacher: str = "mgmr_lib.models.teacher:Teacher"

    def reading(self, settings: Mapping) -> type:
        """The configuration that these settings belong to: the one of their "reading", or the only one."""
        if not self.readings or "reading" not in settings:
            return self.config
        return self.readings[known("reading", settings["reading"], self.readings)]

    def build(self, config, inputs: "Inputs") -> "Network":
        """The network, untrained."""
        return _imported(self.network)(config, inputs, **self.options)

    def build_teacher(self, config, labels):
        """Its Teacher at the start of training. labels: (n,), the training clips'."""
        return _imported(self.teacher)(config, labels)


def _imported(place: str):
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


_BASELINES = "mgmr_lib.models.baselines"
_PSEUDO_LABELS = f"{_BASELINES}.pseudo_labels:PseudoLabels"


def _feed_forward(*modalities: str) -> Entry:
    return Entry(FeedForwardConfig, f"{_BASELINES}.feedforward:FeedForward", {"modalities": modalities})


NETWORKS: dict[str, Entry] = {
    "mgmr": Entry(MGMRConfig, "mgmr_lib.models.mgmr.network:MGMRNet"),
    "mfmb": Entry(
        mfmb.MFMBConfig, "mgmr_lib.models.mfmb.network:MFMBNet", readings=mfmb.CONFIGS, from_recorded=mfmb.from_recorded
    ),
    "fc_t": _feed_forward("text"),
    "fc_a": _feed_forward("audio"),
    "fc_v": _feed_forward("vision"),
    "concat": _feed_forward("text", "audio", "vision"),
    "early_lstm": Entry(LSTMConfig, f"{_BASELINES}.lstm:EarlyLSTM"),
    "late_lstm": Entry(LSTMConfig, f"{_BASELINES}.lstm:LateLSTM"),
    "tfn": Entry(TFNConfig, f"{_BASELINES}.tensor_fusion:TFN"),
    "lmf": Entry(LMFConfig, f"{_BASELINES}.tensor_fusion:LMF"),
    "mult": Entry(MulTConfig, f"{_BASELINES}.mult:MulT"),
    "tfr": Entry(TFRConfig, f"{_BASELINES}.tfr:TFRNet"),
    "misa": Entry(self_supervised.MISAConfig, f"{_BASELINES}.misa:MISA"),
    "self_mm": Entry(self_supervised.SelfMMConfig, f"{_BASELINES}.self_mm:SelfMM", teacher=_PSEUDO_LABELS),
    "mmim": Entry(self_supervised.MMIMConfig, f"{_BASELINES}.mmim:MMIM", teacher=f"{_BASELINES}.mmim:SignEntropy"),
    "tetfn": Entry(self_supervised.TETFNConfig, f"{_BASELINES}.tetfn:TETFN", teacher=_PSEUDO_LABELS),
    "cenet": Entry(baselines.CENETConfig, f"{_BASELINES}.cenet:CENET"),
    "almt": Entry(baselines.ALMTConfig, f"{_BASELINES}.almt:ALMT"),
    "lnln": Entry(baselines.LNLNConfig, f"{_BASELINES}.lnln:LNLN"),
    "emt": Entry(baselines.EMTConfig, f"{_BASELINES}.emt:EMT"),
    "tf_mamba": Entry(baselines.TFMambaConfig, f"{_BASELINES}.tf_mamba:TFMamba"),
}


def entry(name: str) -> Entry:
    """The entry of that name; an unknown name is an error that suggests the nearest, or lists the known ones."""
    return NETWORKS[known("model", name, NETWORKS)]
