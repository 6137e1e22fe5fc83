"""What an experiment consists of: which networks, in which variants, under which protocol, with which seeds."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from mgmr_lib.errors import CourseError
from mgmr_lib.models.mfmb.config import PRINTED
from mgmr_lib.models.registry import NETWORKS, entry
from mgmr_lib.settings import fields_of, known, parse_set
from mgmr_lib.training.config import TrainConfig, make_config

NETWORK_SEEDS = (1111, 1112, 1113, 1114, 1115)  # five runs of each network (MGMR-Net, section 4.2)
OTHER_SEEDS = NETWORK_SEEDS[:3]
PROTOCOL_A_SEEDS = (111, 1111, 11111)  # TFR-Net's, which MFMB-Net's tables follow


@dataclass(frozen=True)
class Variant:
    """A row of a table: a name for files, a label for readers, a model of the registry and what differs from its
    profile."""

    name: str
    label: str
    model: str
    settings: tuple[tuple[str, Any], ...] = ()


def _variant(name: str, label: str, model: str | None = None, **settings) -> Variant:
    return Variant(name, label, model or name, tuple(sorted(settings.items())))


_TWO_HOT = {"classes": 7, "class_targets": "two-hot", "objective": None}  # MFMB-Net's objective in our profiles

VARIANTS = {
    v.name: v
    for v in (
        _variant("mgmr", "MGMR-Net"),
        _variant("mfmb", "MFMB-Net"),
        _variant("fc_t", "FC(T)"),
        _variant("fc_a", "FC(A)"),
        _variant("fc_v", "FC(V)"),
        _variant("concat", "Concat"),
        _variant("early_lstm", "early-fusion LSTM"),
        _variant("late_lstm", "late-fusion LSTM"),
        _variant("tfn", "TFN"),
        _variant("lmf", "LMF"),
        _variant("mult", "MulT"),
        _variant("tfr", "TFR-Net"),
        _variant("misa", "MISA"),
        _variant("self_mm", "Self-MM"),
        _variant("mmim", "MMIM"),
        _variant("cenet", "CENET (after)"),
        _variant("tetfn", "TETFN"),
        _variant("almt", "ALMT"),
        _variant("lnln", "LNLN"),
        _variant("emt", "EMT-DLFR"),
        _variant("tf_mamba", "TF-Mamba"),
        _variant("mgmr_no_s1", "MGMR-Net w/o S-1", "mgmr", use_alignment=False),
        _variant("mgmr_no_s2", "MGMR-Net w/o S-2", "mgmr", use_fusion=False),
        _variant("mgmr_no_recon", "MGMR-Net w/o Recon", "mgmr", use_reconstruction=False),
        _variant("mfmb_no_f1", "MFMB-Net w/o F-1", "mfmb", use_macro=False),
        _variant("mfmb_no_f2", "MFMB-Net w/o F-2", "mfmb", use_micro=False),
        _variant("mfmb_no_recon", "MFMB-Net w/o Recon", "mfmb", use_reconstruction=False),
        _variant("mgmr_shared", "MGMR-Net, collaboration as printed (shared)", "mgmr", collaboration="shared"),
        _variant("mgmr_simplified", "MGMR-Net, layer as printed (simplified)", "mgmr", layer="simplified"),
        _variant("mfmb_code", "MFMB-Net, published code's architecture", "mfmb", reading="code"),
        _variant("mfmb_mamba", "MFMB-Net, Mamba twin", "mfmb", encoder="mamba"),
        _variant("mgmr_mamba2", "MGMR-Net, Mamba-2 layers", "mgmr", layer="mamba2"),
        _variant("mgmr_mamba3", "MGMR-Net, Mamba-3 layers", "mgmr", layer="mamba3"),
        _variant("mfmb_mamba2", "MFMB-Net, Mamba-2 twin", "mfmb", encoder="mamba", layer="mamba2"),
        _variant("mfmb_mamba3", "MFMB-Net, Mamba-3 twin", "mfmb", encoder="mamba", layer="mamba3"),
        _variant("mgmr_plain", "MGMR-Net, its rivals' dropout", "mgmr", dropout=0.2, input_dropout=0.0),
        _variant(
            "mfmb_plain",
            "MFMB-Net, its rivals' objective, dropout, width and epochs",
            "mfmb",
            classes=1,
            epochs=12,
            dropout=0.2,
            input_dropout=0.0,
            d_model=64,
            d_lstm=32,
            d_mix=64,
            d_fine=4,
        ),
        _variant("mfmb_l1", "MFMB-Net on L1", "mfmb", classes=1, objective="mae"),
        _variant("concat_classes", "Concat on two-hot classes", "concat", **_TWO_HOT),
        _variant("late_lstm_classes", "late-fusion LSTM on two-hot classes", "late_lstm", **_TWO_HOT),
        *(
            _variant(
                f"mfmb_{part.replace('-', '_')}", f"its code with {label}", "mfmb", reading="code", as_printed=part
            )
            for part, label in {
                "full-attention": "attention without causal masks (Eq. 2)",
                "own-length": "voice and face at their own steps, behind the hub (Eqs. 4, 5)",
                "one-run": "each sequence once through the shared encoder (Eqs. 4 to 6)",
                "own-encoders": "five encoders instead of one (Eqs. 3 to 6)",
                "whole-hub": "the whole hub passed on (Eq. 7)",
                "streams-only": "a head that reads both streams alone (Eq. 16)",
                "linear-head": "a head of one linear layer (Eq. 16)",
                "two-layer-generator": "two layers at the generator's end (Eq. 15)",
            }.items()
        ),
        _variant("mgmr_shuffled", "MGMR-Net, labels shuffled (control)", "mgmr", shuffle_labels=True),
    )
}
BASELINES = ("fc_t", "fc_a", "fc_v", "concat", "early_lstm", "late_lstm", "tfn", "lmf", "mult", "tfr")
SYSTEMS = ("misa", "self_mm", "mmim", "cenet", "tetfn", "almt", "lnln", "emt", "tf_mamba")  # notebook 27's
TWO = ("mgmr", "mfmb")
REFERENCES = {
    "mean": "mean of the training labels",
    "text_ridge": "text ridge",
    # where no text was recorded:
    "frames_ridge": "voice and face ridge",
    "lengths_ridge": "ridge on lengths alone",
    "frames_lengths_ridge": "voice and face ridge, with lengths",
}
RIDGES = ("text_ridge", "frames_ridge", "lengths_ridge", "frames_lengths_ridge")
ABLATIONS = {
    "mgmr": ("mgmr_no_s1", "mgmr_no_s2", "mgmr_no_recon"),
    "mfmb": ("mfmb_no_f1", "mfmb_no_f2", "mfmb_no_recon"),
}
READINGS = ("mgmr_shared", "mgmr_simplified", "mfmb_code", "mfmb_mamba")
LAYERS = ("mgmr_mamba2", "mgmr_mamba3", "mfmb_mamba2", "mfmb_mamba3")  # beside the twin, whose layer is Mamba's
PARTS = tuple(f"mfmb_{part.replace('-', '_')}" for part in PRINTED[1:])  # each beside mfmb_code
OBJECTIVES = {"mfmb": "mfmb_l1", "concat": "concat_classes", "late_lstm": "late_lstm_classes"}  # with the other one
CARE = ("mgmr_plain", "mfmb_plain")  # what was chosen for the two alone is taken back
POM = ("pom", "laptop", {"epochs": 30})  # real voices and faces: read_named's corpus, profile and settings
# As POM: the second edition, with settings that one search chose for every network.
EQUAL: tuple[str, str, dict] = ("classroom-mosi@2", "tuned", {})
EXPERIMENTS = {  # the variants that each shows beside the two networks
    "table": BASELINES,
    "curve": BASELINES,  # the same runs
    "ablation": (*ABLATIONS["mgmr"], *ABLATIONS["mfmb"], *READINGS),
    "systems": SYSTEMS,
    "layers": LAYERS,
    "care": CARE,
    "objectives": tuple(OBJECTIVES.values()),
    "parts": ("mfmb_code", *PARTS),
    "rates": ("tfr", "emt"),
}
APART = (0.0, 0.3, 0.6, 0.9)  # rates that experiment "rates" trains a network of its own for (protocol A)


@dataclass(frozen=True)
class Job:
    """One training run of an experiment, and what it is evaluated at: protocol A's only at its own rate."""

    variant: Variant
    config: TrainConfig

    @property
    def protocol(self) -> str:
        """How the ledger files it (filed)."""
        return filed(self.config.protocol, self.config.rate)

    @property
    def name(self) -> str:
        return f"{self.variant.name}-{self.config.seed}"


def job(name: str, seed: int, profile: str, family: str, data: str, dataset: str | None = None, **settings) -> Job:
    """The run of one variant with one seed; settings replace the profile's, and the variant's own go before them."""
    v = VARIANTS[known("variant", name, VARIANTS)]
    merged = {**settings, **dict(v.settings)}
    return Job(v, make_config(v.model, profile, family, seed=seed, data=data, dataset=dataset, **merged))


def seeds_of(name: str, protocol: str = "B", count: int | None = None) -> tuple[int, ...]:
    """The training seeds of a variant: five for the two networks, three for all others; `count` asks for another
    number."""
    if protocol == "A":
        return PROTOCOL_A_SEEDS[:count]
    if count is None:
        return NETWORK_SEEDS if name in TWO else OTHER_SEEDS
    return tuple(NETWORK_SEEDS[0] + i for i in range(count))


def names_of(experiment: str) -> tuple[str, ...]:
    """The variants of an experiment that trains networks."""
    return (*TWO, *EXPERIMENTS[known("experiment with runs", experiment, EXPERIMENTS)])


def trainings_of(experiment: str, protocols: str = "AB") -> tuple[tuple[str, float], ...]:
    """(protocol, training rate) of what an experiment trains; protocols: which of "A" and "B" its tables show."""
    if experiment == "rates":
        return (("B", 0.0), *(("A", rate) for rate in APART))
    return tuple((p, 0.0) for p in sorted(protocols if experiment == "table" else "B", reverse=True))


def filed(protocol: str, rate: float) -> str:
    """ "B", or "A-0.3" for protocol A at rate 0.3: how the ledger files it."""
    return "B" if protocol == "B" else f"A-{rate:.1f}"


def planned(
    names: Iterable[str], trainings: Iterable[tuple[str, float]], count: int | None = None
) -> dict[str, dict[str, tuple[int, ...]]]:
    """{filed(): {name: training seeds}} of these variants under these trainings (trainings_of)."""
    names = list(names)
    return {filed(p, rate): {n: seeds_of(n, p, count) for n in names} for p, rate in trainings}


def reference_config(profile: str, family: str, settings: dict) -> TrainConfig:
    """What the references, which have no network, share with the runs beside them: the text encoder and the clips."""
    return make_config("concat", profile, family, **{k: v for k, v in settings.items() if k in fields_of(TrainConfig)})


def jobs_of(
    names: Iterable[str], protocol: str, profile: str, family: str, data: str, dataset: str | None = None,
    count: int | None = None, rate: float = 0.0, **settings,
) -> list[Job]:  # fmt: skip
    """All runs of these variants, seed by seed, so that an interrupted sweep holds whole comparisons.

    rate: protocol "A" means trained and tested at this one (0: the complete-data tables); "B" knows none.
    """
    names = [n for n in names if VARIANTS.get(n) is None or VARIANTS[n].model in NETWORKS]
    if protocol == "A":
        settings = {**settings, "protocol": "A", "rate": rate}
    by_name = {n: seeds_of(n, protocol, count) for n in names}
    order = sorted({s for seeds in by_name.values() for s in seeds})
    return [job(n, s, profile, family, data, dataset, **settings) for s in order for n in names if s in by_name[n]]


OPTIONS = {
    "seed": "--seeds",
    "data": "--data",
    "dataset": "--dataset",
    "protocol": "--protocol",
    "rate": "--protocol",
    "pattern": "--pattern",
}


def settings_given(words: Iterable[str], pattern: str | None, names: Iterable[str]) -> dict:
    """What `--set NAME=VALUE ...` and `--pattern` say, typed by the configurations of these variants' networks; a
    CourseError for a setting that has an option of its own."""
    words = list(words)
    for word in words:
        name = word.partition("=")[0].strip()
        if name in OPTIONS or name in ("model", "profile"):
            raise CourseError(
                f"--set does not take {name}: use {OPTIONS.get(name, '--' + name.replace('model', 'models'))}"
            )
    kinds = [entry(VARIANTS[n].model).reading(dict(VARIANTS[n].settings)) for n in names]
    own = {} if pattern in (None, "frames") else {"pattern": pattern}
    return parse_set(words, [TrainConfig, *kinds]) | own
