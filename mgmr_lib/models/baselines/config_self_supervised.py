"""Sizes of MISA, Self-MM, MMIM and TETFN, whose losses ask for more than the label. Published ones, of MOSI."""

from dataclasses import dataclass

from mgmr_lib.models.baselines.config import _Checked, _dropout, _kernel, _summary, _task
from mgmr_lib.settings import setting


def _vector(default: int, modality: str):
    return setting(default, f"width of the {modality}'s vector", low=1)


def _lstm(default: int, modality: str):
    return setting(default, f"width of the {modality}'s LSTM", low=1)


def _head(default: int, what: str):
    return setting(default, f"width of the features from which {what} predicts", low=1)


def _rate(modality: str):
    return setting(1.0, f"learning rate of the {modality}'s LSTM, in multiples of --lr", above=0)


def _limit():
    return setting(3.0, "pseudo-labels lie within -limit..limit: the largest label of the corpus", above=0)


@dataclass(frozen=True)
class MISAConfig(_Checked):
    """Those of its own repository."""

    d_model: int = setting(128, "width of the private, shared and rebuilt vectors", low=1)
    heads: int = setting(2, "attention heads over the six vectors; must divide --d-model", low=1)
    ffn: int = setting(2048, "hidden width of the feed-forward layer over the six vectors", low=1)
    difference: float = setting(0.3, "weight of the loss that sets private and shared parts apart", low=0)
    similarity: float = setting(1.0, "weight of the loss that makes shared parts alike", low=0)
    rebuild: float = setting(1.0, "weight of the loss that keeps in both parts what was in the vector", low=0)
    dropout: float = _dropout(0.5)
    attention_dropout: float = setting(0.1, "share dropped in the layer over the six vectors", low=0, below=1)
    task: str = _task("mse")


@dataclass(frozen=True)
class SelfMMConfig(_Checked):
    """Those of thuiar/MMSA."""

    head_fused: int = _head(128, "the fusion")
    head_text: int = _head(32, "text alone")
    head_audio: int = _head(16, "audio alone")
    head_vision: int = _head(32, "vision alone")
    lstm_audio: int = _lstm(16, "audio")
    lstm_vision: int = _lstm(32, "vision")
    d_audio: int = _vector(16, "audio")
    d_vision: int = _vector(32, "vision")
    rate_audio: float = _rate("audio")
    rate_vision: float = _rate("vision")
    limit: float = _limit()
    summary: str = _summary()
    dropout: float = _dropout(0.1)
    task: str = _task("mae")


@dataclass(frozen=True)
class MMIMConfig(_Checked):
    """Those of its own repository; the memory is the paper's smaller one."""

    d_model: int = setting(128, "width of the fused vector", low=1)
    lstm_audio: int = _lstm(16, "audio")
    lstm_vision: int = _lstm(16, "vision")
    d_audio: int = _vector(16, "audio")
    d_vision: int = _vector(16, "vision")
    d_estimator: int = setting(16, "hidden width of the estimators of a vector given the text's", low=1)
    contrast: float = setting(0.1, "alpha: weight of predicting each vector, among the batch's, from the fusion", low=0)
    bound: float = setting(0.1, "beta: weight of the bound on what text shares with audio and vision", low=0)
    memory: int = setting(32, "clips before the batch that the entropies are computed with", low=0)
    summary: str = _summary()
    dropout: float = _dropout(0.1)
    task: str = _task("mae")


@dataclass(frozen=True)
class TETFNConfig(_Checked):
    """Those of thuiar/MMSA."""

    d_model: int = setting(50, "width of every layer", low=1)
    heads: int = setting(5, "attention heads; must divide --d-model", low=1)
    depth: int = setting(2, "layers of each of the six directed stacks", low=1)
    depth_through: int = setting(1, "layers in which audio or vision asks the text on behalf of the other", low=1)
    depth_self: int = setting(2, "layers of the three self-attention stacks behind them", low=1)
    lstm_audio: int = _lstm(16, "audio")
    lstm_vision: int = _lstm(64, "vision")
    kernel_text: int = _kernel(1, "text")
    kernel_audio: int = _kernel(1, "audio")
    kernel_vision: int = _kernel(3, "vision")
    head_fused: int = _head(64, "the fusion")
    head_text: int = _head(32, "text alone")
    head_audio: int = _head(32, "audio alone")
    head_vision: int = _head(16, "vision alone")
    rate_audio: float = _rate("audio")
    rate_vision: float = _rate("vision")
    limit: float = _limit()
    dropout: float = _dropout(0.1)
    task: str = _task("mae")
