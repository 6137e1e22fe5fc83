"""MGMR-Net's stage 1: text-centric alignment by collaborative Bi-Mamba (its section 3.3.1)."""

from typing import Any

from torch import Tensor, nn

from mgmr_lib.models.mgmr.config import COLLABORATIONS
from mgmr_lib.ssm import MambaLayer, flip_valid
from mgmr_lib.ssm.generations import shares_A


class PairStack(nn.Module):
    """N Mamba layers for two sequences side by side, in one direction.

    Both sequences have their own projections. "shared": the two layers of a pair share the decay matrix A and nothing
    else, which is all that the wiring of the printed equations allows (so no value of one ever reaches the other).
    "exchange": A shared, and each sequence's B, C and delta are computed from its partner as well.
    """

    def __init__(self, d_model: int, depth: int, collaboration: str, **layer_options):
        super().__init__()
        # The simplified layer has neither B, C and delta of its own nor a matrix A: its pairs share nothing.
        # Mamba-3 makes its decays from the input, and so from the partner.
        selective = layer_options.get("layer", "selective") != "simplified"
        self.exchange = selective and collaboration == "exchange"
        own: dict[str, Any] = {"partner": self.exchange} if selective else {}
        first = [MambaLayer(d_model, **own, **layer_options) for _ in range(depth)]
        shared: list[dict[str, Any]] = [
            {"shares_A_of": layer.mixer} if shares_A(layer.mixer) else {} for layer in first
        ]
        self.first = nn.ModuleList(first)
        self.second = nn.ModuleList([MambaLayer(d_model, **own, **a, **layer_options) for a in shared])

    def forward(self, x: Tensor, y: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """x, y: (b, l, d); valid: (b, l) -> the same shapes."""
        for first, second in zip(self.first, self.second, strict=True):
            if self.exchange:
                assert isinstance(first, MambaLayer) and isinstance(second, MambaLayer)
                x, y = first(x, valid, second.norm(y)), second(y, valid, first.norm(x))
            else:
                x, y = first(x, valid), second(y, valid)
        return x, y


class CollaborativeBiMamba(nn.Module):
    """One branch (text with audio, or text with vision): C = (H_f + Flip(H_b)) / 2.

    A forward stack on the sequences, a backward stack on the flipped ones. Only the valid part is flipped: padding
    stays at the back.
    """

    def __init__(self, d_model: int, depth: int, collaboration: str = "exchange", **layer_options):
        super().__init__()
        if collaboration not in COLLABORATIONS:
            raise ValueError(f"collaboration must be one of {COLLABORATIONS}, not {collaboration!r}")
        self.ahead = PairStack(d_model, depth, collaboration, **layer_options)
        self.back = PairStack(d_model, depth, collaboration, **layer_options)

    def forward(self, text: Tensor, other: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """text, other: (b, l, d), time-aligned; valid: (b, l) -> aligned text, aligned other, both (b, l, d)."""
        ahead = self.ahead(text, other, valid)
        back = self.back(flip_valid(text, valid), flip_valid(other, valid), valid)
        text, other = ((f + flip_valid(b, valid)) / 2 for f, b in zip(ahead, back, strict=True))
        return text, other


class Alignment(nn.Module):
    """Stage 1: the (text, audio) and the (text, vision) branch; text is the mean of what the two say of it."""

    def __init__(self, d_model: int, depth: int, collaboration: str = "exchange", **layer_options):
        super().__init__()
        self.audio = CollaborativeBiMamba(d_model, depth, collaboration, **layer_options)
        self.vision = CollaborativeBiMamba(d_model, depth, collaboration, **layer_options)

    def forward(self, x: dict[str, Tensor], valid: Tensor) -> dict[str, Tensor]:
        """x {modality: (b, l, d)}, valid (b, l) -> {modality: (b, l, d)}."""
        text_a, audio = self.audio(x["text"], x["audio"], valid)
        text_v, vision = self.vision(x["text"], x["vision"], valid)
        return {"text": (text_a + text_v) / 2, "audio": audio, "vision": vision}
