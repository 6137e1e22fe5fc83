"""The chunked SSD scan as one operator with a gradient (see scan_operator.py, which does it for the selective scan)."""

import torch
from torch import Tensor

from mgmr_lib.ssm.engines import ssd_chunked
from mgmr_lib.ssm.engines.operators import (
    LIBRARY,
    FirstDerivative,
    differentiable,
    each_example,
    keeps,
    operator,
    signature_kept,
)
from mgmr_lib.ssm.engines.ssd_layout import SSDOperands

SIGNATURE = "Tensor x, Tensor w, Tensor a, Tensor B, Tensor C, Tensor? D, Tensor state"


def chunked(operands: SSDOperands, steps: int) -> tuple[Tensor, Tensor]:
    """y (b,l,h,p) and the last state (b,h,n,p), both differentiable (once), in chunks of so many steps."""
    y, last, _ = differentiable(SSD, ssd)(*operands, steps, keeps(*operands))
    return y, last


def _fake_forward(x, w, a, B, C, D, state, steps, keep):
    count = -(-x.shape[1] // steps)
    borders = x.new_empty((count, *state.shape) if keep else 0)
    return x.new_empty(x.shape), x.new_empty(state.shape), borders


@operator(f"ssd({SIGNATURE}, int steps, bool keep) -> (Tensor, Tensor, Tensor)", _fake_forward)
def ssd(x, w, a, B, C, D, state, steps, keep):
    """y, the last state, and (with keep) the states at chunk borders."""
    with torch.autocast(x.device.type, enabled=False):
        return ssd_chunked.forward(SSDOperands(x, w, a, B, C, D, state), steps, keep)


def _fake_backward(dy, dlast, x, w, a, B, C, D, state, borders, steps):
    return [x.new_empty(0 if t is None else t.shape) for t in (x, w, a, B, C, D, state)]


@operator(
    f"ssd_backward(Tensor? dy, Tensor? dlast, {SIGNATURE}, Tensor borders, int steps) -> Tensor[]", _fake_backward
)
def ssd_backward(dy, dlast, x, w, a, B, C, D, state, borders, steps):
    """The seven gradients; an operator cannot return None, so an absent D's is an empty tensor."""
    dy = torch.zeros_like(x) if dy is None else dy
    dlast = torch.zeros_like(state) if dlast is None else dlast
    with torch.autocast(x.device.type, enabled=False):
        gradients = ssd_chunked.Gradients(SSDOperands(x, w, a, B, C, D, state), borders, steps).run(dy, dlast)
    return [x.new_empty(0) if g is None else g for g in gradients]


class SSD(torch.autograd.Function):
    @staticmethod
    @signature_kept
    def forward(x, w, a, B, C, D, state, steps, keep):
        return ssd(x, w, a, B, C, D, state, steps, keep)

    @staticmethod
    def setup_context(ctx, inputs, output):
        *tensors, steps, keep = inputs
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(output[2])
        ctx.save_for_backward(*tensors, output[2])
        ctx.settings = steps, keep

    @staticmethod
    def backward(ctx, dy, dlast, _):
        *tensors, borders = ctx.saved_tensors
        steps, keep = ctx.settings
        if not keep:  # see `keeps`
            borders = SSD.apply(*(t if t is None else t.detach() for t in tensors), steps, True)[2]
        gradients = SSDGradients.apply(dy, dlast, *tensors, borders, steps)
        return *(g if t is not None else None for g, t in zip(gradients, tensors, strict=True)), None, None

    @staticmethod
    def vmap(info, in_dims, *args):
        return each_example(SSD.apply, info, in_dims, *args)


class SSDGradients(FirstDerivative):
    @staticmethod
    @signature_kept
    def forward(dy, dlast, x, w, a, B, C, D, state, borders, steps):
        return tuple(ssd_backward(dy, dlast, x, w, a, B, C, D, state, borders, steps))

    @staticmethod
    def vmap(info, in_dims, *args):
        return each_example(SSDGradients.apply, info, in_dims, *args)


torch.library.register_autograd("mgmr::ssd", SSD.backward, setup_context=SSD.setup_context, lib=LIBRARY)
