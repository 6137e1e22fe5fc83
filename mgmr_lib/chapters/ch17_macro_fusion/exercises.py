"""Exercises of 17 macro fusion."""

import copy
from dataclasses import dataclass

import torch
from torch import nn

from mgmr_lib.chapters.shared.drawing import quarters
from mgmr_lib.course.registry import Case, Exercise, Wrong


def most_explained(k, d, m):
    """The largest share of m independent numbers that a linear layer behind k tokens of width d can explain."""
    return min(1.0, k * d / m)


def pour(layer, hub, x, valid):
    """hub (b,k,d) beside x (b,l,d), valid (b,l), through the layer: the new hub (b,k,d)."""
    k = hub.shape[1]
    mask = torch.cat([valid.new_ones(len(valid), k), valid], dim=1)
    return layer(torch.cat([hub, x], dim=1), mask)[:, :k]


def waterfall(pours, hub, h):
    """The hub after vision, audio and text."""
    for m in ("vision", "audio", "text"):
        hub = pours[m](hub, h[m])
    return hub


def stood_still(model, step):
    """Sorted names of state_dict's entries that one training step leaves as they were."""
    before = {name: value.clone() for name, value in model.state_dict().items()}
    step(model)
    return sorted(name for name, value in model.state_dict().items() if torch.equal(value, before[name]))


@dataclass(frozen=True)
class MeanLayer:
    """A layer in the place of an encoder layer: adds a multiple of the masked mean over steps, so that all masked-in
    steps mix."""

    factor: float = 0.5

    def __call__(self, x, mask):
        """x (b,l,d), mask (b,l) -> (b,l,d)."""
        inside = mask[..., None].to(x.dtype)
        return x + self.factor * (x * inside).sum(1, keepdim=True) / inside.sum(1, keepdim=True).clamp(min=1)


@dataclass(frozen=True)
class Pour:
    """Hub and sequence in, hub out: readable in messages."""

    keep: float
    take: float

    def __call__(self, hub, x):
        """hub (b,k,d), x (b,l,d) -> (b,k,d)."""
        return self.keep * hub + self.take * (x.mean(1, keepdim=True) + x[:, -1:] / 4) * (1 + hub)


class Small(nn.Module):
    """A weight that trains, a bias that may, one that is frozen, and two buffers of which one moves: what stands still
    comes in another order than that of its names."""

    def __init__(self, values):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(values[:3]))
        self.bias = nn.Parameter(torch.tensor(values[3:4]))
        self.frozen = nn.Parameter(torch.tensor(values[4:]), requires_grad=False)
        self.register_buffer("hub", torch.zeros(2))
        self.register_buffer("average", torch.tensor([0.25, -0.25]))


class Step:
    """One training step that moves a single entry of the weight, beside others; in a message it is what it moves."""

    def __init__(self, entry, *others):
        self.entry, self.others = entry, others

    def __repr__(self):
        return f"a step that moves weight[{self.entry}], {' and '.join(self.others)}"

    def __call__(self, model):
        """Moves them, in place."""
        with torch.no_grad():
            model.weight[self.entry] += 0.25
            if "bias" in self.others:
                model.bias += 2**-20  # so little that torch.allclose takes it for none
            if "average" in self.others:
                model.average.copy_(model.average.flip(0))  # its sum and its size stay
            if "hub" in self.others:
                model.hub += model.weight[:2]


def _step_cases(rng):
    """The entry of the weight that moves is the first, one within and the last: no single entry tells of all."""
    steps = [Step(0, "bias", "average"), Step(1, "hub"), Step(2, "bias", "hub")]
    return [(Small([rng.randint(1, 8) / 4 for _ in range(6)]), step) for step in steps]


def _same_sum(model, step):
    before = {name: value.sum().item() for name, value in model.state_dict().items()}
    step(model)
    return sorted(name for name, value in model.state_dict().items() if value.sum().item() == before[name])


def _pour_cases(rng):
    made = []
    for lengths, k in zip(((4,), (3, 1), (2, 4, 1)), rng.choice([(2, 3, 1), (3, 1, 2)]), strict=True):
        valid = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
        made.append(
            (
                MeanLayer([0.5, 0.25, 0.75][k - 1]),
                quarters(rng, len(lengths), k, 2),
                quarters(rng, len(lengths), max(lengths), 2),
                valid,
            )
        )
    return made


def _joined(layer, hub, x, valid, of_hub=True, of_x=None):
    mask = torch.cat([torch.full((len(valid), hub.shape[1]), of_hub), valid if of_x is None else valid | of_x], dim=1)
    return layer(torch.cat([hub, x], dim=1), mask)


def _last_steps(layer, hub, x, valid):
    k = hub.shape[1]
    found = _joined(layer, hub, x, valid)
    return found[:, -k:]


def _fall_cases(rng):
    """The dictionaries have another order in each case: to follow it, forwards or backwards, is no answer."""
    made = []
    for names in (("text", "audio", "vision"), ("audio", "text", "vision"), ("vision", "text", "audio")):
        parts = rng.sample(range(1, 16), 6)
        pours = {m: Pour(parts.pop() / 8, parts.pop() / 8) for m in names}
        h = {m: quarters(rng, 2, rng.randint(2, 4), 2) for m in names}
        made.append((pours, quarters(rng, 2, 2, 2), h))
    return made


def _order(*names):
    def fall(pours, hub, h):
        for m in names:
            hub = pours[m](hub, h[m])
        return hub

    return fall


def _side_by_side(pours, hub, h):
    return sum(pours[m](hub, h[m]) for m in h) / 3


def _from_start(pours, hub, h):
    found = hub
    for m in ("vision", "audio", "text"):
        found = pours[m](hub, h[m])
    return found


def _no_clone(model, step):
    before = dict(model.state_dict())
    step(model)
    return sorted(n for n, v in model.state_dict().items() if torch.equal(v, before[n]))


def _parameters_only(model, step):
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    step(model)
    return sorted(n for n, p in model.named_parameters() if torch.equal(p, before[n]))


def _loose(model, step):
    before = copy.deepcopy(model.state_dict())
    step(model)
    return sorted(n for n, v in model.state_dict().items() if torch.allclose(v, before[n], atol=1e-2))


def _any_entry(model, step):
    before = copy.deepcopy(model.state_dict())
    step(model)
    return sorted(n for n, v in model.state_dict().items() if (v == before[n]).any())


def _moved(model, step):
    return sorted(set(model.state_dict()) - set(stood_still(model, step)))


def heard(l, k, a, front):
    """The weight of each step in each token of a hub that is read by a scan both ways, averaged."""
    weights = []
    for j in range(k):
        apart = [(k - j) + i if front else (l - i) + j for i in range(l)]
        weights.append([a**n / 2 for n in apart])
    return weights


def _lines(rng):
    """Both places, one token and several, always with steps enough to see their order."""
    factors = [n / 8 for n in rng.sample(range(3, 8), 3)]
    sizes = zip(rng.sample((3, 4, 5), 3), (1, 2, 3), factors, strict=True)
    return [Case((l, k, a, front), "in front" if front else "behind") for l, k, a in sizes for front in (True, False)]


def _apart(l, k, a, front, distance, share=0.5):
    return [[share * a ** distance(j, i, l, k) for i in range(l)] for j in range(k)]


EXERCISES = [
    Exercise(
        id="17.1",
        title="a bound for the door",
        difficulty=1,
        minutes=5,
        reference=most_explained,
        cases=lambda rng: (
            [Case((1, 8, 16), "one token"), Case((4, 8, 16), "four tokens")]
            + [(k, d, rng.choice([29, 31, 40])) for k, d in zip(rng.sample([1, 2, 3, 4], 4), (3, 5, 7, 5), strict=True)]
            + [Case((rng.randint(6, 8), rng.choice([3, 5, 7]), rng.choice([11, 13, 17])), "tokens enough")]
        ),
        hints=(
            "A linear layer behind k d numbers can only move in k d directions; each direction is worth one of the m "
            "numbers.",
            "k * d / m, but a share never exceeds 1.",
        ),
        after="Whatever stands before the hub, a linear head behind it cannot explain more.",
        wrong=(
            Wrong(
                "not cut at one",
                lambda k, d, m: k * d / m,
                "more than all",
                "A share of more than all is impossible: cut it at 1.",
            ),
            Wrong(
                "width forgotten",
                lambda k, d, m: min(1.0, k / m),
                "width",
                "Each token is d numbers wide, so k tokens hold more than k numbers: the width is missing.",
            ),
            Wrong(
                "tokens forgotten",
                lambda k, d, m: min(1.0, d / m),
                "sees all k",
                "This is the share of a single one; the head sees all k.",
            ),
            Wrong("per token", lambda k, d, m: min(1.0, d / (k * m)), "more tokens", "Here more tokens carry less."),
        ),
    ),
    Exercise(
        id="17.2",
        title="find the bug: pour",
        difficulty=2,
        minutes=8,
        reference=pour,
        cases=_pour_cases,
        hints=(
            "The hub is never padding, the sequence may be: the mask for both together has k times True, then valid.",
            "torch.cat([hub, x], dim=1) is (b,k+l,d); its mask is (b,k+l); the new hub is the first k steps of the "
            "layer's output.",
        ),
        after="The hub hears itself and every valid step, and no padding.",
        wrong=(
            Wrong(
                "padding heard",
                lambda layer, hub, x, valid: _joined(layer, hub, x, valid, of_x=torch.tensor(True))[:, : hub.shape[1]],
                "hears padding",
                "The hub hears padding: the steps of x need their own mask, valid.",
            ),
            Wrong(
                "hub hidden",
                lambda layer, hub, x, valid: _joined(layer, hub, x, valid, of_hub=False)[:, : hub.shape[1]],
                "does not hear itself",
                "The hub is masked out and does not hear itself: its k tokens cannot tell each other anything. It is "
                "never padding.",
            ),
            Wrong(
                "last steps",
                _last_steps,
                "end of the sequence",
                "The last k outputs are the end of the sequence, padding even; the hub stands in front.",
            ),
            Wrong(
                "old hub",
                lambda layer, hub, x, valid: hub.clone(),
                "did not move",
                "The hub did not move: return its part of the layer's output.",
            ),
            Wrong(
                "sequence alone",
                lambda layer, hub, x, valid: layer(x, valid).mean(1, keepdim=True).expand_as(hub),
                "never met",
                "Hub and sequence never met here: put them into one sequence.",
            ),
            Wrong(
                "zeroed, not masked",
                lambda layer, hub, x, valid: layer(
                    torch.cat([hub, x * valid[..., None]], dim=1),
                    torch.ones(len(x), hub.shape[1] + x.shape[1], dtype=torch.bool),
                )[:, : hub.shape[1]],
                "still counts them",
                "Zeros in the padding are not enough, the layer still counts them as steps: give it the mask.",
            ),
        ),
    ),
    Exercise(
        id="17.3",
        title="the waterfall",
        difficulty=1,
        minutes=5,
        reference=waterfall,
        cases=_fall_cases,
        hints=(
            "What the hub took from the face it carries to the voice, and from there to the text.",
            "A loop over ('vision', 'audio', 'text'); hub = pours[m](hub, h[m]) keeps its shape (b,k,d).",
        ),
        after="Each modality meets a hub that knows the ones before.",
        wrong=(
            Wrong(
                "audio first",
                _order("audio", "vision", "text"),
                "published code's order",
                "This is the published code's order, audio first. Equations 4 to 6 begin with vision.",
            ),
            Wrong(
                "text first",
                _order("text", "audio", "vision"),
                "begins with text",
                "This begins with text; the equations end with it.",
            ),
            Wrong(
                "side by side",
                _side_by_side,
                "side by side",
                "Each modality meets the first hub, side by side, and nobody hears of the others. It is a waterfall: "
                "one after the other.",
            ),
            Wrong(
                "always the first hub",
                _from_start,
                "starts again",
                "Every stage starts again from the first hub, so what it carried is lost on the way: only the text "
                "remains.",
            ),
        ),
    ),
    Exercise(
        id="17.4",
        title="find the bug: what stood still",
        difficulty=2,
        minutes=9,
        reference=stood_still,
        may_change_inputs=True,
        cases=_step_cases,
        hints=(
            "state_dict() hands out the tensors themselves, not copies: after the step, `before` has moved along.",
            "{name: value.clone() ...} before the step; torch.equal for each name afterwards; sorted names as a list.",
        ),
        after="With this, a hub that nobody trains is found in one step.",
        wrong=(
            Wrong(
                "no copy",
                _no_clone,
                "the very same tensors",
                "Everything seems to stand still: state_dict holds the very same tensors that train, so `before` moved "
                "along. Clone them.",
            ),
            Wrong(
                "parameters only",
                _parameters_only,
                "Buffers",
                "Buffers are missing: a hub that is not a parameter would escape this test. Look through state_dict.",
            ),
            Wrong(
                "loose", _loose, "small step", "A small step counts as none here: compare exactly, with torch.equal."
            ),
            Wrong(
                "sums compared",
                _same_sum,
                "of the same sum",
                "Two tensors of the same sum can differ: compare entry by entry, with torch.equal.",
            ),
            Wrong(
                "any entry",
                _any_entry,
                "single entry",
                "A single entry that did not move makes the whole tensor stand still here; all of them must.",
            ),
            Wrong("moved ones", _moved, "those that moved", "These are the names of those that moved."),
            Wrong(
                "frozen ones",
                lambda model, step: sorted(n for n, p in model.named_parameters() if not p.requires_grad),
                "requires no gradient",
                "This is what requires no gradient, whatever the step does: compare values before and after it.",
            ),
        ),
    ),
    Exercise(
        id="17.5",
        title="a hub under a scan",
        difficulty=2,
        minutes=9,
        reference=heard,
        cases=_lines,
        hints=(
            "Of the two directions only one reaches the hub with something to tell. How many steps is it from a step "
            "of the sequence to a token?",
            "A list of k lists of l numbers. In front: token j stands at place j, step i at place k + i; behind: step "
            "i at place i, token j at place l + j.",
        ),
        after="So under a scan the hub's place decides whether it hears best of the beginning or of the end.",
        wrong=(
            Wrong(
                "the same at both places",
                lambda l, k, a, front: heard(l, k, a, True),
                "its place does not matter",
                "Here its place does not matter, as under attention: a scan hears of near steps best.",
            ),
            Wrong(
                "the places swapped",
                lambda l, k, a, front: heard(l, k, a, not front),
                "places are swapped",
                "The two places are swapped: a hub in front is near the sequence's beginning.",
            ),
            Wrong(
                "forward alone",
                lambda l, k, a, front: _apart(l, k, a, front, lambda j, i, l, k: l - i + j, 0.0 if front else 0.5),
                "only the forward scan",
                "In front only the forward scan was followed, which passes the hub first; the backward one brings all.",
            ),
            Wrong(
                "not halved",
                lambda l, k, a, front: [[2 * w for w in row] for row in heard(l, k, a, front)],
                "averaged",
                "The two directions are averaged: each counts half, also the one that brings nothing.",
            ),
            Wrong(
                "tokens without places",
                lambda l, k, a, front: [heard(l, k, a, front)[-1 if front else 0]] * k,
                "other tokens lie between",
                "All tokens get the weights of the one next to the sequence; for the others, other tokens lie between.",
            ),
            Wrong(
                "one step too near",
                lambda l, k, a, front: [[w / a for w in row] for row in heard(l, k, a, front)],
                "neighbours are one step apart",
                "Every distance is one too short: neighbours are one step apart, so the nearest weighs a/2.",
            ),
        ),
    ),
]
