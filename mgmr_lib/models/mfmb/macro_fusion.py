"""MFMB-Net's macro-fusion (Eqs. 3 to 7): a few hub tokens travel through the modalities and collect what is said."""

import torch
from torch import Tensor, nn

from mgmr_lib.models.encoder_layer import EncoderLayer, Mixing

WATERFALL = ("vision", "audio", "text")


class MacroFusion(nn.Module):
    """{modality: H_m (b,l_m,d)} -> H_f (b, hub * d), the hub's tokens side by side.

    Eq. 3: an encoder layer for each modality, with its own weights. Eqs. 4 to 6: the hub H_ker (hub tokens, learned;
    the paper does not say how it starts: N(0, 0.02)) is put beside vision, then audio, then text, and a layer with that
    modality's weights theta_m mixes both. Of what comes out, only the hub goes on, so only the hub is computed. Eq. 7:
    H_f is the hub at the end; the head takes it flattened.

    The hub stands in front of the sequence instead of behind it: attention does not care (the hub has no positions),
    and padding stays at the back.
    """

    def __init__(self, d: int, ffn: int, hub: int, mixing: Mixing, dropout: float = 0.0):
        super().__init__()
        self.encode = nn.ModuleDict({m: EncoderLayer(d, ffn, mixing, dropout) for m in WATERFALL})
        self.fuse = nn.ModuleDict({m: EncoderLayer(d, ffn, mixing, dropout) for m in WATERFALL})
        self.hub = nn.Parameter(0.02 * torch.randn(hub, d))
        self.width = hub * d

    def hubs(self, h: dict[str, Tensor], valid: dict[str, Tensor]) -> dict[str, Tensor]:
        """The hub (b,hub,d) after each modality, in the order of the waterfall."""
        hub, found = self.hub.expand(h["text"].shape[0], -1, -1), {}
        for m in WATERFALL:
            hub = found[m] = self._pour(m, hub, self.encode[m](h[m], valid[m]), valid[m])
        return found

    def _pour(self, m: str, hub: Tensor, x: Tensor, valid: Tensor) -> Tensor:
        k = hub.shape[1]
        mask = torch.cat([valid.new_ones(valid.shape[0], k), valid], dim=1)
        return self.fuse[m](torch.cat([hub, x], dim=1), mask, first=k)

    def forward(self, h: dict[str, Tensor], valid: dict[str, Tensor]) -> Tensor:
        """h {modality: (b, l_m, d)}, valid {modality: (b, l_m)} -> H_f (b, hub * d), Eq. 7."""
        return self.hubs(h, valid)[WATERFALL[-1]].flatten(1)
