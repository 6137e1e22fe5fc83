"""How compiled code and chunked loops appear to torch: as operators of the namespace `mgmr`.

torch.compile and torch.export see one node with known shapes and never look inside, whoever computes (C, Triton, or a
Python loop over chunks). Gradients are autograd Functions around the operators, because only those serve torch.func;
`each_example` gives them vmap.
"""

import inspect
from collections.abc import Callable

import torch
from torch import Tensor

from mgmr_lib.errors import CourseError

LIBRARY = torch.library.Library("mgmr", "FRAGMENT")


def operator(schema: str, fake: Callable) -> Callable:
    """Decorator: the function becomes torch.ops.mgmr.<name>. `fake` returns empty tensors of the same shapes and
    strides."""

    def register(function: Callable):
        name = schema.partition("(")[0]
        LIBRARY.define(schema, tags=(torch.Tag.pt2_compliant_tag,))
        LIBRARY.impl(name, function, "CompositeExplicitAutograd")
        torch.library.register_fake(f"mgmr::{name}", fake, lib=LIBRARY)
        return getattr(torch.ops.mgmr, name).default

    return register


def each_example(apply: Callable, info, in_dims, *args) -> tuple[tuple, tuple]:
    """vmap's rule for a Function: one call an example, and the outputs stacked (None stays None)."""
    calls = [
        apply(*(a if d is None else a.select(d, i) for a, d in zip(args, in_dims, strict=True)))
        for i in range(info.batch_size)
    ]
    outputs = tuple(None if parts[0] is None else torch.stack(parts) for parts in zip(*calls, strict=True))
    return outputs, tuple(None if out is None else 0 for out in outputs)


def keeps(*tensors: Tensor | None) -> bool:
    """Whether a forward should keep something for a backward that will come. Without it the backward has to compute it
    again: in a program that is written down for elsewhere, and within vmap, where tensors do not say what wants a
    gradient."""
    if torch.compiler.is_exporting() or torch.jit.is_tracing():
        return False
    return torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors)


def differentiable(function: type[torch.autograd.Function], operator: Callable) -> Callable:
    """How to call an operator that both have: as a Function, but by itself where torch.jit.trace writes down what it
    sees (it cannot save a Function)."""
    return operator if torch.jit.is_tracing() else function.apply


def signature_kept(forward: Callable) -> Callable:
    """Decorator of a Function's forward: torch reads its signature at every call, which takes a tenth of a short
    sequence's scan, and finds it here."""
    vars(forward)["__signature__"] = inspect.signature(forward)
    return forward


class FirstDerivative(torch.autograd.Function):
    """What a backward computes, in a Function of its own that refuses to be differentiated again."""

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, *gradients):
        raise CourseError(
            'this scan has no second derivative: build the block, or call the scan, with backend="loop", which has'
        )


def channels_adjacent(t: Tensor) -> bool:
    """Whether a sequence (b,e,l) has the channels of one step next to each other in memory."""
    return t.shape[1] > 1 and t.stride(1) == 1


def sequence_like(t: Tensor) -> Tensor:
    """Room for a sequence (b,e,l), dense and in t's memory order."""
    if not channels_adjacent(t):
        return t.new_empty(t.shape)
    return t.new_empty(t.shape[0], t.shape[2], t.shape[1]).transpose(1, 2)


def mixing_like(t: Tensor) -> Tensor:
    """Room for B or C: (e,n), or (b,g,n,l) with the n numbers of one step next to each other in memory."""
    if t.dim() == 2:
        return t.new_empty(t.shape)
    return t.new_empty(t.shape[0], t.shape[1], t.shape[3], t.shape[2]).transpose(2, 3)
