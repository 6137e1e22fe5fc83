"""Count what a computation costs: elements written, elements kept for a backward, processor time.

Counts are the same on every machine, so notebooks print them; times are not, so notebooks only draw them.
"""

import time
from collections import Counter
from collections.abc import Callable

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode


class Written(TorchDispatchMode):
    """`with Written() as w: ...` adds up in `w.elements` the size of every tensor that torch writes; views write
    nothing.

    It sees one entry for each of torch's operations, backward passes included; what a fused kernel writes inside stays
    hidden.
    """

    def __init__(self):
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        outs = out if isinstance(out, (tuple, list)) else (out,)
        for meant, tensor in zip(func._schema.returns, outs, strict=False):
            fresh_or_changed = meant.alias_info is None or meant.alias_info.is_write
            if fresh_or_changed and isinstance(tensor, torch.Tensor):
                self.elements += tensor.numel()
        return out


class Products(TorchFunctionMode):
    """`with Products() as p: ...` adds up in `p.count` the multiplications of matrix products: linear layers, matmul,
    attention, convolutions over time and LSTMs. What a scan does, and every other operation entry by entry or (a short
    convolution) channel by channel, is left out.

    It sees torch's functions as they are called, an LSTM as one of them: much faster than to watch what they are made
    of.
    """

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        if name in ("linear", "matmul"):
            self.count += made.numel() * args[0].shape[-1]
        elif name == "conv1d" and (kwargs or {}).get("groups", args[6] if len(args) > 6 else 1) == 1:
            self.count += made.numel() * args[1].shape[1:].numel()
        elif name == "scaled_dot_product_attention":
            self.count += (args[0].numel() + made.numel()) * args[1].shape[-2]
        elif name == "multi_head_attention_forward":  # (l,b,d) each: four maps, then two products a pair of steps
            (l, b, d), k = args[0].shape, len(args[1])
            self.count += 2 * b * d * (d * (l + k) + l * k)
        elif name == "lstm":
            weights = next(a for a in args if isinstance(a, (list, tuple)) and len(a) > 2)
            self.count += args[0].shape[:-1].numel() * sum(w.numel() for w in weights if w.ndim > 1)
        return made


def written_in_backward(output: torch.Tensor) -> int:
    """Elements written while autograd computes the gradients of output.sum()."""
    total, one = output.sum(), torch.ones((), dtype=output.dtype)
    with Written() as w:
        total.backward(one)
    return w.elements


def _kept(fn: Callable[[], object]) -> list[torch.Tensor]:
    """One tensor for each block of memory that autograd keeps between fn() and its backward."""
    kept: dict[int, torch.Tensor] = {}  # the tensors are held, so that no address is given twice

    def pack(t: torch.Tensor) -> torch.Tensor:
        kept[t.untyped_storage().data_ptr()] = t
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        fn()
    return list(kept.values())


def kept_for_backward(fn: Callable[[], torch.Tensor]) -> int:
    """Elements of memory that autograd keeps for the backward of fn(); a block that several tensors share counts
    once."""
    return sum(t.untyped_storage().nbytes() // t.element_size() for t in _kept(fn))


def bytes_for_backward(fn: Callable[[], object]) -> int:
    """Bytes of memory that autograd keeps for the backward of fn(), counted, so the same on every machine."""
    return sum(t.untyped_storage().nbytes() for t in _kept(fn))


def graph_nodes(output: torch.Tensor) -> Counter:
    """How often each kind of node stands in the autograd graph of `output`, such as {"MulBackward0": 3}."""
    found, todo, seen = Counter(), [output.grad_fn], set()
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        found[node.name().split("::")[-1]] += 1
        todo += [following for following, _ in node.next_functions]
    return found


def cpu_seconds(fn: Callable[[], object], repeats: int = 3) -> float:
    """The least processor time of `repeats` calls, after one call to warm up: other programs disturb it least."""
    fn()
    took = []
    for _ in range(repeats):
        begun = time.process_time()
        fn()
        took.append(time.process_time() - begun)
    return min(took)
