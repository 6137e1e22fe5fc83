"""The short convolution of a Mamba block: causal, one filter a channel, with silu behind it."""

import ctypes

import torch
import torch.nn.functional as F
from torch import Tensor

from mgmr_lib.ssm.engines.backends import status
from mgmr_lib.ssm.engines.native import library, preferred
from mgmr_lib.ssm.engines.native_call import Seq, Task, run, threads_for

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
    compiled = backend == "native" or (backend == "auto" and preferred())
    if compiled and plain and weight.shape[1] <= MAX_TAPS and status("native") == "ok":
        return _Convolution.apply(x, weight, bias)
    taps = weight.shape[1]
    return F.silu(F.conv1d(x, weight.unsqueeze(1), bias, padding=taps - 1, groups=len(weight))[..., : x.shape[2]])


class _Task(Task):
    """`convolution` of native_conv.c, field by field."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("e", "l", "k")),
        *((name, Seq) for name in ("x", "out", "dout", "dx")),
        *((name, ctypes.c_void_p) for name in ("weight", "bias", "dweight", "dbias")),
    ]


def _empty_channels_last(x: Tensor) -> Tensor:
    """(b,e,l) with channels next to each other in memory: what a linear layer behind it wants."""
    return x.new_empty(x.shape[0], x.shape[2], x.shape[1]).transpose(1, 2)


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias):
        weight, bias = weight.contiguous(), None if bias is None else bias.contiguous()
        out = _empty_channels_last(x)
        task = _Task(x.shape[1], x.shape[2], weight.shape[1]).give(x=x, out=out, weight=weight, bias=bias)
        run(library().conv_forward, [task] * threads_for(len(x), x.numel()), len(x))
        ctx.save_for_backward(x, weight, bias)
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, dout):
        x, weight, bias = ctx.saved_tensors
        threads, dx = threads_for(len(x), x.numel()), _empty_channels_last(x)
        dweight, dbias = (None if t is None else t.new_zeros(threads, *t.shape) for t in (weight, bias))
        task = _Task(x.shape[1], x.shape[2], weight.shape[1]).give(x=x, dout=dout, dx=dx, weight=weight, bias=bias)
        tasks = [task.copy().give(dweight=dweight[i], dbias=None if bias is None else dbias[i]) for i in range(threads)]
        run(library().conv_backward, tasks, len(x))
        return dx, dweight.sum(0), None if bias is None else dbias.sum(0)
