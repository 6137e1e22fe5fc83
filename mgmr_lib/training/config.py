"""Every setting of a run, in frozen dataclasses that the profiles fill. Notebooks never hold sizes."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import Any, ClassVar

from mgmr_lib.errors import CourseError
from mgmr_lib.models.registry import NETWORKS, entry
from mgmr_lib.settings import fields_of, known, setting, unknown, validate
from mgmr_lib.training.profiles import FAMILIES, PATTERNS, PROFILES, profile_settings

PRECISIONS = ("fp32", "bf16")


@dataclass(frozen=True)
class TrainConfig:
    """One training run. network: the model's own configuration (models/registry.py)."""

    model: str = setting("mgmr", "the network", choices=tuple(NETWORKS))
    data: str = setting("classroom-mosi", "a classroom corpus's name, or the path of an MMSA file")
    dataset: str | None = setting(None, "metric family; none: found out, and said", choices=FAMILIES)
    profile: str = setting("laptop", "what the other settings start from", choices=PROFILES)
    seed: int = setting(1111, "training seed: first weights, order, masks, dropout", low=0)
    text_encoder: str = setting(
        "minilm", "minilm, tiny, stored (the file's own), or a transformers model's name or folder"
    )
    encoder_lr: float = setting(0.0, "learning rate of the text encoder; 0 freezes it", low=0)
    pool_audio: int = setting(1, "audio frames averaged into one step before the network", low=1)
    pool_vision: int = setting(1, "vision frames averaged into one step before the network", low=1)
    protocol: str = setting(
        "B", "B: one model, missing rates drawn anew every epoch; A: --rate everywhere", choices=("A", "B")
    )
    rate: float = setting(0.0, "protocol A's missing rate", low=0, high=1)
    pattern: str = setting(
        "frames", "how steps go missing: each by itself, in bursts, or a modality whole", choices=PATTERNS
    )
    epochs: int = setting(60, "passes over the training clips, at most", low=1)
    batch_size: int = setting(32, "clips a step", low=1)
    lr: float = setting(1e-3, "peak learning rate of all but the text encoder", above=0)
    weight_decay: float = setting(1e-3, "AdamW's weight decay", low=0)
    warmup: float = setting(0.1, "share of all steps in which the learning rate rises", low=0, high=1)
    patience: int = setting(8, "epochs without a better valid MAE before training stops", low=1)
    clip_norm: float = setting(1.0, "largest norm of a step's gradient", above=0)
    ema: float = setting(
        0.0, "decay of the averaged weights that are evaluated and kept; 0: plain weights", low=0, below=1
    )
    objective: str | None = setting(
        None, "how predictions are compared with labels; none: as the network does by itself", choices=("mae", "mse")
    )
    alpha_text: float = setting(1.0, "weight of the text's reconstruction in the loss", low=0)
    alpha_audio: float = setting(1.0, "weight of the audio's reconstruction in the loss", low=0)
    alpha_vision: float = setting(1.0, "weight of the vision's reconstruction in the loss", low=0)
    valid_rates: tuple[float, ...] = setting((0.0, 0.3, 0.6, 0.9), "missing rates that early stopping averages over")
    precision: str = setting(
        "fp32", "bf16: the network computes in half precision where it may (a GPU's fast units)", choices=PRECISIONS
    )
    max_clips: int | None = setting(None, "use only so many clips of each split; none: all", low=1)
    shuffle_labels: bool = setting(False, "negative control: every label belongs to another clip")
    network: Any = None  # a frozen dataclass, which one depends on the model

    PLACE: ClassVar = ("data", "dataset")  # where the data lies and how it is read: no part of a run's identity

    def __post_init__(self):
        validate(self)
        if self.objective is not None and getattr(self.network, "classes", 1) > 1:
            raise CourseError("--objective is for networks that predict a number: give --classes 1 with it")
        if hasattr(self.network, "check_run"):
            self.network.check_run(self)

    def to_dict(self) -> dict:
        """Plain values, ready for JSON."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    def hash(self) -> str:
        """12 hex digits that name this configuration: the model and what differs from the defaults.

        The place of the data does not count (training/identity.py fingerprints its content), and a setting that a later
        release adds does not change the names of older runs.
        """
        differs = {"model": self.model} | _differences(self, self.PLACE + ("network",))
        if self.network is not None:
            differs["network"] = _differences(self.network)
            if type(self.network) is not entry(self.model).config:
                differs["network"]["reading"] = self.network.reading
        return hashlib.sha256(json.dumps(differs, sort_keys=True).encode()).hexdigest()[:12]

    @classmethod
    def from_dict(cls, values: dict) -> "TrainConfig":
        """The inverse of to_dict; settings of older records in today's names (identity.read_config says what is wrong
        with others)."""
        found = entry(values["model"])
        settings = found.from_recorded(values["network"])
        return cls(**{**values, "network": found.reading(settings)(**settings)})


def _differences(config: Any, without: tuple[str, ...] = ()) -> dict:
    """The fields of a dataclass whose values are not their defaults."""
    fields = [f for f in dataclasses.fields(config) if f.name not in without]
    return {f.name: getattr(config, f.name) for f in fields if getattr(config, f.name) != f.default}


def make_config(model: str = "mgmr", profile: str = "laptop", family: str = "mosi", **overrides) -> TrainConfig:
    """A profile's configuration with some fields replaced.

    family ("mosi", "mosei", "sims") picks the paper's sizes in the full profile. overrides: fields of TrainConfig or of
    the model's own configuration; an unknown name, a wrong type or a value out of range is a CourseError.
    """
    known("profile", profile, PROFILES)
    known("family", family, FAMILIES)
    kind = entry(model).reading(overrides)
    own, inner = settings_of(kind)
    for name in overrides:
        if name not in own | inner:
            raise unknown("setting", name, own | inner)
    settings = profile_settings(profile, model, family, getattr(kind, "reading", None)) | overrides
    network = kind(**{name: value for name, value in settings.items() if name in inner and name not in own})
    run = {name: value for name, value in settings.items() if name in own}
    return TrainConfig(model=model, profile=profile, network=network, **run)


def settings_of(kind: type) -> tuple[set[str], set[str]]:
    """The names that overrides may have: the run's, and those of the network's configuration."""
    return set(fields_of(TrainConfig)) - {"model", "profile"}, set(fields_of(kind))
