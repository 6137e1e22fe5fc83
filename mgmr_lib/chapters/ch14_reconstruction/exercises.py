"""Exercises of 14 reconstruction."""

import torch
import torch.nn.functional as F

from mgmr_lib.course.registry import Case, Exercise, Wrong


def fill_line(values):
    """values: numbers, None where a step is lost -> numbers: a straight line between kept neighbours, level beyond
    them."""
    kept = [t for t, v in enumerate(values) if v is not None]
    if not kept:
        return [0.0] * len(values)
    filled = []
    for t in range(len(values)):
        before = max((k for k in kept if k <= t), default=kept[0])
        after = min((k for k in kept if k >= t), default=kept[-1])
        share = (t - before) / (after - before) if after != before else 0.0
        filled.append(values[before] + share * (values[after] - values[before]))
    return filled


def gated_mix(x, guess, normed, W):
    """Gamma = sigmoid(W normed), then Gamma x + (1 - Gamma) guess; W (1,d) or (d,d)."""
    gamma = torch.sigmoid(normed @ W.T)
    return gamma * x + (1 - gamma) * guess


def smooth_l1(x, y):
    """Elementwise: half the square of a difference below 1, else its size minus one half."""
    e = (x - y).abs()
    return torch.where(e < 1, 0.5 * e**2, e - 0.5)


def lost_loss(value, target, valid, keep):
    """SmoothL1 averaged over the elements of the steps that were there and got lost; 0 where none is."""
    lost = valid & ~keep
    if not lost.any():
        return value.new_zeros(())
    return F.smooth_l1_loss(value[lost], target[lost])


# --- inputs and mistakes
# ----------------------------------------------------------------------------------------------------


def _gap_cases(rng):
    def values(n, lost):
        drawn = rng.sample(range(-12, 13), n)  # no two alike: which neighbour was taken shows
        return [None if t in lost else v / 4 for t, v in enumerate(drawn)]

    steep = [None, None, float(rng.randint(4, 8)), None, None, None, float(-rng.randint(4, 8)), None]
    return [
        Case((steep,), "lost steps at both ends, and a gap of three"),
        Case(([1.0, None, None, 4.0],), "a gap of two"),
        Case((values(7, {1, 2, 3, 5}),), "two gaps"),
        Case((values(8, {0, 3, 6, 7}),), "lost at both ends and in the middle"),
        Case((values(5, set()),), "nothing lost"),
        Case(([rng.randint(4, 8) / 4, None, 0.0, None, rng.randint(4, 8) / 4],), "a kept zero"),
        Case(([None, None, None],), "nothing left"),
        Case(([None, rng.randint(4, 8) / 4, None, None],), "a single kept step"),
    ]


def _neighbours(values, t):
    kept = [k for k, v in enumerate(values) if v is not None]
    return max((k for k in kept if k <= t), default=None), min((k for k in kept if k >= t), default=None)


def _fill(values, rule):
    """rule(before, after, t) for lost steps with two neighbours; level at the ends; zeros where nothing is left."""
    out = []
    for t, v in enumerate(values):
        b, a = _neighbours(values, t)
        if v is not None:
            out.append(v)
        elif b is None or a is None:
            out.append(0.0 if b is a else values[a if b is None else b])
        else:
            out.append(rule(b, a, t))
    return out


def _hold(values):
    return _fill(values, lambda b, a, t: values[b])


def _midpoint(values):
    return _fill(values, lambda b, a, t: (values[b] + values[a]) / 2)


def _nearest(values):
    return _fill(values, lambda b, a, t: values[b if t - b <= a - t else a])


def _turned(values):
    return _fill(values, lambda b, a, t: values[a] + (t - b) / (a - b) * (values[b] - values[a]))


def _open_ends(values):
    def one(t):
        b, a = _neighbours(values, t)
        return 0.0 if b is None or a is None else fill_line(values)[t]

    return [one(t) for t in range(len(values))]


def _zeros_lost(values):
    return fill_line([v if v else None for v in values])


def _mean(values):
    return [0.0 if v is None else v for v in values]


def _tensor(rng, *shape, scale=1.0):
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(rng.randrange(10**6)))


def _gate_cases(rng):
    made = []
    for width in (1, 3):
        x, guess = _tensor(rng, 2, 4, 3), _tensor(rng, 2, 4, 3)
        about = "one gate a step" if width == 1 else "one gate a channel"
        made.append(Case((x, guess, F.layer_norm(x, (3,)), _tensor(rng, width, 3)), about))
    return made


def _loss_cases(rng):
    grid = torch.tensor([0.0, 0.5, -0.5, 1.0, -1.0, 1.5, -1.25, 2.0, -3.0])
    level = rng.choice([-1, 1]) * rng.randint(2, 6) / 4
    return [
        Case((grid, torch.zeros(9)), "differences below and above 1"),
        Case((grid - level, torch.full((9,), -level)), "the same differences elsewhere"),
        Case((grid + level, torch.full((9,), level)), "the same differences elsewhere"),
        Case((_tensor(rng, 2, 5, scale=2.0), _tensor(rng, 2, 5))),
    ]


def _lost_cases(rng):
    def one(lengths, lost, d=3):
        l = max(lengths)
        valid = torch.arange(l) < torch.tensor(lengths)[:, None]
        keep = valid.clone()
        for i, t in lost:
            keep[i, t] = False
        if lost:
            keep[:, -1] |= ~valid[:, -1]  # behind the end of a clip it means nothing
        return (_tensor(rng, len(lengths), l, d, scale=2.0), _tensor(rng, len(lengths), l, d), valid, keep)

    return [
        Case(one([6, 2], [(0, 1), (0, 4), (0, 5), (1, 1)]), "a long and a short clip"),
        Case(one([3, 5], [(1, 0)], d=2), "one lost step"),
        Case(one([4, 3], []), "nothing lost"),
    ]


def _loss_teaches(fn, rng):
    """The gradient reaches the guesses at lost steps, and nothing else."""
    value, target, valid, keep = _lost_cases(rng)[0].args
    value.requires_grad_()
    loss = fn(value, target, valid, keep)
    if not torch.is_tensor(loss) or not loss.requires_grad:
        return (
            "the number is right, but no gradient leads from it to value: a loss has to teach. Leave out detach, item "
            "and no_grad."
        )
    loss.backward()
    if value.grad is None or not value.grad[valid & ~keep].any():
        return "the number is right, but its gradient does not reach the guesses at the lost steps."
    return None


EXERCISES = [
    Exercise(
        id="14.1",
        title="fill by a straight line",
        difficulty=2,
        minutes=10,
        reference=fill_line,
        cases=_gap_cases,
        hints=(
            "For each lost step find the last kept step before it and the first one behind it; how far along the way "
            "is it?",
            "values is a list of l numbers or None, the result a list of l numbers; share = (t - before) / (after - "
            "before).",
        ),
        after="Kept steps stay as they are: at a kept step both neighbours are the step itself.",
        wrong=(
            Wrong(
                "hold last",
                _hold,
                "repeats the last",
                "This repeats the last kept value; the line also knows the first one behind the gap.",
            ),
            Wrong(
                "midpoint",
                _midpoint,
                "same value",
                "Every step of a gap gets the same value here: a step near one end should be near that end's value.",
            ),
            Wrong(
                "nearest neighbour",
                _nearest,
                "nearer neighbour",
                "Each lost step repeats its nearer neighbour: a line goes from one to the other.",
            ),
            Wrong(
                "turned round",
                _turned,
                "wrong way",
                "The line runs the wrong way: at the start of the gap it should be near the value before it.",
            ),
            Wrong(
                "ends left open",
                _open_ends,
                "only one neighbour",
                "Lost steps at the start or the end have only one neighbour: keep its value level.",
            ),
            Wrong(
                "zero taken for lost",
                _zeros_lost,
                "kept zero",
                "A kept zero is taken for a lost step here: ask `v is None`, since 0.0 counts as false, too.",
            ),
            Wrong(
                "zeros",
                _mean,
                "zero everywhere",
                "Lost steps are zero everywhere here: that is what the network gets, not the line.",
            ),
        ),
    ),
    Exercise(
        id="14.2",
        title="the gate",
        difficulty=2,
        minutes=8,
        reference=gated_mix,
        cases=_gate_cases,
        rtol=1e-5,
        atol=1e-7,
        hints=(
            "First Gamma, a number between 0 and 1 for each step (or channel); it says how much of x stays.",
            "normed @ W.T has shape (b,l,1) or (b,l,d); both broadcast against x and guess (b,l,d).",
        ),
        after="One line serves both readings, because one number a step broadcasts over the channels.",
        wrong=(
            Wrong(
                "shares exchanged",
                lambda x, guess, normed, W: gated_mix(guess, x, normed, W),
                "exchanged",
                "The shares are exchanged: Gamma is what stays of x, 1 - Gamma what comes from the guess.",
            ),
            Wrong(
                "no sigmoid",
                lambda x, guess, normed, W: (g := normed @ W.T) * x + (1 - g) * guess,
                "sigmoid is missing",
                "The sigmoid is missing: the gate may leave the range from 0 to 1.",
            ),
            Wrong(
                "norm forgotten",
                lambda x, guess, normed, W: gated_mix(x, guess, x, W),
                "normalised x",
                "The gate reads x itself: the equation has W times the normalised x, which is `normed`.",
            ),
            Wrong(
                "gate on one part",
                lambda x, guess, normed, W: x + torch.sigmoid(normed @ W.T) * guess,
                "add up to one",
                "x comes through whole here: the two shares must add up to one.",
            ),
            Wrong(
                "softmax over time",
                lambda x, guess, normed, W: (g := torch.softmax(normed @ W.T, 1)) * x + (1 - g) * guess,
                "over time",
                "This is a softmax over time, so steps compete; the gate treats each step for itself, with a sigmoid.",
            ),
            Wrong(
                "softmax over channels",
                lambda x, guess, normed, W: (g := torch.softmax(normed @ W.T, -1)) * x + (1 - g) * guess,
                "channels compete",
                "This is a softmax over the last axis, so channels compete; each gate is a sigmoid for itself.",
            ),
        ),
    ),
    Exercise(
        id="14.3",
        title="SmoothL1",
        difficulty=1,
        minutes=5,
        reference=smooth_l1,
        cases=_loss_cases,
        hints=(
            "Work with the size of the difference; below 1 a parabola, from 1 on a line.",
            "x, y and the result have one shape; torch.where(condition, a, b) chooses elementwise.",
        ),
        after="At a difference of 1 both pieces are 0.5 and have slope 1: there is no kink.",
        wrong=(
            Wrong(
                "sign kept",
                lambda x, y: torch.where((x - y) < 1, 0.5 * (x - y) ** 2, x - y - 0.5),
                "negative differences",
                "Large negative differences stay in the parabola: take the size of the difference first.",
            ),
            Wrong(
                "half forgotten",
                lambda x, y: torch.where((e := (x - y).abs()) < 1, e**2, e - 0.5),
                "factor",
                "The parabola lacks its factor of one half, so the pieces do not meet at 1.",
            ),
            Wrong(
                "line not lowered",
                lambda x, y: torch.where((e := (x - y).abs()) < 1, 0.5 * e**2, e),
                "jumps",
                "The line is not lowered by one half: the loss jumps where the pieces should meet.",
            ),
            Wrong(
                "pieces exchanged",
                lambda x, y: torch.where((e := (x - y).abs()) >= 1, 0.5 * e**2, e - 0.5),
                "exchanged",
                "The pieces are exchanged: small differences belong to the parabola.",
            ),
            Wrong(
                "plain L1",
                lambda x, y: (x - y).abs(),
                "absolute difference",
                "This is the absolute difference: below 1 the loss is a parabola.",
            ),
        ),
    ),
    Exercise(
        id="14.4",
        title="find the bug: what the loss looks at",
        difficulty=3,
        minutes=12,
        reference=lost_loss,
        cases=_lost_cases,
        test=_loss_teaches,
        rtol=1e-5,
        atol=1e-7,
        hints=(
            "A step counts if it was there and was lost. Padding was never there; a kept step is no guess.",
            "lost = valid & ~keep has shape (b,l); value[lost] has shape (number of lost steps, d).",
        ),
        after="Observed positions get no gradient now: the network may do there whatever helps the lost ones.",
        wrong=(
            Wrong(
                "everywhere",
                lambda value, target, valid, keep: F.smooth_l1_loss(value, target),
                "every position",
                "This averages over every position, kept ones and the rest of the rectangle included.",
            ),
            Wrong(
                "valid ones",
                lambda value, target, valid, keep: F.smooth_l1_loss(value[valid], target[valid]),
                "kept steps",
                "Padding is out, but the kept steps still count: copying them is rewarded.",
            ),
            Wrong(
                "padding counted",
                lambda value, target, valid, keep: (
                    F.smooth_l1_loss(value[~keep], target[~keep]) if (~keep).any() else value.new_zeros(())
                ),
                "never there",
                "Padding is not kept either, and counts here: it was never there, so it cannot be lost.",
            ),
            Wrong(
                "where the masks differ",
                lambda value, target, valid, keep: (
                    F.smooth_l1_loss(value[m], target[m]) if (m := valid != keep).any() else value.new_zeros(())
                ),
                "two masks differ",
                "The two masks differ in the padding as well, where keep is True: take valid & ~keep.",
            ),
            Wrong(
                "detached", lambda value, *rest: lost_loss(value.detach(), *rest), "no gradient leads from it to value"
            ),
            Wrong(
                "summed",
                lambda value, target, valid, keep: F.smooth_l1_loss(
                    value[valid & ~keep], target[valid & ~keep], reduction="sum"
                ),
                "This is the sum",
                "This is the sum: a long clip and a wide modality then outweigh the others. Take the mean.",
            ),
            Wrong(
                "per step",
                lambda value, target, valid, keep: (
                    F.smooth_l1_loss(value[m := valid & ~keep], target[m], reduction="sum") / m.sum().clamp(min=1)
                ),
                "number of lost steps",
                "Divided by the number of lost steps: each step has d elements, divide by all of them.",
            ),
            Wrong(
                "mean of clips",
                lambda value, target, valid, keep: torch.stack(
                    [
                        lost_loss(v[None], t[None], a[None], k[None])
                        for v, t, a, k in zip(value, target, valid, keep, strict=True)
                    ]
                ).mean(),
                "averaged first",
                "Each clip is averaged first, so a lost step of a clip that lost little counts more: put all lost "
                "elements together.",
            ),
            Wrong(
                "nothing lost",
                lambda value, target, valid, keep: F.smooth_l1_loss(value[m := valid & ~keep], target[m]),
                "nothing is lost",
                "Right, but where nothing is lost the mean of no numbers is nan, which would ruin every weight: return "
                "0 there.",
            ),
        ),
    ),
]
