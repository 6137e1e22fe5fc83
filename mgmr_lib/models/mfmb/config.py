"""MFMB-Net's sizes and switches: a configuration for each reading of the paper, its equations and its published
code."""

from dataclasses import dataclass

from mgmr_lib.errors import CourseError
from mgmr_lib.models.classes import Classes
from mgmr_lib.models.generations import GENERATIONS, check_state
from mgmr_lib.settings import setting, validate

ENCODERS = ("transformer", "mamba")
GATES = ("printed", "sigmoid")
READINGS = ("paper", "code")
# What the published code's reading can have nearer to the paper, one thing at a time (published_code.py says how):
PRINTED = (
    "nothing",
    "full-attention",
    "own-length",
    "one-run",
    "own-encoders",
    "whole-hub",
    "streams-only",
    "linear-head",
    "two-layer-generator",
)


@dataclass(frozen=True)
class _Common(Classes):
    """What both readings have. use_macro, use_micro, use_reconstruction switch F-1, F-2 and Recon off (Table 5)."""

    encoder: str = setting("transformer", "what mixes steps; mamba: Bi-Mamba of the same width", choices=ENCODERS)
    use_macro: bool = setting(True, "macro-fusion (false: w/o F-1)")
    use_micro: bool = setting(True, "micro-fusion (false: w/o F-2)")
    use_reconstruction: bool = setting(True, "reconstruction of what is missing (false: w/o Recon)")
    dropout: float = setting(0.1, "share dropped of what the layers give", low=0, below=1)
    d_state: int = setting(16, "mamba encoder: state size", low=1)
    expand: int = setting(2, "mamba encoder: inner width, in multiples of the layer's width", low=1)
    d_conv: int = setting(4, "mamba encoder: kernel of the causal convolution (mamba3 has none)", low=1)
    layer: str = setting("selective", "mamba encoder: the block of Mamba, Mamba-2 or Mamba-3", choices=GENERATIONS)
    text_length: int = setting(50, "the longest text in tokens, for the linear layers over time", low=1)
    hub: int = setting(4, "hub tokens of macro-fusion (k of Eqs. 4 to 7)", low=1)

    def __post_init__(self):
        validate(self)
        if not (self.use_macro or self.use_micro):
            raise CourseError(
                "--use-macro false and --use-micro false together leave nothing to predict from: keep one stream"
            )
        if self.layer != "selective" and self.encoder != "mamba":
            raise CourseError(f"--layer {self.layer} needs --encoder mamba: a Transformer has no Mamba layers")
        check_state(self.layer, self.d_state)
        for heads, width, what in self._divisions() if self.encoder == "transformer" else ():
            check_division(heads, getattr(self, heads), width, what)

    def _divisions(self) -> list[tuple[str, int, str]]:
        """(heads, the width that they share out, its name) of each kind of attention."""
        raise NotImplementedError


@dataclass(frozen=True)
class MFMBConfig(_Common):
    """The paper's equations. It prints no sizes: these are ours."""

    reading: str = setting("paper", "the paper's equations, or the published code's architecture", choices=READINGS)
    input_dropout: float = setting(0.0, "share dropped of the encoded text's features", low=0, below=1)
    d_model: int = setting(64, "width of every layer", low=1)
    heads: int = setting(4, "attention heads; must divide --d-model", low=1)
    ffn: int = setting(128, "hidden width of the encoders' feed-forward layers", low=1)
    gate: str = setting("printed", "Eq. 9's gate, as printed or with a sigmoid", choices=GATES)
    d_lstm: int = setting(32, "width of Eq. 8's LSTM, each way", low=1)
    d_mix: int = setting(64, "width behind W1 of Eq. 13", low=1)
    d_fine: int = setting(4, "width behind W2 of Eq. 13", low=1)
    ffn_rebuild: int = setting(128, "hidden width of Eq. 15's feed-forward layers", low=1)

    def __post_init__(self):
        super().__post_init__()
        _check_reading(self, "paper")

    def _divisions(self) -> list[tuple[str, int, str]]:
        return [("heads", self.d_model, "--d-model")]


@dataclass(frozen=True)
class MFMBCodeConfig(_Common):
    """The published code's architecture (published_code.py), with its sizes."""

    reading: str = setting("code", "the paper's equations, or the published code's architecture", choices=READINGS)
    d_model: int = setting(30, "width of each attention encoder; three side by side make a modality's", low=1)
    heads: int = setting(6, "attention heads; must divide --d-model", low=1)
    depth: int = setting(3, "layers of self-attention and of the reconstruction", low=1)
    depth_cross: int = setting(3, "layers of each cross-attention", low=1)
    steps_audio: int = setting(375, "the longest audio in frames, before pooling", low=1)
    steps_vision: int = setting(500, "the longest vision in frames, before pooling", low=1)
    steps: int = setting(50, "steps that macro-fusion brings audio and vision to", low=1)
    macro_heads: int = setting(10, "heads of macro-fusion's encoder; must divide 3 times --d-model", low=1)
    macro_depth: int = setting(4, "layers of macro-fusion's encoder", low=1)
    gru_text: int = setting(36, "width of micro-fusion's GRU over text, each way", low=1)
    gru_audio: int = setting(20, "width of micro-fusion's GRU over audio, each way", low=1)
    gru_vision: int = setting(48, "width of micro-fusion's GRU over vision, each way", low=1)
    gru_depth: int = setting(3, "layers of micro-fusion's GRUs", low=1)
    common: int = setting(64, "channels that micro-fusion's pairs are brought to", low=1)
    head: int = setting(128, "hidden width before the output", low=1)
    rebuild_heads: int = setting(25, "heads of the reconstruction's encoder", low=1)
    as_printed: str = setting("nothing", "the one part that is brought nearer to the paper", choices=PRINTED)

    def __post_init__(self):
        super().__post_init__()
        _check_reading(self, "code")

    def _divisions(self) -> list[tuple[str, int, str]]:
        return [("heads", self.d_model, "--d-model"), ("macro_heads", 3 * self.d_model, "3 times --d-model")]


CONFIGS = {"paper": MFMBConfig, "code": MFMBCodeConfig}


def check_division(name: str, heads: int, width: int, what: str) -> None:
    """CourseError unless the heads divide the width that they share out."""
    if width % heads:
        option = "--" + name.replace("_", "-")
        raise CourseError(f"{option} must divide {what}, and {heads} does not divide {width}")


def _check_reading(config, reading: str) -> None:
    if config.reading != reading:
        raise CourseError(f"--reading {config.reading} has settings of its own: use {CONFIGS[config.reading].__name__}")


def from_recorded(values: dict) -> dict:
    """A recorded configuration's settings in today's names.

    Until both readings had one configuration each, a run recorded the settings of both, the code's with "code_" before
    them. What the other reading did not use is left out.
    """
    if not any(name.startswith("code_") for name in values):
        return values
    code = {name.removeprefix("code_"): value for name, value in values.items() if name.startswith("code_")}
    if values.get("reading") == "code":
        shared = _Common.__dataclass_fields__.keys() | {"reading"}
        return {name: value for name, value in values.items() if name in shared} | code
    return {name: value for name, value in values.items() if not name.startswith("code_")}
