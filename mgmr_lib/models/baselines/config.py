"""Sizes of the baselines. Where a paper gives none, they are ours."""

from dataclasses import dataclass

from mgmr_lib.errors import CourseError
from mgmr_lib.models.classes import Classes
from mgmr_lib.settings import setting, validate

READINGS = ("paper", "code")


def _dropout(default: float):
    return setting(default, "share dropped of what the layers give", low=0, below=1)


def _attention_dropout():
    return setting(0.1, "share dropped of the attention weights", low=0, below=1)


def _kernel(default: int, modality: str):
    return setting(default, f"kernel of the convolution over {modality}", low=1, odd=True)


def _summary():
    words = "what stands for a text: the mean over its tokens, or the first one"
    return setting("mean", words, choices=("mean", "cls"))


def _task(default: str):
    return setting(default, "how a prediction is compared with its label", choices=("mae", "mse"))


class _Checked:
    def __post_init__(self):
        validate(self)
        heads, width = getattr(self, "heads", 1), getattr(self, "d_model", 1)
        if width % heads:
            raise CourseError(f"--heads must divide --d-model, and {heads} does not divide {width}")


@dataclass(frozen=True)
class FeedForwardConfig(_Checked, Classes):
    """FC(T), FC(A), FC(V) and Concat; the paper gives no width."""

    d_model: int = setting(128, "width of the fully connected layer", low=1)
    dropout: float = _dropout(0.1)


@dataclass(frozen=True)
class LSTMConfig(_Checked, Classes):
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


@dataclass(frozen=True)
class CENETConfig(_Checked):
    """Published dropout; ours are the width of the shift and the layers behind it, which the paper has not."""

    injection: str = setting(
        "after", "where voice and face shift the text: after its encoder, or inside it", choices=("after", "inside")
    )
    d_model: int = setting(128, "width of the cross-modal shift and of the layers behind it", low=1)
    heads: int = setting(4, "attention heads of the layers behind the shift; must divide --d-model", low=1)
    depth: int = setting(2, "layers behind the shift, where it comes after the encoder", low=1)
    summary: str = _summary()
    dropout: float = _dropout(0.1)
    task: str = _task("mae")

    def check_run(self, run) -> None:
        """CourseError where the run (a TrainConfig) freezes the encoder that is to be shifted from within."""
        if self.injection == "inside" and run.encoder_lr == 0:
            raise CourseError("--injection inside shifts a text encoder from within: train it, with --encoder-lr 1e-5")


@dataclass(frozen=True)
class ALMTConfig(_Checked):
    """Sizes of the published MOSI setting."""

    reading: str = setting("paper", "the paper's equations, or the published code's", choices=READINGS)
    d_model: int = setting(128, "width of every token", low=1)
    heads: int = setting(8, "attention heads; must divide --d-model", low=1)
    head_width: int = setting(64, "width of each head outside the hyper-modality; 0: shares --d-model out", low=0)
    ffn: int = setting(128, "hidden width of the feed-forward layers", low=1)
    tokens: int = setting(8, "tokens that each modality is condensed to", low=1)
    depth: int = setting(1, "layers that condense", low=1)
    scales: int = setting(3, "depths of the text that ask voice and face", low=1)
    depth_fuse: int = setting(2, "layers of the fusion", low=1)
    dropout: float = _dropout(0.0)
    task: str = _task("mse")


@dataclass(frozen=True)
class LNLNConfig(_Checked):
    """Sizes of the published MOSI setting."""

    reading: str = setting(
        "paper", "code: the published code's gradient reversal, on the proxy itself", choices=READINGS
    )
    d_model: int = setting(128, "width of every token", low=1)
    heads: int = setting(8, "attention heads; must divide --d-model", low=1)
    head_width: int = setting(64, "width of each head outside the hyper-modality; 0: shares --d-model out", low=0)
    ffn: int = setting(128, "hidden width of the feed-forward layers", low=1)
    tokens: int = setting(8, "tokens that each modality is condensed to", low=1)
    depth: int = setting(2, "layers that condense, check, make the proxy and reconstruct", low=1)
    scales: int = setting(3, "depths of the text that ask voice and face", low=1)
    depth_fuse: int = setting(2, "layers of the fusion", low=1)
    completeness: float = setting(0.9, "weight of the completeness score's loss", low=0)
    adversarial: float = setting(0.8, "weight of the discriminator's loss", low=0)
    rebuild: float = setting(0.1, "weight of the reconstruction of the complete clip's tokens", low=0)
    dropout: float = _dropout(0.0)
    task: str = _task("mse")


@dataclass(frozen=True)
class EMTConfig(_Checked):
    """Sizes of the published MOSI setting."""

    d_model: int = setting(128, "width of the promoted sequences and of the three global tokens", low=1)
    heads: int = setting(4, "attention heads; must divide --d-model", low=1)
    depth: int = setting(3, "how often the one promotion unit is applied", low=1)
    expansion: int = setting(4, "hidden width of its feed-forward layer, in multiples of --d-model", low=1)
    lstm_audio: int = setting(32, "width of the audio's LSTM", low=1)
    lstm_vision: int = setting(64, "width of the vision's LSTM", low=1)
    d_audio: int = setting(16, "width of the audio's vector", low=1)
    d_vision: int = setting(32, "width of the vision's vector", low=1)
    d_head: int = setting(256, "width of the layers before the output", low=1)
    bottleneck_global: int = setting(128, "inner width of the predictor for the global tokens", low=1)
    bottleneck_text: int = setting(256, "inner width of the predictor for the text's vector", low=1)
    bottleneck_audio: int = setting(8, "inner width of the predictor for the audio's vector", low=1)
    bottleneck_vision: int = setting(16, "inner width of the predictor for the vision's vector", low=1)
    attraction: float = setting(1.0, "weight of the four cosine terms", low=0)
    summary: str = _summary()
    dropout: float = _dropout(0.3)
    task: str = _task("mae")


@dataclass(frozen=True)
class TFMambaConfig(_Checked):
    """Sizes of the published MOSI setting."""

    d_model: int = setting(128, "width of every sequence", low=1)
    text_length: int = setting(50, "the longest text in tokens: bins that frames are spread over", low=1)
    depth_align: int = setting(1, "layers of paired Mamba blocks", low=1)
    depth_query: int = setting(1, "layers of Mamba blocks behind the text's query", low=1)
    heads: int = setting(8, "attention heads of the query; must divide --d-model", low=1)
    head_width: int = setting(64, "width of each head; 0: shares --d-model out", low=0)
    d_state: int = setting(12, "state size of the Mamba blocks", low=1)
    expand: int = setting(4, "inner width of the Mamba blocks, in multiples of --d-model", low=1)
    d_conv: int = setting(4, "kernel of the causal convolution", low=1)
    dropout: float = _dropout(0.1)
    task: str = _task("mse")
