"""The MGMR paper's own "Mamba layer": a linear recurrence with one decay per channel, and a dense layer behind it.

The paper (Section 3.3.1) prints lambda = exp(D_decay), which grows without bound where D_decay > 0; we write
lambda = exp(-softplus(delta)), which lies in (0, 1) for every delta. Nothing here depends on the input: it is not
selective.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mgmr_lib.ssm.blocks import check_sequence, flagged, inverse_softplus
from mgmr_lib.ssm.generations import GENERATIONS, make_block
from mgmr_lib.ssm.padding import checked_mask, zero_padding, zeroed
from mgmr_lib.ssm.scan import selective_scan, selective_scan_step

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": F.relu, "gelu": F.gelu, "silu": F.silu}


class SimplifiedMambaLayer(nn.Module):
    """h_t = lambda h_{t-1} + gamma x_t,  x'_t = phi(W h_t + b), lambda and gamma one number per channel: (b,l,d) ->
    (b,l,d).

    It is `selective_scan` with n = 1, delta = 1, A = -softplus(delta), B = gamma and C = 1, so every backend serves it.
    d_model: d. time_scales: lambda = exp(-1/tau) starts with tau log-uniform in 1..time_scales steps (softplus(0) would
    mean 0.5 for all, which forgets in a few steps). gamma starts at sqrt(1 - lambda^2), which keeps white noise at its
    variance.
    activation: phi, "relu" (the paper's example), "gelu" or "silu".
    """

    def __init__(self, d_model: int, time_scales: float = 500.0, activation: str = "relu", backend: str = "auto"):
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}, but is {activation!r}")
        self.activation, self.backend = activation, backend
        rate = torch.exp(-torch.rand(d_model) * math.log(time_scales))
        self.decay = flagged(nn.Parameter(inverse_softplus(rate)), "_no_weight_decay")
        self.gamma = flagged(nn.Parameter(torch.sqrt(-torch.expm1(-2 * rate))), "_no_weight_decay")
        self.proj = nn.Linear(d_model, d_model)

    @property
    def lam(self) -> Tensor:
        """lambda (d), in (0, 1)."""
        return torch.exp(-F.softplus(self.decay))

    def _system(self) -> tuple[Tensor, Tensor, Tensor]:
        """A, B, C of the scan, each (d,1)."""
        return -F.softplus(self.decay)[:, None], self.gamma[:, None], torch.ones_like(self.gamma)[:, None]

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """x (b,l,d), valid (b,l) bool for right padding -> (b,l,d), zero in the padding."""
        check_sequence(x, len(self.decay))
        valid = checked_mask(valid, x)
        u = zeroed(x, valid).transpose(1, 2)
        h = selective_scan(u, u.new_ones(()).expand(u.shape), *self._system(), backend=self.backend).transpose(1, 2)
        return zeroed(ACTIVATIONS[self.activation](self.proj(h)), valid)

    def allocate_state(self, batch: int) -> Tensor:
        """The empty state of streaming: h (b,d,1)."""
        return self.gamma.new_zeros(batch, self.gamma.shape[0], 1)

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One time step: x (b,d) and h -> x' (b,d) and the next h."""
        A, B, C = (t.expand(x.shape[0], -1, 1) if i else t for i, t in enumerate(self._system()))
        h, state = selective_scan_step(state, x, torch.ones_like(x), A, B, C)
        return ACTIVATIONS[self.activation](self.proj(h)), state


class MambaLayer(nn.Module):
    """One layer of a stack: x + dropout(mixer(norm(x))), (b,l,d) -> (b,l,d).

    layer: "selective" (a MambaBlock, our default), "mamba2", "mamba3" or "simplified" (the paper's literal equations).
    norm: "layer" or "rms". Further keyword arguments go to the mixer. With "simplified", d_state, d_conv and expand
    have no meaning and are not used, and with "mamba3" d_conv.
    """

    def __init__(
        self,
        d_model: int,
        d_state: int = 16,
        expand: int = 2,
        d_conv: int = 4,
        layer: str = "selective",
        dropout: float = 0.0,
        norm: str = "layer",
        **mixer,
    ):
        super().__init__()
        norms = {"layer": nn.LayerNorm, "rms": nn.RMSNorm}
        if norm not in norms:
            raise ValueError(f'norm must be "layer" or "rms", but is {norm!r}')
        self.norm = norms[norm](d_model)
        self.mixer: nn.Module
        if layer in GENERATIONS:
            self.mixer = make_block(layer, d_model, d_state, d_conv, expand, **mixer)
        elif layer == "simplified":
            self.mixer = SimplifiedMambaLayer(d_model, **mixer)
        else:
            raise ValueError(f"layer must be one of {', '.join(GENERATIONS)} or simplified, but is {layer!r}")
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, valid: Tensor | None = None, partner: Tensor | None = None) -> Tensor:
        """x (b,l,d), valid (b,l) bool, partner (b,l,d), already normalised, where the mixer was built with
        partner=True."""
        x = zero_padding(x, valid)
        more = {} if partner is None else {"partner": partner}
        return x + self.dropout(self.mixer(self.norm(x), valid, **more))
