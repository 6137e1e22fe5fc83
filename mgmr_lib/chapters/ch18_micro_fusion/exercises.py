"""Exercises of 18 micro fusion: an LSTM step, the memory gate, statistics over what is valid, the MLP over time, idle
weights."""

import copy

import torch
import torch.nn.functional as F
from torch import nn

from mgmr_lib.chapters.shared.drawing import quarters
from mgmr_lib.course.registry import Case, Exercise, Wrong


def lstm_step(x, h, c, W, U, bias):
    """x (b,d), h, c (b,k), W (4k,d), U (4k,k), bias (4k) -> (h, c), rows of W, U and bias in the order i, f, g, o."""
    i, f, g, o = (x @ W.T + h @ U.T + bias).chunk(4, dim=-1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def memory_gate(h, K, k, W1, b1, W2, b2):
    """h (l,d), K (d,d,3), k (d), W1, W2 (d,d), b1, b2 (d) -> U = h * FFN(Conv1d(h)), (l,d)."""
    near = F.conv1d(h.T[None], K, k, padding=1)[0].T
    return h * (torch.relu(near @ W1.T + b1) @ W2.T + b2)


def masked_norm(x, valid, eps=1e-5):
    """x (b,l,d), valid (b,l) -> each channel normalised over the batch's valid steps, zero elsewhere."""
    rows = x[valid]
    mean, variance = rows.mean(0), rows.var(0, unbiased=False)
    return (x - mean) / torch.sqrt(variance + eps) * valid[..., None]


def coarse_to_fine(x, W1, b1, W2, b2):
    """x (b,d,2L), W1 (k,2L), W2 (f,k) -> (b,d,f): Eq. 13 along time."""
    hidden = torch.relu(x @ W1.T + b1)
    return torch.relu(F.layer_norm(hidden, hidden.shape[-1:]) @ W2.T + b2)


def idle_weights(net, x):
    """How many weights of `net` have no gradient at all after net(x).sum().backward()."""
    net.zero_grad(set_to_none=True)
    net(x).sum().backward()
    return sum(p.numel() for p in net.parameters() if p.grad is None)


class Machine(nn.Module):
    """A layer that is used, one whose output counts for nothing, and what is built and not called: a layer within
    another module, and a parameter without a module of its own."""

    def __init__(self, d, spare, width):
        super().__init__()
        self.used, self.muted = nn.Linear(d, width), nn.Linear(d, width)
        self.spare = nn.Sequential(nn.Linear(spare, 2))
        self.start = nn.Parameter(torch.ones(spare))

    def forward(self, x):
        """(b,d) -> (b,width)."""
        return self.used(x) + 0.0 * self.muted(x)


def _lstm_cases(rng):
    sizes = ((1, 2, 1), (2, 3, 2), (2, 2, 3))
    return [
        (
            quarters(rng, b, d),
            quarters(rng, b, k),
            quarters(rng, b, k),
            quarters(rng, 4 * k, d),
            quarters(rng, 4 * k, k),
            quarters(rng, 4 * k),
        )
        for b, d, k in sizes
    ]


def _lstm(x, h, c, W, U, bias, order=(0, 1, 2, 3), inside=torch.tanh, read=torch.tanh, fresh=None):
    parts = (x @ W.T + h @ U.T + bias).chunk(4, dim=-1)
    i, f, g, o = (parts[k] for k in order)
    keep = torch.sigmoid(f) if fresh is None else fresh(torch.sigmoid(i))
    c = keep * c + torch.sigmoid(i) * inside(g)
    return torch.sigmoid(o) * read(c), c


def _gate_cases(rng):
    return [
        (
            quarters(rng, l, d),
            quarters(rng, d, d, 3),
            quarters(rng, d),
            quarters(rng, d, d),
            quarters(rng, d),
            quarters(rng, d, d),
            quarters(rng, d),
        )
        for l, d in ((3, 2), (4, 2), (5, 3))
    ]


def _mgn(h, K, k, W1, b1, W2, b2, relu=torch.relu, padding=1):
    x = F.pad(h.T[None], (2, 0)) if padding == "before" else h.T[None]
    x = F.pad(x, (1, 1), mode=padding) if padding in ("replicate", "circular") else x
    near = F.conv1d(x, K, k, padding=padding if padding == 1 else 0)[0].T
    return relu(near @ W1.T + b1) @ W2.T + b2


def _norm_cases(rng):
    made = []
    for b, l, d in ((2, 4, 1), (3, 5, 2), (2, 6, 2)):
        lengths = [l, *(rng.randint(2, l - 2) for _ in range(b - 1))]
        rng.shuffle(lengths)
        made.append((quarters(rng, b, l, d), torch.arange(l) < torch.tensor(lengths)[:, None]))
    made.append(Case((*made[-1], rng.randint(1, 9) / 8), "another eps"))
    return [*made, Case((quarters(rng, 2, 4, 1), torch.ones(2, 4, dtype=torch.bool)), "no padding at all")]


def _normed(x, mean, variance, valid=None, eps=1e-5):
    y = (x - mean) / torch.sqrt(variance + eps)
    return y if valid is None else y * valid[..., None]


def _all_rows(x, valid, eps=1e-5):
    return _normed(x, x.mean((0, 1)), x.var((0, 1), unbiased=False), valid, eps)


def _zeros_counted(x, valid, eps=1e-5):
    return _all_rows(x * valid[..., None], valid, eps)


def _each_clip(x, valid, eps=1e-5):
    return torch.cat([masked_norm(x[i : i + 1], valid[i : i + 1], eps) for i in range(len(x))])


def _not_zeroed(x, valid, eps=1e-5):
    return _normed(x, x[valid].mean(0), x[valid].var(0, unbiased=False), None, eps)


def _unbiased(x, valid, eps=1e-5):
    return _normed(x, x[valid].mean(0), x[valid].var(0), valid, eps)


def _variance_alone(x, valid, eps=1e-5):
    return _normed(x, x[valid].mean(0), (x[valid].var(0, unbiased=False) + eps) ** 2, valid, 0.0)


def _outside(x, valid, eps=1e-5):
    return _normed(x, x[valid].mean(0), (x[valid].std(0, unbiased=False) + eps) ** 2, valid, 0.0)


def _over_each_step(x, valid, eps=1e-5):
    return F.layer_norm(x, x.shape[-1:], eps=eps) * valid[..., None]


def _eps_fixed(x, valid, eps=1e-5):
    return masked_norm(x, valid)


def _fine_cases(rng):
    return [
        (quarters(rng, b, d, l), quarters(rng, k, l), quarters(rng, k), quarters(rng, f, k), quarters(rng, f))
        for b, d, l, k, f in ((1, 3, 4, 3, 2), (2, 4, 6, 4, 2), (2, 5, 4, 6, 3), (2, 5, 5, 5, 5))
    ]


def _fine(x, W1, b1, W2, b2, norm=None, first=torch.relu, last=torch.relu, turn=False, late=False):
    norm = norm or (lambda t: F.layer_norm(t, t.shape[-1:]))
    x = x.transpose(1, 2) if turn else x
    hidden = x @ W1.T + b1
    hidden = first(norm(hidden)) if late else norm(first(hidden))
    return last(hidden @ W2.T + b2)


def _over_channels(t):
    return F.layer_norm(t.transpose(1, 2), t.shape[1:2]).transpose(1, 2)


def _idle_cases(rng):
    made = []
    for spare, d in zip(
        rng.sample(range(4, 9), 3), (2, 4, 3), strict=True
    ):  # three that differ: no constant is right for all
        width = rng.randint(4, 5)
        torch.manual_seed(rng.randint(0, 10**6))
        made.append((Machine(d, spare, width).double(), quarters(rng, 2, d)))
    return made


def _count(net, x, which, clear=True):
    if clear:
        net.zero_grad(set_to_none=True)
    net(x).sum().backward()
    return sum(which(p) for p in net.parameters())


def _idle(p):
    return p.numel() * (p.grad is None)


def _old_gradients(fn, rng):
    """A network whose idle layer has been trained before: its old gradient is none of this backward pass."""
    net, x = _idle_cases(rng)[0]
    net.spare(quarters(rng, 2, net.spare[0].in_features)).sum().backward()
    want = idle_weights(copy.deepcopy(net), x)
    got = fn(net, x)
    if got == want:
        return None
    return (
        f"right for a new network, but in one that has been trained before, old gradients are counted: you have {got}, "
        f"we expect {want}. Clear them first, with net.zero_grad(set_to_none=True)."
    )


EXERCISES = [
    Exercise(
        id="18.1",
        title="one step of an LSTM",
        difficulty=2,
        minutes=8,
        reference=lstm_step,
        cases=_lstm_cases,
        hints=(
            "One affine map of x and h, cut into four; three sigmoids and a tanh; then the cell, then what is read of "
            "it.",
            "x @ W.T + h @ U.T + bias is (b,4k); chunk(4, dim=-1) gives i, f, g, o of (b,k) each; return (h, c).",
        ),
        after="The cell is a recurrence with a decay that the input chooses: a cousin of Mamba's.",
        wrong=(
            Wrong(
                "i and f swapped",
                lambda *a: _lstm(*a, order=(1, 0, 2, 3)),
                "swapped",
                "Input and forget gate are swapped: the rows come in the order i, f, g, o.",
            ),
            Wrong(
                "g and o swapped",
                lambda *a: _lstm(*a, order=(0, 1, 3, 2)),
                "third quarter",
                "The candidate g is the third quarter of the rows, the output gate o the fourth.",
            ),
            Wrong(
                "sigmoid inside",
                lambda *a: _lstm(*a, inside=torch.sigmoid),
                "not a sigmoid",
                "The candidate g passes a tanh, not a sigmoid: it may be negative.",
            ),
            Wrong(
                "cell read bare",
                lambda *a: _lstm(*a, read=lambda c: c),
                "tanh(c)",
                "The output is o times tanh(c), not o times c.",
            ),
            Wrong(
                "one gate for both",
                lambda *a: _lstm(*a, fresh=lambda i: 1 - i),
                "GRU",
                "Here 1 - i does the forgetting, as in a GRU; an LSTM has a forget gate f of its own.",
            ),
            Wrong(
                "cell returned first",
                lambda *a: lstm_step(*a)[::-1],
                "wrong order",
                "Both are right, in the wrong order: return h, then c.",
            ),
            Wrong(
                "candidate bare",
                lambda *a: _lstm(*a, inside=lambda g: g),
                "enters the cell bare",
                "The candidate g enters the cell bare: the equation says tanh(g).",
            ),
            Wrong(
                "no tanh at all",
                lambda *a: _lstm(*a, inside=lambda g: g, read=lambda c: c),
                "both of them",
                "tanh is missing twice, around the candidate and around the cell: both of them need it.",
            ),
        ),
    ),
    Exercise(
        id="18.2",
        title="the memory gate",
        difficulty=2,
        minutes=8,
        reference=memory_gate,
        cases=_gate_cases,
        hints=(
            "A convolution of three taps over time, two layers with a ReLU on each step, and a product with h itself.",
            "F.conv1d wants (1,d,l): F.conv1d(h.T[None], K, k, padding=1)[0].T is (l,d) again; W1 and W2 act on rows "
            "of d.",
        ),
        after="Every step is weighed by what stands beside it.",
        wrong=(
            Wrong(
                "the gate alone",
                lambda h, *a: _mgn(h, *a),
                "product with h",
                "This is the gate; U is its product with h.",
            ),
            Wrong("sum", lambda h, *a: h + _mgn(h, *a), "added", "The gate is added to h here; Eq. 10 multiplies."),
            Wrong(
                "sigmoid",
                lambda h, *a: h * torch.sigmoid(_mgn(h, *a)),
                "nothing bounds",
                "That is the published code's sigmoid; in the printed equation nothing bounds the gate.",
            ),
            Wrong(
                "no relu",
                lambda h, *a: h * _mgn(h, *a, relu=lambda t: t),
                "ReLU",
                "The ReLU between the two linear layers is missing.",
            ),
            Wrong(
                "past only",
                lambda h, *a: h * _mgn(h, *a, padding="before"),
                "one step ahead",
                "Your three taps see the step and the two before it; the middle tap should lie on the step: one back, "
                "one step ahead.",
            ),
            Wrong(
                "ends repeated",
                lambda h, K, k, *a: h * _mgn(h, K, k, *a, padding="replicate"),
                "first and last step are repeated",
                "Beyond the ends, the first and last step are repeated; zeros stand there: padding=1.",
            ),
            Wrong(
                "circular",
                lambda h, K, k, *a: h * _mgn(h, K, k, *a, padding="circular"),
                "other end",
                "Beyond the ends, your convolution goes on at the other end; zeros stand there: padding=1.",
            ),
            Wrong(
                "no neighbours",
                lambda h, K, k, *a: h * (torch.relu(h @ a[0].T + a[1]) @ a[2].T + a[3]),
                "convolution is skipped",
                "The convolution is skipped: the gate does not see a step's neighbours.",
            ),
            Wrong(
                "weights not transposed",
                lambda h, K, k, W1, b1, W2, b2: memory_gate(h, K, k, W1.T, b1, W2.T, b2),
                "transposed",
                "W1 and W2 are not transposed here: a row of W1 makes one output, so it is near @ W1.T.",
            ),
        ),
    ),
    Exercise(
        id="18.3",
        title="find the bug: statistics without padding",
        difficulty=2,
        minutes=8,
        reference=masked_norm,
        cases=_norm_cases,
        hints=(
            "Take the valid steps of the whole batch as rows, compute both statistics from them, apply them, and clear "
            "the padding.",
            "x[valid] is (steps,d); mean(0) and var(0, unbiased=False) are (d); valid[..., None] is (b,l,1).",
        ),
        after="Now the length of the rectangle does not matter.",
        wrong=(
            Wrong(
                "the colleague's, cleared",
                _all_rows,
                "padded steps are counted",
                "The padded steps are counted in mean and variance; only the result is cleared of them.",
            ),
            Wrong(
                "zeros counted",
                _zeros_counted,
                "counted as data",
                "The padding is zeroed first and then counted as data: it pulls the mean to 0 and shrinks the "
                "variance.",
            ),
            Wrong(
                "each clip",
                _each_clip,
                "each clip by itself",
                "This normalises each clip by itself: the statistics are the batch's.",
            ),
            Wrong(
                "padding not cleared",
                _not_zeroed,
                "padding is not zero",
                "The valid steps are right, but the padding is not zero: it now holds something that the next layer "
                "sees.",
            ),
            Wrong(
                "unbiased", _unbiased, "n - 1", "The variance is divided by n - 1 here; BatchNorm normalises with n."
            ),
            Wrong(
                "variance for deviation",
                _variance_alone,
                "square root",
                "This divides by the variance: the square root is missing.",
            ),
            Wrong(
                "eps outside the root",
                _outside,
                "outside the root",
                "eps stands outside the root here, added to the deviation; it is added to the variance.",
            ),
            Wrong(
                "eps fixed",
                _eps_fixed,
                "argument eps is not used",
                "The argument eps is not used: a number of your own stands in its place.",
            ),
            Wrong(
                "each step",
                _over_each_step,
                "layer normalisation",
                "This is layer normalisation, over the channels of each step; here every channel has statistics of its "
                "own, over steps.",
            ),
        ),
    ),
    Exercise(
        id="18.4",
        title="the MLP over time",
        difficulty=1,
        minutes=6,
        reference=coarse_to_fine,
        cases=_fine_cases,
        hints=(
            "Read Eq. 13 from the inside: linear, ReLU, LN over the hidden numbers, linear, ReLU.",
            "x is (b,d,2L) and W1 (k,2L): x @ W1.T is (b,d,k); F.layer_norm(h, h.shape[-1:]) keeps it; the result is "
            "(b,d,f).",
        ),
        after="The same small network for every channel, over all the steps of both.",
        wrong=(
            Wrong(
                "over channels",
                lambda *a: _fine(*a, turn=True),
                "axis of time",
                "The layers act on the channels here; W1 belongs to the axis of time, the last one.",
            ),
            Wrong(
                "norm before relu",
                lambda *a: _fine(*a, late=True),
                "after the ReLU",
                "LN stands before the ReLU here; in Eq. 13 it comes after the ReLU.",
            ),
            Wrong("no norm", lambda *a: _fine(*a, norm=lambda t: t), "LN is missing", "LN is missing."),
            Wrong(
                "last relu missing",
                lambda *a: _fine(*a, last=lambda t: t),
                "outer ReLU",
                "The outer ReLU is missing: no entry of H_k is negative.",
            ),
            Wrong(
                "norm over channels",
                lambda *a: _fine(*a, norm=_over_channels),
                "mixes channels",
                "Your LN mixes channels: it belongs to the last axis, the hidden numbers.",
            ),
        ),
    ),
    Exercise(
        id="18.5",
        title="find the weights that never learn",
        difficulty=1,
        minutes=5,
        reference=idle_weights,
        cases=_idle_cases,
        test=_old_gradients,
        may_change_inputs=True,
        hints=(
            "After the backward pass, a parameter that took no part has `None` as its gradient: not zero, nothing.",
            "p.numel() is the number of weights of a parameter of any shape; sum it over those with p.grad is None.",
        ),
        after="A check worth having in every project's tests.",
        wrong=(
            Wrong(
                "tensors counted",
                lambda net, x: _count(net, x, lambda p: p.grad is None),
                "parameter tensors",
                "This is the number of parameter tensors; each holds p.numel() weights.",
            ),
            Wrong(
                "zeros counted",
                lambda net, x: _count(net, x, lambda p: p.numel() * (p.grad is None or not p.grad.any().item())),
                "gradient of zero",
                "A gradient of zero counts here, too: such a weight was called, and another input may move it.",
            ),
            Wrong(
                "all weights",
                lambda net, x: sum(p.numel() for p in net.parameters()),
                "all weights",
                "These are all weights: count those without a gradient.",
            ),
            Wrong(
                "those that learn",
                lambda net, x: _count(net, x, lambda p: p.numel() * (p.grad is not None)),
                "the others",
                "These are the weights that have a gradient; we want the others.",
            ),
            Wrong("not cleared", lambda net, x: _count(net, x, _idle, clear=False), "Clear them first"),
        ),
    ),
]
