"""Sizes of the baselines. Where a paper gives none, they are ours."""

from dataclasses import dataclass

from mgmr_lib.errors import CourseError
from mgmr_lib.settings import setting, validate


def _dropout(default: float):
    return setting(default, "share dropped of what the layers give", low=0, below=1)


def _attention_dropout():
    return setting(0.1, "share dropped of the attention weights", low=0, below=1)


def _kernel(default: int, modality: str):
    return setting(default, f"kernel of the convolution over {modality}", low=1, odd=True)


class _Checked:
    def __post_init__(self):
        validate(self)
        heads, width = getattr(self, "heads", 1), getattr(self, "d_model", 1)
        if width % heads:
            raise CourseError(f"--heads must divide --d-model, and {heads} does not divide {width}")


@dataclass(frozen=True)
class FeedForwardConfig(_Checked):
    """FC(T), FC(A), FC(V) and Concat; the paper gives no width."""

    d_model: int = setting(128, "width of the fully connected layer", low=1)
    dropout: float = _dropout(0.1)


@dataclass(frozen=True)
class LSTMConfig(_Checked):
    """Early- and late-fusion LSTM."""

    d_model: int = setting(128, "width of each LSTM's state", low=1)
    depth: int = setting(1, "layers of each LSTM", low=1)
    dropout: float = _dropout(0.1)


@dataclass(frozen=True)
class TFNConfig(_Checked):
    """The paper's widths. Corpora differ in their scale, so its bounded output is not the default."""

    d_text: int = setting(128, "width of the text's vector", low=1)
    d_audio: int = setting(32, "width of the audio's vector", low=1)
    d_vision: int = setting(32, "width of the vision's vector", low=1)
    d_fused: int = setting(128, "width of the layers behind the tensor", low=1)
    dropout: float = _dropout(0.1)
    limit: float = setting(0.0, "bound the output to -limit..limit by a sigmoid (0: linear output)", low=0)


@dataclass(frozen=True)
class LMFConfig(_Checked):
    """As TFN's, with factorised weights."""

    d_text: int = setting(128, "width of the text's vector", low=1)
    d_audio: int = setting(32, "width of the audio's vector", low=1)
    d_vision: int = setting(32, "width of the vision's vector", low=1)
    d_fused: int = setting(64, "width of the fused vector", low=1)
    rank: int = setting(4, "how many products of vectors make up the weight tensor", low=1)
    dropout: float = _dropout(0.1)


@dataclass(frozen=True)
class MulTConfig(_Checked):
    """Sizes of the published MOSI setting."""

    d_model: int = setting(40, "width of every layer", low=1)
    heads: int = setting(10, "attention heads; must divide --d-model", low=1)
    depth: int = setting(4, "layers of each of the six crossmodal stacks", low=1)
    depth_self: int = setting(3, "layers of the three self-attention stacks behind them", low=1)
    kernel_text: int = _kernel(1, "text")
    kernel_audio: int = _kernel(5, "audio")
    kernel_vision: int = _kernel(3, "vision")
    dropout: float = _dropout(0.1)
    attention_dropout: float = _attention_dropout()


@dataclass(frozen=True)
class TFRConfig(_Checked):
    """Sizes of the published MOSI setting."""

    d_model: int = setting(30, "width of each attention stack; three make a modality's features", low=1)
    heads: int = setting(6, "attention heads; must divide --d-model", low=1)
    depth: int = setting(3, "layers of the attention stacks", low=1)
    depth_rebuild: int = setting(1, "layers of the reconstruction's self-attention", low=1)
    kernel_text: int = _kernel(1, "text")
    kernel_audio: int = _kernel(5, "audio")
    kernel_vision: int = _kernel(3, "vision")
    d_text: int = setting(36, "width of the gate encoder of text, each way", low=1)
    d_audio: int = setting(20, "width of the gate encoder of audio, each way", low=1)
    d_vision: int = setting(48, "width of the gate encoder of vision, each way", low=1)
    depth_gru: int = setting(3, "layers of the gate encoders", low=1)
    d_head: int = setting(128, "width of the layer before the output", low=1)
    dropout: float = _dropout(0.2)
    attention_dropout: float = _attention_dropout()
