"""Exercises of 19 the whole MFMB-Net: lucky loaders, the composition, the joint loss, stale gradients, a clip's
company."""

import copy
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from mgmr_lib.chapters.ch19_mfmb_net.build_it import BUILD_IT
from mgmr_lib.chapters.shared.drawing import quarters
from mgmr_lib.course.registry import Case, Exercise, Wrong


def luckiest(right, n, dropped):
    """The highest accuracy on n - dropped clips, if the dropped ones are wrong as far as there are any."""
    return 1 - max(n - right - dropped, 0) / (n - dropped)


def compose(align, macro, micro, rebuild, head, x):
    """x {m: (b,l,d_m)} -> the prediction (b), and {m: rebuilt}."""
    h = align(x)
    found = torch.cat([macro(h), micro(h)], dim=-1)
    return head(found), {m: f(h[m]) for m, f in rebuild.items()}


def joint(prediction, labels, parts, alpha):
    """prediction, labels (b), parts {m: (value, target (b,l,d_m), lost (b,l))}, alpha {m: number} -> a scalar
    tensor."""
    total = (prediction - labels).abs().mean()
    for m, (value, target, lost) in parts.items():
        if lost.any():
            total = total + alpha[m] * F.smooth_l1_loss(value[lost], target[lost])
    return total


def times_used(n, every):
    """How often each of n batches' gradients enters a step, gradients cleared after every `every`-th batch."""
    return [min((i // every + 1) * every, n) - i for i in range(n)]


def company_matters(net, x):
    """The largest difference between a row of net(x) and the same row alone."""
    together = net(x)
    return max((together[i : i + 1] - net(x[i : i + 1])).abs().max().item() for i in range(len(x)))


@dataclass(frozen=True)
class Scaled:
    """Multiplies every sequence, or one, by a number: readable in messages."""

    by: float

    def __call__(self, x):
        """{m: (b,l,d)} or a tensor -> the same shape."""
        return {m: self.by * v for m, v in x.items()} if isinstance(x, dict) else self.by * x


@dataclass(frozen=True)
class Summary:
    """Sums every modality over time, later steps counting more, weighted by a number of its own; {m: (b,l,d)} -> (b,
    width)."""

    weight: float
    width: int

    def __call__(self, h):
        """(b, width)."""
        time = [torch.arange(1.0, v.shape[1] + 1, dtype=v.dtype)[:, None] for v in h.values()]
        total = sum(
            (i + self.weight) * (t * v).sum((1, 2)) for i, (v, t) in enumerate(zip(h.values(), time, strict=True))
        )
        return torch.stack([(k + 1) * total for k in range(self.width)], dim=1)


@dataclass(frozen=True)
class Weighted:
    """A linear head that weighs its entries 1, 2, 3, ... times a number: (b, width) -> (b,)."""

    by: float

    def __call__(self, found):
        """(b,)."""
        return self.by * found @ torch.arange(1.0, found.shape[1] + 1, dtype=found.dtype)


@dataclass(frozen=True)
class Pulled:
    """Pulls every clip towards the batch's mean, or down where it is not alone: a machine that looks at its
    company."""

    share: float
    push: float = 0.0
    times: float = 1.0

    def __call__(self, x):
        """(b,d) -> (b,d)."""
        return self.times * ((1 - self.share) * x + self.share * x.mean(0) + self.push * (len(x) > 1))


def _lucky_cases(rng):
    made = [(rng.randint(60, 70), 100, rng.randint(4, 12)), (rng.randint(400, 500), 686, 14)]
    return [*made, Case((95, 100, 8), "fewer wrong ones than are dropped")]


def _parts_cases(rng):
    """The rebuilds come in another order than the sequences: what belongs together has one name, not one place."""
    made = []
    orders = [("vision", "audio", "text"), ("audio", "vision", "text"), ("vision", "text", "audio")]
    scales = zip(((2, 2), (2, 3), (3, 2)), rng.sample([2.0, 0.5, 3.0], 3), rng.sample([3.0, 5.0, 7.0], 3), strict=True)
    for widths, aligned, micro in scales:
        x = {m: quarters(rng, 2, n, 2) for m, n in (("text", 2), ("audio", 3), ("vision", 4))}
        rebuild = {m: Scaled(k + micro) for k, m in enumerate(orders.pop())}
        made.append(
            (Scaled(aligned), Summary(1.0, widths[0]), Summary(micro, widths[1]), rebuild, Weighted(aligned), x)
        )
    return made


def _compose(align, macro, micro, rebuild, head, x, join="cat", first="macro", raw=False, chained=False):
    h = align(x)
    f = macro(h), micro(h)
    if chained:
        f = f[0], micro({m: v + f[0].mean() for m, v in h.items()})
    if join == "sum":
        k = min(f[0].shape[1], f[1].shape[1])
        found = f[0][:, :k] + f[1][:, :k]
    else:
        found = torch.cat(f if first == "macro" else f[::-1], dim=-1)
    return head(found), {m: g((x if raw else h)[m]) for m, g in rebuild.items()}


def _rebuilt(rng, b, d, anything=True):
    """(value, target, lost) of one modality; a lost frame of zeros is lost all the same, and an exact guess counts."""
    value, target, lost = quarters(rng, b, 4, d), quarters(rng, b, 4, d), torch.zeros(b, 4, dtype=torch.bool)
    if anything:
        lost[0, : rng.randint(1, 2)] = True
        lost[-1, 2] = True
        target[-1, 2] = 0.0
        target[0, 0, 0] = value[0, 0, 0]
    return value, target, lost


def _loss_cases(rng):
    """Weights in another order than the parts, and a case in which the first of several parts has lost nothing."""
    made, widths = [], {"text": 3, "audio": 2, "vision": 4}
    orders = (("text", "audio"), ("vision", "audio", "text"), ("audio", "text"))
    for alpha, names in zip(rng.sample([0.5, 2.0, 3.0], 3), orders, strict=True):
        b = rng.randint(2, 3)
        parts = {m: _rebuilt(rng, b, widths[m], anything=m != "vision") for m in names}
        weights = {"vision": 1.25, "audio": 5.5 - alpha / 2, "text": alpha}
        made.append((quarters(rng, b), quarters(rng, b), parts, {m: weights[m] for m in names[::-1]}))
    made[1] = Case(made[1], "nothing of vision is lost")
    seen = {m: _rebuilt(rng, 2, widths[m]) for m in ("audio", "vision")}
    made.append(Case((quarters(rng, 2), quarters(rng, 2), seen, {"vision": 3.5, "audio": 0.75}), "audio and vision"))
    nothing = {"audio": _rebuilt(rng, 2, 2, anything=False)}
    return [*made, Case((quarters(rng, 2), quarters(rng, 2), nothing, {"audio": 2.0}), "nothing is lost")]


def _loss_teaches(fn, rng):
    """The gradients at the prediction and at every rebuilt modality are the reference's."""
    given, found = _loss_cases(rng)[0], []
    for loss_of in (fn, joint):
        prediction, labels, parts, alpha = copy.deepcopy(given)
        learned = [prediction.requires_grad_(), *(value.requires_grad_() for value, _, _ in parts.values())]
        loss = loss_of(prediction, labels, parts, alpha)
        if not torch.is_tensor(loss) or not loss.requires_grad:
            return "the number is right, but it carries no gradient: a loss has to teach. Leave out item and detach."
        loss.backward()
        found.append([x.grad for x in learned])
    if not all(mine is not None and torch.allclose(mine, right) for mine, right in zip(*found, strict=True)):
        return "the number is right, but its gradient does not reach the prediction and every rebuilt modality."
    return None


def _joint(prediction, labels, parts, alpha, task=F.l1_loss, one=None, weigh=True):
    one = one or (lambda v, x, lost: F.smooth_l1_loss(v[lost], x[lost]) if lost.any() else 0.0)
    return task(prediction, labels) + sum((alpha[m] if weigh else 1.0) * one(*part) for m, part in parts.items())


def _without_gradient(v, x, lost):
    return F.smooth_l1_loss(v[lost].detach(), x[lost]) if lost.any() else 0.0


def _everything(v, x, lost):
    return F.smooth_l1_loss(v * lost[..., None], x * lost[..., None])


def _not_masked(v, x, lost):
    return F.smooth_l1_loss(v, x)


def _steps_only(v, x, lost):
    return F.smooth_l1_loss(v[lost], x[lost], reduction="sum") / lost.sum().clamp(min=1)


def _observed(v, x, lost):
    return F.smooth_l1_loss(v[~lost], x[~lost])


def _plain_l1(v, x, lost):
    return F.l1_loss(v[lost], x[lost]) if lost.any() else 0.0


def _used_cases(rng):
    # The two drawn ones end within a round: whoever forgets the end must not get through.
    drawn = [(every * rng.randint(1, 4) + rng.randint(1, every - 1), every) for every in (4, 3)]
    return [Case((8, 4), "two full rounds"), *drawn, Case((3, 1), "cleared every time")]


def _company_cases(rng):
    """In each of the drawn ones one number of one clip moves most: of the first clip, of the last, of one between."""
    made = [Case((Pulled(0.0), quarters(rng, 3, 2)), "a network that minds its own clip")]
    places = ((0, 0), (4, 1), (1, 1), (rng.randint(2, 3), 0))
    for place, share, times in zip(places, (0.5, 0.25, 0.5, 0.25), (1, 3, 1, 2), strict=True):
        x = quarters(rng, 5, 2)
        x[place] += 20.0
        made.append((Pulled(share, 0.0, times), x))
    longer = quarters(rng, 4, 3, 2)
    longer[2, 1, 1] += 20.0
    made.append(Case((Pulled(0.5), longer), "clips of three steps"))
    return [*made, Case((Pulled(0.0, -0.75), quarters(rng, 3, 2)), "every deviation is below 0")]


EXERCISES = [
    Exercise(
        id="19.1",
        title="the luckiest accuracy",
        difficulty=1,
        minutes=5,
        reference=luckiest,
        cases=_lucky_cases,
        hints=(
            "The luckiest draw drops wrong clips only, as long as there are any.",
            "wrong = n - right; wrong that stay = max(wrong - dropped, 0); accuracy = 1 - those / (n - dropped).",
        ),
        after="Two points at best; a table's lead is often less.",
        wrong=(
            Wrong(
                "divided by all",
                lambda right, n, dropped: 1 - max(n - right - dropped, 0) / n,
                "clips that are left",
                "Divide by the clips that are left, n - dropped.",
            ),
            Wrong(
                "unluckiest",
                lambda right, n, dropped: (right - dropped) / (n - dropped),
                "unluckiest",
                "That is the unluckiest draw: it drops right clips.",
            ),
            Wrong(
                "nothing changes",
                lambda right, n, dropped: right / n,
                "before anything is dropped",
                "This is the accuracy before anything is dropped.",
            ),
            Wrong(
                "above one",
                lambda right, n, dropped: right / (n - dropped),
                "more than 1",
                "If fewer clips are wrong than dropped, this is more than 1: right ones must go, too.",
            ),
        ),
    ),
    Exercise(
        id="19.2",
        title="put MFMB-Net together",
        difficulty=1,
        minutes=6,
        reference=compose,
        cases=_parts_cases,
        hints=(
            "Align once. Both streams and every rebuild read the aligned sequences; the head reads both streams' "
            "vectors side by side.",
            "macro(h) and micro(h) are (b,w1) and (b,w2); torch.cat([...], dim=-1) is (b,w1+w2); return (head(...), "
            "{m: ...}).",
        ),
        after="The reconstructions go into the loss and nowhere else.",
        wrong=(
            Wrong(
                "sum",
                lambda *a: _compose(*a, join="sum"),
                "side by side",
                "The streams are added here, as the printed sign has it; put them side by side.",
            ),
            Wrong(
                "micro first",
                lambda *a: _compose(*a, first="micro"),
                "macro stream comes first",
                "Both are there, in the wrong order: the macro stream comes first.",
            ),
            Wrong(
                "raw rebuilt",
                lambda *a: _compose(*a, raw=True),
                "aligned sequences, not",
                "The rebuilds read the aligned sequences, not the raw ones.",
            ),
            Wrong(
                "one after the other",
                lambda *a: _compose(*a, chained=True),
                "parallel",
                "Micro fusion reads what macro fusion found; the streams are parallel, both read h.",
            ),
            Wrong(
                "not aligned",
                lambda align, *a: _compose(Scaled(1.0), *a),
                "align is never called",
                "align is never called: every part reads the raw sequences.",
            ),
        ),
    ),
    Exercise(
        id="19.3",
        title="find the bug: the joint loss",
        difficulty=2,
        minutes=8,
        reference=joint,
        cases=_loss_cases,
        test=_loss_teaches,
        hints=(
            "Pick the lost steps out of both tensors first, then take the mean of SmoothL1 over what you picked.",
            "value[lost] is (lost steps, d_m); F.smooth_l1_loss(value[lost], target[lost]) is a scalar; skip where "
            "lost.any() is False.",
        ),
        after="Its size no longer depends on how much was lost.",
        wrong=(
            Wrong(
                "the colleague's",
                lambda *a: _joint(*a, one=_everything),
                "mean over everything",
                "This is the colleague's mean over everything: the zeros of what was not lost are counted.",
            ),
            Wrong(
                "not masked",
                lambda *a: _joint(*a, one=_not_masked),
                "observed steps and padding",
                "Here observed steps and padding are rebuilt, too: only lost steps count.",
            ),
            Wrong(
                "divided by steps",
                lambda *a: _joint(*a, one=_steps_only),
                "not by the elements",
                "The sum is divided by the lost steps, not by the elements: wide modalities would weigh more.",
            ),
            Wrong(
                "mask turned round",
                lambda *a: _joint(*a, one=_observed),
                "turned round",
                "The mask is turned round: these are the steps that were not lost.",
            ),
            Wrong("a number", lambda *a: joint(*a).item(), "carries no gradient"),
            Wrong(
                "rebuilt without a gradient",
                lambda *a: _joint(*a, one=_without_gradient),
                "does not reach the prediction",
            ),
            Wrong(
                "no alpha",
                lambda *a: _joint(*a, weigh=False),
                "weights alpha are missing",
                "The weights alpha are missing.",
            ),
            Wrong(
                "squared task",
                lambda *a: _joint(*a, task=F.mse_loss),
                "squared",
                "The task loss is squared here; Eq. 17 takes the absolute difference.",
            ),
            Wrong(
                "L1",
                lambda *a: _joint(*a, one=_plain_l1),
                "SmoothL1",
                "This is the plain distance; SmoothL1 is half the square below 1, and the distance less one half "
                "above.",
            ),
        ),
    ),
    Exercise(
        id="19.4",
        title="how often a batch counts",
        difficulty=1,
        minutes=6,
        reference=times_used,
        cases=_used_cases,
        hints=(
            "A gradient enters the step after its own batch, and every step until the next clearing.",
            "Batch i (from 0) lies in round i // every, which ends before batch (i // every + 1) * every, or at n.",
        ),
        after="The first batch of a round moves the weights four times, the last one once.",
        wrong=(
            Wrong(
                "always every",
                lambda n, every: [every] * n,
                "from its own batch on",
                "Not every batch is used that often: its gradient counts from its own batch on.",
            ),
            Wrong(
                "once",
                lambda n, every: [1] * n,
                "cleared after every batch",
                "That would be so if gradients were cleared after every batch.",
            ),
            Wrong(
                "turned round",
                lambda n, every: [i % every + 1 for i in range(n)],
                "batches in each step",
                "This counts the batches in each step; asked is the steps of each batch.",
            ),
            Wrong(
                "end forgotten",
                lambda n, every: [every - i % every for i in range(n)],
                "training ends",
                "Right for full rounds; in the last one training ends before the clearing.",
            ),
            Wrong(
                "never cleared",
                lambda n, every: [n - i for i in range(n)],
                "never cleared",
                "Here gradients are never cleared.",
            ),
        ),
    ),
    Exercise(
        id="19.5",
        title="find the bug with a test",
        difficulty=2,
        minutes=7,
        reference=company_matters,
        cases=_company_cases,
        hints=(
            "Run the batch once, then every clip as a batch of one, and compare row by row.",
            "x[i : i + 1] keeps the batch axis: (1, ...); the difference's .abs().max().item() is a number; take the "
            "largest over i.",
        ),
        after="Put it into the tests of every network that you write.",
        wrong=(
            Wrong(
                "first clip only",
                lambda net, x: (net(x)[:1] - net(x[:1])).abs().max().item(),
                "first clip",
                "This looks at the first clip only; another one may be the one that moves.",
            ),
            Wrong(
                "sign kept",
                lambda net, x: max((net(x)[i : i + 1] - net(x[i : i + 1])).max().item() for i in range(len(x))),
                "sign",
                "The sign is kept, so that a difference below 0 is lost: take abs first.",
            ),
            Wrong(
                "mean",
                lambda net, x: (
                    sum((net(x)[i : i + 1] - net(x[i : i + 1])).abs().mean().item() for i in range(len(x))) / len(x)
                ),
                "mean difference",
                "This is the mean difference: one clip among many would hardly show.",
            ),
            Wrong(
                "never alone",
                lambda net, x: (net(x) - net(x.flip(0)).flip(0)).abs().max().item(),
                "order",
                "This changes the order of the clips; a network that mixes all of them passes. Run each one alone.",
            ),
        ),
    ),
    BUILD_IT,
]
