"""Who exchanges what with whom in a network, found by watching it compute: no list of ours says it.

Every tensor that is made of a batch lies at a place: at the steps of one modality, or at "joint", where several were
put together. An operation on tensors from different places is an exchange. Where it is attention, one place asks
another, and what it finds lies at the place that asked; all else puts the places together.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from mgmr_lib.data.batch import Batch
from mgmr_lib.data.corpus import MODALITIES

JOINT = "joint"
ATTENTION = ("scaled_dot_product_attention", "multi_head_attention_forward")
Places = frozenset[str]


@dataclass(frozen=True)
class Exchanges:
    """asks: {(who asks, whom)}, a place that asks itself only where it is "joint"; meets: {places put together};
    compared: {two places that a loss compares, and nothing that the prediction is made of}; sides: who predicts beside
    the whole network; rebuilt: whose lost steps are rebuilt."""

    asks: frozenset[tuple[str, str]]
    meets: frozenset[Places]
    compared: frozenset[Places]
    sides: tuple[str, ...]
    rebuilt: tuple[str, ...]


class Watch(TorchFunctionMode):
    """`with Watch(batch) as seen: net(batch)` collects `seen.asks` and `seen.meets`, those of losses among them."""

    def __init__(self, batch: Batch):
        super().__init__()
        self.asks: set[tuple[str, str]] = set()
        self.meets: set[tuple[Places, bool]] = set()  # whether a loss could compare them there
        self._known: dict[int, tuple[Tensor, str]] = {}  # tensors are held, so that no id is given twice
        for m in MODALITIES:
            self._put([batch[m].x, batch[m].target], m)

    def _put(self, made, place: str) -> None:
        self._known |= {id(t): (t, place) for t in tree_leaves(made) if isinstance(t, Tensor)}

    def _places(self, args) -> list[str]:
        return [self._known[id(t)][1] for t in tree_leaves(args) if id(t) in self._known]

    def __torch_function__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        found = self._places((args[:1] if name == "expand_as" else args, kwargs))
        if not found or name.startswith("new_") or name.endswith("_like"):  # made like another one, not of it
            return made
        place = found[0]
        if name in ATTENTION or (name == "matmul" and args[1].ndim > 2 and len(found) == 2):
            asked = self._places(args[1])[0]
            if asked != place or asked == JOINT:
                self.asks.add((place, asked))
        elif len(set(found)) > 1:
            place = JOINT
            if any(t.ndim for t in tree_leaves(args) if id(t) in self._known):  # else losses are added up
                rows = name == "cat" and (args[1:] or (kwargs or {}).get("dim", 0)) in (0, (0,), ())
                self.meets.add((frozenset(found), rows or name not in ("cat", "stack")))
        self._put(args[0] if name == "__setitem__" else made, place)
        return made


def exchanges(net: nn.Module, batch: Batch) -> Exchanges:
    """What one batch's forward passes show, in evaluation and in training."""
    with torch.no_grad(), Watch(batch) as forward:
        net.eval()(batch)
    with Watch(batch) as training:
        output = net.train()(batch)
    compared = {places for places, comparable in training.meets - forward.meets if comparable and len(places) == 2}
    return Exchanges(
        frozenset(forward.asks),
        frozenset(places for places, _ in forward.meets),
        frozenset(compared),
        tuple(output.sides),
        tuple(output.reconstruction),
    )
