"""Every setting of a run, in frozen dataclasses, and the three profiles that fill them. Notebooks never hold sizes."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import ClassVar

from mgmr_lib.errors import CourseError
from mgmr_lib.models.registry import entry

PROFILES = ("fast", "laptop", "full")


@dataclass(frozen=True)
class TrainConfig:
    """One training run.

    model: a name of models/registry.py; data: a classroom corpus's name or a path to an MMSA file; dataset: metric
    family, None to find out. protocol: "B" (one model, rates drawn anew every epoch) or "A" (this `rate` everywhere).
    pool_audio, pool_vision: frames averaged into one step before the network (1: none). Learning rates: lr for all but
    the text encoder; encoder_lr 0 freezes the encoder. valid_rates: the missing rates that early stopping averages
    over.
    ema: decay of the averaged weights that are evaluated and kept (0: the plain weights).
    max_clips: use only that many clips a split (None: all). shuffle_labels: a negative control.
    network: the model's own configuration.
    """

    model: str = "mgmr"
    data: str = "classroom-mosi"
    dataset: str | None = None
    profile: str = "laptop"
    seed: int = 1111
    text_encoder: str = "minilm"
    encoder_lr: float = 0.0
    pool_audio: int = 1
    pool_vision: int = 1
    protocol: str = "B"
    rate: float = 0.0
    epochs: int = 60
    batch_size: int = 32
    lr: float = 1e-3
    weight_decay: float = 1e-3
    warmup: float = 0.1
    patience: int = 8
    clip_norm: float = 1.0
    ema: float = 0.0
    alpha_text: float = 1.0
    alpha_audio: float = 1.0
    alpha_vision: float = 1.0
    valid_rates: tuple[float, ...] = (0.0, 0.3, 0.6, 0.9)
    max_clips: int | None = None
    shuffle_labels: bool = False
    network: object = None

    PLACE: ClassVar = ("data", "dataset")  # where the data lies and how it is read: no part of a run's identity

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
        return hashlib.sha256(json.dumps(differs, sort_keys=True).encode()).hexdigest()[:12]

    @classmethod
    def from_dict(cls, values: dict) -> "TrainConfig":
        """The inverse of to_dict."""
        values = dict(values)
        values["network"] = entry(values["model"]).config(**values["network"])
        values["valid_rates"] = tuple(values["valid_rates"])
        return cls(**values)


def _differences(config: object, without: tuple[str, ...] = ()) -> dict:
    """The fields of a dataclass whose values are not their defaults."""
    fields = [f for f in dataclasses.fields(config) if f.name not in without]
    return {f.name: getattr(config, f.name) for f in fields if getattr(config, f.name) != f.default}


# What a profile sets, beside the defaults above. "full" takes the papers' sizes, which differ between corpora.
_TRAIN = {
    "fast": {
        "pool_audio": 15,
        "pool_vision": 20,
        "epochs": 3,
        "max_clips": 256,
        "batch_size": 16,
        "lr": 2e-3,
        "valid_rates": (0.0, 0.5),
        "ema": 0.9,
    },
    "laptop": {"pool_audio": 32, "pool_vision": 40, "epochs": 12, "patience": 8, "ema": 0.99, "weight_decay": 0.01},
    "full": {"text_encoder": "bert-base-uncased", "encoder_lr": 1e-5},
}
# MFMB-Net learns a small corpus by heart within some epochs; chosen on the valid split, like most sizes. Its objective
# (Eq. 17's classes, two-hot), hub and micro stream were chosen on 1500 more clips, made like the corpus's of sentences
# that none of its splits holds.
_TRAIN_NETWORK = {("laptop", "mfmb"): {"epochs": 8}}
_NETWORK = {
    ("fast", "mgmr"): {"d_model": 32, "d_state": 4, "expand": 1},
    ("laptop", "mgmr"): {"d_model": 64, "d_state": 8, "expand": 1, "dropout": 0.3, "input_dropout": 0.2},
    ("fast", "mfmb"): {
        "d_model": 32,
        "heads": 4,
        "ffn": 64,
        "d_lstm": 16,
        "d_mix": 32,
        "d_state": 4,
        "expand": 1,
        "code_d_model": 20,
        "code_heads": 4,
        "code_depth": 1,
        "code_depth_cross": 1,
        "code_steps": 16,
        "code_macro_depth": 1,
        "code_gru_depth": 1,
    },
    ("laptop", "mfmb"): {
        "classes": 7,
        "class_targets": "two-hot",
        "d_model": 128,
        "dropout": 0.3,
        "input_dropout": 0.2,
        "hub": 4,
        "d_lstm": 16,
        "d_mix": 8,
        "d_fine": 1,
        "d_state": 8,
        "expand": 1,
        "code_depth": 1,
        "code_depth_cross": 1,
        "code_gru_depth": 1,
        "code_macro_depth": 2,
    },
    **{("fast", m): {"d_model": 32} for m in ("fc_t", "fc_a", "fc_v", "concat", "early_lstm", "late_lstm")},
    **{
        ("laptop", m): {"d_model": 64, "dropout": 0.2}
        for m in ("fc_t", "fc_a", "fc_v", "concat", "early_lstm", "late_lstm")
    },
    ("fast", "tfn"): {"d_text": 16, "d_audio": 8, "d_vision": 8, "d_fused": 32},
    ("laptop", "tfn"): {"d_text": 32, "d_audio": 16, "d_vision": 16, "d_fused": 64, "dropout": 0.2},
    ("fast", "lmf"): {"d_text": 32, "d_audio": 16, "d_vision": 16, "d_fused": 32},
    ("laptop", "lmf"): {"d_text": 64, "d_audio": 32, "d_vision": 32, "dropout": 0.2},
    ("fast", "mult"): {"d_model": 16, "heads": 4, "depth": 1, "depth_self": 1, "attention_dropout": 0.0},
    ("laptop", "mult"): {
        "d_model": 32,
        "heads": 4,
        "depth": 2,
        "depth_self": 1,
        "dropout": 0.2,
        "attention_dropout": 0.0,
    },
    ("fast", "tfr"): {"d_model": 12, "heads": 4, "depth": 1, "depth_gru": 1, "d_head": 32, "attention_dropout": 0.0},
    ("laptop", "tfr"): {"depth": 1, "depth_gru": 1, "d_head": 64, "attention_dropout": 0.0},
}
_FULL_BY_FAMILY = {  # MGMR-Net's Table 2
    "mosi": {"train": {"batch_size": 32}, "mgmr": {"d_state": 12, "expand": 4, "depth_align": 1, "depth_fuse": 1}},
    "mosei": {"train": {"batch_size": 32}, "mgmr": {"d_state": 12, "expand": 4, "depth_align": 2, "depth_fuse": 2}},
    "sims": {"train": {"batch_size": 16}, "mgmr": {"d_state": 16, "expand": 2, "depth_align": 1, "depth_fuse": 2}},
}


# MFMB-Net's layers over time are as long as the corpus's longest sequences, in every profile.
_LENGTHS_BY_FAMILY = {
    "mosi": {"text_length": 50, "code_steps_audio": 375, "code_steps_vision": 500},
    "mosei": {"text_length": 50, "code_steps_audio": 500, "code_steps_vision": 500},
    "sims": {"text_length": 39, "code_steps_audio": 400, "code_steps_vision": 55},
}
# MFMB-Net's section "Experiments"; what differs on SIMS, and the loss weights, are its published code's (that reading's
# alone).
_FULL_MFMB = {"lr": 2e-3, "patience": 6, "batch_size": 24}
_FULL_MFMB_CODE = {
    "mosi": {"alpha_text": 5.0, "alpha_audio": 2.0, "alpha_vision": 20.0, "dropout": 0.2},
    "mosei": {"alpha_text": 5.0, "alpha_audio": 2.0, "alpha_vision": 20.0, "dropout": 0.2},
    "sims": {"alpha_text": 1.0, "alpha_audio": 0.01, "alpha_vision": 1e-4, "dropout": 0.2, "batch_size": 16,
             "code_depth_cross": 2},
}  # fmt: skip


def _mfmb(profile: str, family: str, reading: str) -> dict:
    """Settings of MFMB-Net, of the run and of the network, that depend on the corpus's family and on the reading."""
    found = dict(_LENGTHS_BY_FAMILY[family])
    if (profile, family) == ("laptop", "sims"):
        found["class_step"] = 1 / 3  # seven classes from -1 to 1
    if profile == "full":
        found |= _FULL_MFMB | (_FULL_MFMB_CODE[family] if reading == "code" else {})
    return found


def make_config(model: str = "mgmr", profile: str = "laptop", family: str = "mosi", **overrides) -> TrainConfig:
    """A profile's configuration with some fields replaced.

    family ("mosi", "mosei", "sims") picks the paper's sizes in the full profile. overrides: fields of TrainConfig or of
    the model's own configuration; an unknown one is a CourseError.
    """
    if profile not in PROFILES:
        raise CourseError(f"there is no profile {profile!r}: use --profile {'|'.join(PROFILES)}")
    kind = entry(model).config
    train, network = (
        _TRAIN[profile] | _TRAIN_NETWORK.get((profile, model), {}),
        dict(_NETWORK.get((profile, model), {})),
    )
    if profile == "full":
        by_family = _FULL_BY_FAMILY[family]
        train |= by_family["train"]
        network |= by_family.get(model, {})
    own = {f.name for f in dataclasses.fields(TrainConfig)} - {"network", "model", "profile"}
    inner = {f.name for f in dataclasses.fields(kind)}
    if model == "mfmb":
        overrides = _mfmb(profile, family, overrides.get("reading", kind.reading)) | overrides
    for name, value in overrides.items():
        if name not in own | inner:
            raise CourseError(f"{model!r} has no setting {name!r}: known are {', '.join(sorted(own | inner))}")
        (train if name in own else network)[name] = value
    config = TrainConfig(model=model, profile=profile, network=kind(**network), **train)
    _check(config)
    return config


def _check(c: TrainConfig) -> None:
    if c.protocol not in ("A", "B"):
        raise CourseError(f"--protocol is 'A' or 'B', not {c.protocol!r}")
    if not 0 <= c.rate <= 1 or not all(0 <= r <= 1 for r in c.valid_rates):
        raise CourseError("missing rates lie between 0 and 1: check --rate and --valid-rates")
    for name in ("epochs", "batch_size", "pool_audio", "pool_vision", "patience"):
        if getattr(c, name) < 1:
            raise CourseError(f"--{name.replace('_', '-')} must be at least 1, not {getattr(c, name)}")
