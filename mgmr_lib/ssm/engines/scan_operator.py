"""The scan as one operator with a gradient, whichever engine computes it.

An engine is a module with `prepared(arguments)`, `forward(operands, keep) -> y, last, kept`, `backward(dy, dlast,
operands, kept, wants_decay) -> gradients in the order of Operands`, and `kept_shape(u, A, B, C)`: what the forward
keeps for the backward.
"""

import torch
from torch import Tensor

from mgmr_lib.ssm.engines import chunked, native_scan, triton_adapter
from mgmr_lib.ssm.engines.arguments import Operands, ScanArguments
from mgmr_lib.ssm.engines.operators import (
    LIBRARY,
    FirstDerivative,
    differentiable,
    each_example,
    keeps,
    mixing_like,
    operator,
    sequence_like,
    signature_kept,
)

ENGINES = {"chunked": chunked, "native": native_scan, "triton": triton_adapter}
SIGNATURE = "Tensor u, Tensor delta, Tensor A, Tensor B, Tensor C, Tensor? D, Tensor? z, Tensor? bias, Tensor state"


def scan_with_gradient(args: ScanArguments, engine: str) -> tuple[Tensor, Tensor]:
    """y (b,e,l) and the last state (b,e,n) by that engine, both differentiable (once)."""
    args = ENGINES[engine].prepared(args)
    tensors = (args.u, args.delta, args.A, args.B, args.C, args.D, args.z, args.delta_bias, args.state())
    y, last, _ = differentiable(Scan, scan)(*tensors, args.delta_softplus, keeps(*tensors), engine)
    return y, last


def _fake_forward(u, delta, A, B, C, D, z, bias, state, softplus, keep, engine):
    kept = A.new_empty(ENGINES[engine].kept_shape(u, A, B, C) if keep else 0)
    return sequence_like(u), state.new_empty(state.shape), kept


@operator(f"scan({SIGNATURE}, bool softplus, bool keep, str engine) -> (Tensor, Tensor, Tensor)", _fake_forward)
def scan(u, delta, A, B, C, D, z, bias, state, softplus, keep, engine):
    """y, the last state, and (with keep) what the backward needs."""
    return ENGINES[engine].forward(Operands(u, delta, A, B, C, D, z, bias, state, softplus), keep)


def _fake_backward(dy, dlast, u, delta, A, B, C, D, z, bias, state, kept, softplus, wants_decay, engine):
    like = (sequence_like(u), sequence_like(delta), A, mixing_like(B), mixing_like(C), D, z, bias, state)
    outputs = [A.new_empty(0) if t is None else t.new_empty(t.shape) for t in like]
    outputs[0], outputs[1], outputs[3], outputs[4] = like[0], like[1], like[3], like[4]
    outputs[6] = outputs[6] if z is None else sequence_like(z)
    return outputs


@operator(
    f"scan_backward(Tensor? dy, Tensor? dlast, {SIGNATURE}, Tensor kept, bool softplus, bool wants_decay, str engine)"
    " -> Tensor[]",
    _fake_backward,
)
def scan_backward(dy, dlast, u, delta, A, B, C, D, z, bias, state, kept, softplus, wants_decay, engine):
    """The nine gradients; an operator cannot return None, so an absent input's is an empty tensor."""
    dy = torch.zeros_like(u) if dy is None else dy
    dlast = torch.zeros_like(state) if dlast is None else dlast
    operands = Operands(u, delta, A, B, C, D, z, bias, state, softplus)
    gradients = ENGINES[engine].backward(dy, dlast, operands, kept, wants_decay)
    return [A.new_empty(0) if g is None else g for g in gradients]


class Scan(torch.autograd.Function):
    @staticmethod
    @signature_kept
    def forward(u, delta, A, B, C, D, z, bias, state, softplus, keep, engine):
        return scan(u, delta, A, B, C, D, z, bias, state, softplus, keep, engine)

    @staticmethod
    def setup_context(ctx, inputs, output):
        *tensors, softplus, keep, engine = inputs
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(output[2])
        ctx.save_for_backward(*tensors, output[2])
        ctx.settings = softplus, keep, engine

    @staticmethod
    def backward(ctx, dy, dlast, _):
        *tensors, kept = ctx.saved_tensors
        softplus, keep, engine = ctx.settings
        if not keep:  # see `keeps`
            kept = Scan.apply(*(t if t is None else t.detach() for t in tensors), softplus, True, engine)[2]
        wants_decay = any(ctx.needs_input_grad[i] for i in (1, 2, 7))
        gradients = ScanGradients.apply(dy, dlast, *tensors, kept, softplus, wants_decay, engine)
        return *(g if t is not None else None for g, t in zip(gradients, tensors, strict=True)), None, None, None

    @staticmethod
    def vmap(info, in_dims, *args):
        return each_example(Scan.apply, info, in_dims, *args)


class ScanGradients(FirstDerivative):
    @staticmethod
    @signature_kept
    def forward(dy, dlast, u, delta, A, B, C, D, z, bias, state, kept, softplus, wants_decay, engine):
        args = (dy, dlast, u, delta, A, B, C, D, z, bias, state, kept, softplus, wants_decay, engine)
        return tuple(scan_backward(*args))

    @staticmethod
    def vmap(info, in_dims, *args):
        return each_example(ScanGradients.apply, info, in_dims, *args)


torch.library.register_autograd("mgmr::scan", Scan.backward, setup_context=Scan.setup_context, lib=LIBRARY)
