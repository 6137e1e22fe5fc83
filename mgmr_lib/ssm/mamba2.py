"""The Mamba-2 block (Dao & Gu 2024, section 7), with the parameter names and the initialisation of the official
package."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mgmr_lib.ssm.blocks import DecayOwner, check_sequence, flagged, initial_dt_bias
from mgmr_lib.ssm.engines.conv import causal_conv_silu
from mgmr_lib.ssm.padding import checked_mask, zeroed
from mgmr_lib.ssm.ssd import ssd_scan, ssd_step


class GatedRMSNorm(nn.Module):
    """weight y / rms(y) with y = x silu(z), the mean square taken over each of `groups` equal parts: (..., e)."""

    def __init__(self, width: int, groups: int = 1, eps: float = 1e-5):
        super().__init__()
        self.groups, self.eps = groups, eps
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """x, z (..., e) -> (..., e) in x's dtype; float16 and bfloat16 are computed in float32."""
        dtype = torch.promote_types(x.dtype, torch.float32)
        y = (x.to(dtype) * F.silu(z.to(dtype))).unflatten(-1, (self.groups, -1))
        y = F.rms_norm(y, y.shape[-1:], eps=self.eps).flatten(-2)
        return (self.weight * y).to(x.dtype)


class Mamba2Block(DecayOwner):
    """The Mamba-2 mixer: (b,l,d) -> (b,l,d), causal.

    in_proj gives the gate z, x, B, C and delta at once -> a short causal convolution over x, B and C -> the SSD scan,
    one decay per head -> gated norm -> out_proj. The state dict is that of `mamba_ssm`'s Mamba2 and of Hugging Face's
    `Mamba2Mixer`, and loads strictly both ways.

    d_model: d. d_state: n. d_conv: taps of the convolution. expand: e = expand * d. head_dim: p, must divide e.
    n_groups: g, must divide the heads. A_init_range: -A starts uniform in it. dt_min, dt_max, dt_init_floor: as in
    MambaBlock. chunk: see `ssd_scan`.
    shares_A_of: another block, whose decays this one uses (see DecayOwner). partner: with True, `forward` takes a
    time-aligned partner sequence, whose linear image is added to B and C (before the convolution) and delta (one more
    weight, `partner_proj`).
    """

    def __init__(
        self,
        d_model: int,
        d_state: int = 128,
        d_conv: int = 4,
        expand: int = 2,
        head_dim: int = 64,
        n_groups: int = 1,
        A_init_range: tuple[float, float] = (1.0, 16.0),
        dt_min: float = 0.001,
        dt_max: float = 0.1,
        dt_init_floor: float = 1e-4,
        conv_bias: bool = True,
        bias: bool = False,
        chunk: int | None = None,
        shares_A_of: "Mamba2Block | None" = None,
        partner: bool = False,
    ):
        super().__init__()
        self.d_model, self.d_state, self.d_conv, self.expand = d_model, d_state, d_conv, expand
        self.d_inner = int(expand * d_model)
        self.head_dim, self.n_groups, self.chunk = head_dim, n_groups, chunk
        self.n_heads = heads_of(self.d_inner, head_dim, n_groups)
        self.d_select = 2 * n_groups * d_state  # B and C
        d_conv_in = self.d_inner + self.d_select
        self.in_proj = nn.Linear(d_model, self.d_inner + d_conv_in + self.n_heads, bias=bias)
        self.conv1d = nn.Conv1d(d_conv_in, d_conv_in, d_conv, groups=d_conv_in, padding=d_conv - 1, bias=conv_bias)
        dt_bias = initial_dt_bias(self.n_heads, dt_min, dt_max, dt_init_floor)
        self.dt_bias = flagged(nn.Parameter(dt_bias), "_no_weight_decay")
        self._init_A(torch.empty(self.n_heads).uniform_(*A_init_range).log(), "(h,)", shares_A_of)
        self.D = flagged(nn.Parameter(torch.ones(self.n_heads)), "_no_weight_decay")
        self.norm = GatedRMSNorm(self.d_inner, n_groups)
        self.out_proj = nn.Linear(self.d_inner, d_model, bias=bias)
        self.partner_proj = nn.Linear(d_model, self.d_select + self.n_heads, bias=False) if partner else None

    def forward(self, x: Tensor, valid: Tensor | None = None, partner: Tensor | None = None) -> Tensor:
        """x (b,l,d), valid (b,l) bool (True, then False behind a clip's end), partner (b,l,d) -> (b,l,d).

        What lies in the padding reaches neither the other positions nor a gradient; the output there is zero.
        """
        check_sequence(x, self.d_model)
        valid = checked_mask(valid, x)
        z, xBC, dt = self._project(zeroed(x, valid), None if partner is None else zeroed(partner, valid))
        xBC = causal_conv_silu(xBC.transpose(1, 2), self.conv1d.weight[:, 0], self.conv1d.bias).transpose(1, 2)
        x, B, C = self._heads(xBC)
        y = ssd_scan(x, dt, self._A(), B, C, self.D, None, self.dt_bias, True, chunk=self.chunk)
        return zeroed(self.out_proj(self.norm(y.flatten(2), z)), valid)

    def _project(self, x: Tensor, partner: Tensor | None) -> tuple[Tensor, ...]:
        """z (..., e), what the convolution takes (..., e + 2 g n), and delta before bias and softplus (..., h)."""
        if (partner is None) != (self.partner_proj is None):
            raise ValueError("give `partner` exactly when the block was built with partner=True")
        parts = self.in_proj(x)
        if partner is not None and self.partner_proj is not None:
            selected = self.partner_proj(partner)
            parts = torch.cat([parts[..., : 2 * self.d_inner], parts[..., 2 * self.d_inner :] + selected], dim=-1)
        return parts.split([self.d_inner, self.d_inner + self.d_select, self.n_heads], dim=-1)

    def _heads(self, xBC: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x (...,h,p), B and C (...,g,n), from what the convolution gave."""
        half = self.d_select // 2
        x, B, C = xBC.split([self.d_inner, half, half], dim=-1)
        return x.unflatten(-1, (self.n_heads, -1)), *(t.unflatten(-1, (self.n_groups, -1)) for t in (B, C))

    def allocate_state(self, batch: int) -> tuple[Tensor, Tensor]:
        """The empty state of streaming: the convolution's last inputs (b, e + 2 g n, d_conv) and h (b,h,p,n), zero."""
        like = self.in_proj.weight
        dtype = torch.promote_types(like.dtype, torch.float32)
        return (
            like.new_zeros(batch, self.d_inner + self.d_select, self.d_conv),
            like.new_zeros(batch, self.n_heads, self.head_dim, self.d_state, dtype=dtype),
        )

    def step(self, x: Tensor, state: tuple[Tensor, Tensor], partner: Tensor | None = None):
        """One time step: x (b,d) and a state -> y (b,d) and the next state. Equals `forward` on the whole sequence."""
        window, h = state
        z, xBC, dt = self._project(x, partner)
        window = torch.cat([window[:, :, 1:], xBC.to(window.dtype).unsqueeze(-1)], dim=-1)
        xBC = (window * self.conv1d.weight[:, 0]).sum(-1)
        x, B, C = self._heads(F.silu(xBC if self.conv1d.bias is None else xBC + self.conv1d.bias))
        y, h = ssd_step(h, x, dt, self._A(), B, C, self.D, None, self.dt_bias, True)
        return self.out_proj(self.norm(y.flatten(1), z)), (window, h)


def heads_of(width: int, head_dim: int, groups: int) -> int:
    """How many heads of that size make up the width; ValueError where they or their groups do not divide it."""
    if head_dim < 1 or width % head_dim:
        raise ValueError(f"head_dim must divide the inner width expand * d_model = {width}, but is {head_dim}")
    if groups < 1 or (width // head_dim) % groups:
        raise ValueError(f"n_groups must divide the {width // head_dim} heads, but is {groups}")
    return width // head_dim
