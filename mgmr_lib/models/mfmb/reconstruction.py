"""MFMB-Net's reconstruction branch (Eqs. 14 and 15): self-attention, then a feed-forward layer as a memory."""

from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from mgmr_lib.models.encoder_layer import Mixing, feed_forward


class ReconstructionBranch(nn.Module):
    """One modality's H_m (b,l,d) -> H'_m (b,l,d_raw), its guess at the complete features.

    Eq. 14: H* = softmax((W^Q H)(W^K H)^T / sqrt(d)) (W^V H), one head, no biases, no residual. Eq. 15: H' = FFN(H*).
    Its result feeds the loss alone: the text says it "interacts collaboratively" with fusion, but no equation takes
    H' further.
    """

    def __init__(self, d: int, d_raw: int, ffn: int, mixing: Mixing):
        super().__init__()
        self.attend = SingleHead(d) if mixing.encoder == "transformer" else mixing.within(d)
        self.feed_forward = feed_forward(d, ffn, d_raw)

    def forward(self, h: Tensor, valid: Tensor) -> Tensor:
        """h (b,l,d), valid (b,l) -> (b,l,d_raw); what stands in the padding means nothing."""
        return self.feed_forward(self.attend(h, valid))


class SingleHead(nn.Module):
    """Eq. 14 as printed: (b,l,d), (b,l) -> (b,l,d)."""

    def __init__(self, d: int):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(d, d, bias=False) for _ in range(3))

    def forward(self, h: Tensor, valid: Tensor) -> Tensor:
        """h (b, l, d), valid (b, l) -> (b, l, d); padded steps are never attended to."""
        query, key, value = (w(h)[:, None] for w in (self.query, self.key, self.value))
        return scaled_dot_product_attention(query, key, value, attn_mask=valid[:, None, None, :])[:, 0]
