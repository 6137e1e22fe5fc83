"""The Mamba block (Gu & Dao 2023, Figure 3), with the parameter names and the initialisation of the official
package."""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mgmr_lib.ssm.engines.conv import causal_conv_silu
from mgmr_lib.ssm.padding import checked_mask, flip_valid, zeroed
from mgmr_lib.ssm.scan import selective_scan, selective_scan_step


class DecayOwner(nn.Module):
    """A block with a decay matrix A = -exp(A_log), which lives in it or in another block.

    The parameter lives in its owner alone and is looked up there at each use: a state dict holds it once, and whatever
    replaces it (a state dict that is assigned, `torch.func.functional_call`, `to_empty`, a change of dtype or device, a
    copy of both blocks) reaches both.
    """

    def _init_A(self, A_log: Tensor, letters: str, owner: "DecayOwner | None") -> None:
        """Own an A that starts so, or use the owner's, which must have its shape."""
        if owner is not None and owner.A_log.shape != A_log.shape:
            raise ValueError(
                f"a shared A_log must be {letters} = {tuple(A_log.shape)}, but is {tuple(owner.A_log.shape)}"
            )
        # In a tuple, which hides it from nn.Module: as a submodule the owner would be saved and counted twice.
        self._owner: tuple[DecayOwner, ...] = () if owner is None else owner._owner or (owner,)
        if owner is None:  # register_parameter refuses the name of a property
            self._parameters["A_log"] = flagged(nn.Parameter(A_log), "_no_weight_decay")

    @property
    def A_log(self) -> nn.Parameter:
        """log(-A), wherever it lives."""
        parameter = (self._owner[0] if self._owner else self)._parameters["A_log"]
        assert parameter is not None  # _init_A has registered it with the owner
        return parameter

    def _A(self) -> Tensor:
        return -torch.exp(self.A_log.float() if self.A_log.dtype != torch.float64 else self.A_log)


class MambaBlock(DecayOwner):
    """The Mamba-1 mixer: (b,l,d) -> (b,l,d), causal.

    in_proj -> a short causal depthwise convolution -> B, C and delta from its output -> selective scan -> gate ->
    out_proj. The state dict is that of `mamba_ssm.Mamba` and of Hugging Face's `MambaMixer`, and loads strictly both
    ways.

    d_model: d. d_state: n. d_conv: taps of the convolution. expand: e = expand * d. dt_rank: width of delta's
    bottleneck ("auto": d/16, rounded up). dt_min, dt_max: range of the time steps at initialisation (log-uniform);
    dt_init, dt_scale and dt_init_floor as in mamba_ssm. backend: see `selective_scan`.

    shares_A_of: another block, whose state matrix this one uses (see DecayOwner).
    partner: with True, `forward` takes a time-aligned partner sequence, whose linear image is added to what B, C and
    delta are made from (one more weight, `partner_proj`); with False the state dict is exactly the official one.
    """

    def __init__(
        self,
        d_model: int,
        d_state: int = 16,
        d_conv: int = 4,
        expand: int = 2,
        dt_rank: int | str = "auto",
        dt_min: float = 0.001,
        dt_max: float = 0.1,
        dt_init: str = "random",
        dt_scale: float = 1.0,
        dt_init_floor: float = 1e-4,
        conv_bias: bool = True,
        bias: bool = False,
        backend: str = "auto",
        shares_A_of: "MambaBlock | None" = None,
        partner: bool = False,
    ):
        super().__init__()
        self.d_model, self.d_state, self.d_conv, self.expand = d_model, d_state, d_conv, expand
        self.d_inner = int(expand * d_model)
        if isinstance(dt_rank, str):
            if dt_rank != "auto":
                raise ValueError(f'dt_rank must be a whole number or "auto", but is {dt_rank!r}')
            dt_rank = math.ceil(d_model / 16)
        self.dt_rank = dt_rank
        self.backend = backend
        self.in_proj = nn.Linear(d_model, 2 * self.d_inner, bias=bias)
        self.conv1d = nn.Conv1d(
            self.d_inner, self.d_inner, d_conv, groups=self.d_inner, padding=d_conv - 1, bias=conv_bias
        )
        self.x_proj = nn.Linear(self.d_inner, self.dt_rank + 2 * d_state, bias=False)
        self.dt_proj = nn.Linear(self.dt_rank, self.d_inner)
        self.partner_proj = nn.Linear(d_model, self.dt_rank + 2 * d_state, bias=False) if partner else None
        self._init_delta(dt_min, dt_max, dt_init, dt_scale, dt_init_floor)
        # A = -1..-n in every channel (S4D-real), or the one that another block owns
        self._init_A(torch.log(torch.arange(1.0, d_state + 1)).repeat(self.d_inner, 1), "(e,n)", shares_A_of)
        self.D = flagged(nn.Parameter(torch.ones(self.d_inner)), "_no_weight_decay")
        self.out_proj = nn.Linear(self.d_inner, d_model, bias=bias)

    def _init_delta(self, dt_min: float, dt_max: float, dt_init: str, dt_scale: float, floor: float) -> None:
        """softplus(bias) is log-uniform in dt_min..dt_max, so that channels start with many different time scales."""
        std = self.dt_rank**-0.5 * dt_scale
        if dt_init == "constant":
            nn.init.constant_(self.dt_proj.weight, std)
        elif dt_init == "random":
            nn.init.uniform_(self.dt_proj.weight, -std, std)
        else:
            raise ValueError(f'dt_init must be "random" or "constant", but is {dt_init!r}')
        with torch.no_grad():
            self.dt_proj.bias.copy_(initial_dt_bias(self.d_inner, dt_min, dt_max, floor))
        flagged(self.dt_proj.bias, "_no_reinit")

    def forward(self, x: Tensor, valid: Tensor | None = None, partner: Tensor | None = None) -> Tensor:
        """x (b,l,d), valid (b,l) bool (True, then False behind a clip's end), partner (b,l,d) -> (b,l,d).

        What lies in the padding reaches neither the other positions nor a gradient; the output there is zero.
        """
        check_sequence(x, self.d_model)
        valid = checked_mask(valid, x)
        x, z = self.in_proj(zeroed(x, valid)).chunk(2, dim=-1)
        x = self._convolve(x)
        delta, B, C = self._select(x, None if partner is None else zeroed(partner, valid))
        x, delta, B, C, z = (t.transpose(1, 2) for t in (x, delta, B, C, z))
        y = selective_scan(x, delta, self._A(), B, C, self.D, z, self.dt_proj.bias, True, backend=self.backend)
        return zeroed(self.out_proj(y.transpose(1, 2)), valid)

    def _convolve(self, x: Tensor) -> Tensor:
        """silu of the short causal convolution over time, (b,l,e) -> (b,l,e)."""
        return causal_conv_silu(x.transpose(1, 2), self.conv1d.weight[:, 0], self.conv1d.bias, self.backend).transpose(
            1, 2
        )

    def _select(self, x: Tensor, partner: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """delta before bias and softplus (..., e), B and C (..., n), from what the convolution saw (and from the
        partner)."""
        if (partner is None) != (self.partner_proj is None):
            raise ValueError("give `partner` exactly when the block was built with partner=True")
        parts = self.x_proj(x)
        if partner is not None and self.partner_proj is not None:
            parts = parts + self.partner_proj(partner)
        dt, B, C = parts.split([self.dt_rank, self.d_state, self.d_state], dim=-1)
        return F.linear(dt, self.dt_proj.weight), B, C

    def allocate_state(self, batch: int) -> tuple[Tensor, Tensor]:
        """The empty state of streaming: the convolution's last inputs (b,e,d_conv) and h (b,e,n), both zero."""
        like = self.in_proj.weight
        dtype = like.dtype if like.dtype == torch.float64 else torch.float32
        return (
            like.new_zeros(batch, self.d_inner, self.d_conv),
            like.new_zeros(batch, self.d_inner, self.d_state, dtype=dtype),
        )

    def step(self, x: Tensor, state: tuple[Tensor, Tensor], partner: Tensor | None = None):
        """One time step: x (b,d) and a state -> y (b,d) and the next state. Equals `forward` on the whole sequence."""
        window, h = state
        x, z = self.in_proj(x).chunk(2, dim=-1)
        window = torch.cat([window[:, :, 1:], x.to(window.dtype).unsqueeze(-1)], dim=-1)
        x = (window * self.conv1d.weight[:, 0]).sum(-1)
        x = F.silu(x if self.conv1d.bias is None else x + self.conv1d.bias)
        delta, B, C = self._select(x, partner)
        y, h = selective_scan_step(h, x, delta, self._A(), B, C, self.D, z, self.dt_proj.bias, True)
        return self.out_proj(y), (window, h)


class BiMamba(nn.Module):
    """Two Mamba blocks, one in each direction of time, averaged (MGMR-Net, "the bi-directional output for modality m").

    Takes the arguments of `MambaBlock`, or of what `block` makes. Only the valid part of a sequence is reversed, so
    padding stays behind the clip's end. shares_A_of: another BiMamba, whose two state matrices this one uses.
    """

    def __init__(
        self,
        d_model: int,
        *args,
        shares_A_of: "BiMamba | None" = None,
        block: Callable[..., nn.Module] = MambaBlock,
        **kwargs,
    ):
        super().__init__()
        ahead: dict[str, Any] = {}
        back: dict[str, Any] = {}
        if shares_A_of is not None:
            ahead, back = {"shares_A_of": shares_A_of.ahead}, {"shares_A_of": shares_A_of.back}
        self.ahead: nn.Module = block(d_model, *args, **kwargs, **ahead)
        self.back: nn.Module = block(d_model, *args, **kwargs, **back)

    def forward(self, x: Tensor, valid: Tensor | None = None, partner: Tensor | None = None) -> Tensor:
        """x (b,l,d), valid (b,l) bool, partner (b,l,d) where built with partner=True -> (b,l,d)."""
        flipped = flip_valid(x, valid), None if partner is None else flip_valid(partner, valid)
        back = flip_valid(self.back(flipped[0], valid, flipped[1]), valid)
        return 0.5 * (self.ahead(x, valid, partner) + back)


def check_sequence(x: Tensor, d_model: int) -> None:
    """ValueError unless x is floating-point, (b,l,d) with the layer's d."""
    if x.dim() != 3 or x.shape[2] != d_model or not x.is_floating_point():
        raise ValueError(
            f"x must be a floating-point tensor (b,l,d) with d = {d_model}, but is {x.dtype} {tuple(x.shape)}"
        )


def initial_dt_bias(size: int, dt_min: float, dt_max: float, floor: float) -> Tensor:
    """(size,) with softplus(bias) log-uniform in dt_min..dt_max."""
    dt = torch.exp(torch.rand(size) * math.log(dt_max / dt_min) + math.log(dt_min)).clamp(min=floor)
    return inverse_softplus(dt)


def flagged(parameter: nn.Parameter, flag: str) -> nn.Parameter:
    """The parameter with `flag` set to True, mamba_ssm's way to tell optimisers and initialisers what to leave."""
    setattr(parameter, flag, True)
    return parameter


def inverse_softplus(y: Tensor) -> Tensor:
    """x with softplus(x) = y, for y > 0, without overflow."""
    return y + torch.log(-torch.expm1(-y))
