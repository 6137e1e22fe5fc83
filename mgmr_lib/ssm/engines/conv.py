"""The short convolution of a Mamba block: causal, one filter a channel, with silu behind it."""

import ctypes

import torch
import torch.nn.functional as F
from torch import Tensor

from mgmr_lib.ssm.engines.backends import ready
from mgmr_lib.ssm.engines.native import library, preferred
from mgmr_lib.ssm.engines.native_call import Seq, Task, run, threads_for
from mgmr_lib.ssm.engines.operators import (
    LIBRARY,
    FirstDerivative,
    differentiable,
    each_example,
    operator,
    signature_kept,
)

MAX_TAPS = 64  # STEPS in native_conv.c


def causal_conv_silu(x: Tensor, weight: Tensor, bias: Tensor | None, backend: str = "auto") -> Tensor:
    """out_t = silu(bias + sum_i weight_i x_{t-k+1+i}), zeros before the start (Gu & Dao 2023, Figure 3).

    x: (b,e,l), of any strides; weight: (e,k); bias: (e) or None. Returns (b,e,l) in x's memory order.
    "native" (and "auto" where `native.preferred()`) uses the compiled code where it is there and serves the tensors;
    all else is torch.
    """
    tensors = [t for t in (x, weight, bias) if t is not None]
    plain = all(t.device.type == "cpu" and t.dtype == torch.float32 for t in tensors) and not torch.is_autocast_enabled(
        "cpu"
    )
    compiled = backend == "native" or (backend == "auto" and preferred() and not torch.compiler.is_exporting())
    if compiled and plain and weight.shape[1] <= MAX_TAPS and ready("native", "cpu"):
        return differentiable(Convolution, conv)(x, weight, bias)
    taps = weight.shape[1]
    return F.silu(F.conv1d(x, weight.unsqueeze(1), bias, padding=taps - 1, groups=len(weight))[..., : x.shape[2]])


class _Task(Task):
    """`convolution` of native_conv.c, field by field."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("e", "l", "k")),
        *((name, Seq) for name in ("x", "out", "dout", "dx")),
        *((name, ctypes.c_void_p) for name in ("weight", "bias", "dweight", "dbias")),
    ]


def channels_last(x: Tensor) -> Tensor:
    """Room for (b,e,l) with channels next to each other in memory: what a linear layer behind it wants."""
    return x.new_empty(x.shape[0], x.shape[2], x.shape[1]).transpose(1, 2)


@operator("causal_conv_silu(Tensor x, Tensor weight, Tensor? bias) -> Tensor", lambda x, weight, bias: channels_last(x))
def conv(x, weight, bias):
    """The convolution in compiled C."""
    weight, bias = weight.contiguous(), None if bias is None else bias.contiguous()
    out = channels_last(x)
    task = _Task(x.shape[1], x.shape[2], weight.shape[1]).give(x=x, out=out, weight=weight, bias=bias)
    run(library().conv_forward, [task] * threads_for(len(x), x.numel()), len(x))
    return out


def _fake_backward(dout, x, weight, bias):
    return channels_last(x), weight.new_empty(weight.shape), weight.new_empty(len(weight) if bias is not None else 0)


@operator(
    "causal_conv_silu_backward(Tensor dout, Tensor x, Tensor weight, Tensor? bias) -> (Tensor, Tensor, Tensor)",
    _fake_backward,
)
def conv_backward(dout, x, weight, bias):
    """The gradients of x, weight and bias (empty without one)."""
    weight, bias = weight.contiguous(), None if bias is None else bias.contiguous()
    threads, dx = threads_for(len(x), x.numel()), channels_last(x)
    dweight, dbias = weight.new_zeros(threads, *weight.shape), weight.new_zeros(threads, len(weight))
    task = _Task(x.shape[1], x.shape[2], weight.shape[1]).give(x=x, dout=dout, dx=dx, weight=weight, bias=bias)
    tasks = [task.copy().give(dweight=dweight[i], dbias=None if bias is None else dbias[i]) for i in range(threads)]
    run(library().conv_backward, tasks, len(x))
    return dx, dweight.sum(0), weight.new_empty(0) if bias is None else dbias.sum(0)


class Convolution(torch.autograd.Function):
    @staticmethod
    @signature_kept
    def forward(x, weight, bias):
        return conv(x, weight, bias)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, dout):
        dx, dweight, dbias = ConvolutionGradients.apply(dout, *ctx.saved_tensors)
        return dx, dweight, dbias if ctx.saved_tensors[2] is not None else None

    @staticmethod
    def vmap(info, in_dims, *args):
        (out,), (dim,) = each_example(lambda *a: (Convolution.apply(*a),), info, in_dims, *args)
        return out, dim


class ConvolutionGradients(FirstDerivative):
    @staticmethod
    @signature_kept
    def forward(dout, x, weight, bias):
        return conv_backward(dout, x, weight, bias)

    @staticmethod
    def vmap(info, in_dims, *args):
        return each_example(ConvolutionGradients.apply, info, in_dims, *args)


torch.library.register_autograd(
    "mgmr::causal_conv_silu", Convolution.backward, setup_context=Convolution.setup_context, lib=LIBRARY
)
