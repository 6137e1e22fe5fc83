"""Exercises of 05 Mamba block. Layout of the block: time second, channels last; weights as in its state dict."""

import torch
import torch.nn.functional as F

from mgmr_lib.chapters.ch05_mamba_block.whole_block import BUILD_A_BLOCK, mamba_block
from mgmr_lib.chapters.shared.drawing import quarters
from mgmr_lib.course.registry import Case, Exercise, Wrong
from mgmr_lib.ssm import MambaBlock, selective_scan
from mgmr_lib.ssm.blocks import inverse_softplus


def short_convolution(u, w, bias):
    """u (b,l,e), taps w (e,k), bias (e) -> (b,l,e); the last tap weighs the present."""
    k, length = w.shape[1], u.shape[1]
    padded = F.pad(u, (0, 0, k - 1, 0))
    return sum(w[:, j] * padded[:, j : j + length] for j in range(k)) + bias


def push(window, u, w, bias):
    """The last k inputs (b,e,k), a new one (b,e), taps (e,k), bias (e) -> the next window, the convolution's output
    (b,e)."""
    window = torch.cat([window[:, :, 1:], u[:, :, None]], dim=2)
    return window, (window * w).sum(2) + bias


def bigram_bits(train, test, v):
    """Indices (l) of both texts, v characters -> mean bits per character of the test text."""
    counts = torch.ones(v, v)
    for now, following in zip(train[:-1].tolist(), train[1:].tolist(), strict=True):
        counts[now, following] += 1
    p = counts / counts.sum(1, keepdim=True)
    return -torch.log2(p[test[:-1], test[1:]]).mean().item()


def _convolution_cases(rng):
    click = torch.zeros(1, 6, 1, dtype=torch.float64)
    click[0, 1] = 1
    made = [Case((click, quarters(rng, 1, 4), quarters(rng, 1)), "a click at the second step")]
    for _ in range(3):
        length, e, k = rng.randint(4, 7), rng.randint(2, 3), rng.randint(2, 4)
        made.append((quarters(rng, 2, length, e), quarters(rng, e, k), quarters(rng, e)))
    return made


def _convolution_padded(before):
    """The same convolution with `before(k)` zeros in front and the rest behind."""

    def answer(u, w, bias):
        k, length = w.shape[1], u.shape[1]
        padded = F.pad(u, (0, 0, before(k), k - 1 - before(k)))
        return sum(w[:, j] * padded[:, j : j + length] for j in range(k)) + bias

    return answer


def _convolution_of_repeats(u, w, bias):
    before = w.shape[1] - 1
    return short_convolution(torch.cat([u[:, :1].expand(-1, before, -1), u], dim=1), w, bias)[:, before:]


def _bias_cases(rng):
    def one():
        small = [rng.uniform(0.002, 0.1) for _ in range(2)]
        large = [rng.uniform(0.5, 3.0) for _ in range(2)]
        return (torch.tensor([small[0], large[0], small[1], large[1]], dtype=torch.float64),)

    # log(exp(dt) - 1) keeps its digits at 2**-17 in float32, too
    ends = Case((torch.tensor([2.0**-17, 8.0], dtype=torch.float64),), "a tiny time step and a large one")
    return [*(one() for _ in range(3)), ends]


def _block_cases(rng):
    generator = torch.Generator().manual_seed(rng.randrange(2**31))
    made = []
    for d, n in ((4, 3), (6, 2)):
        block = MambaBlock(d, n, d_conv=3, dt_rank=2).double()
        w = {
            k: torch.randn(t.shape, generator=generator, dtype=torch.float64) * 0.5
            for k, t in block.state_dict().items()
        }
        made.append((torch.randn(2, 5, d, generator=generator, dtype=torch.float64), w))
    return made


def _block(
    x, w, extra_bias=False, gate=F.silu, sign=-1.0, early_skip=False, halves=False, swapped=False, softplus=True
):
    """The block with mistakes on request."""
    n = w["A_log"].shape[1]
    u, z = (x @ w["in_proj.weight"].T).chunk(2, dim=-1)[:: -1 if halves else 1]
    before = u
    u = F.silu(short_convolution(u, w["conv1d.weight"][:, 0], w["conv1d.bias"]))
    r, B, C = (u @ w["x_proj.weight"].T).split([w["dt_proj.weight"].shape[1], n, n], dim=-1)
    B, C = (C, B) if swapped else (B, C)
    delta = r @ w["dt_proj.weight"].T + (w["dt_proj.bias"] if extra_bias else 0)
    time_last = (t.transpose(1, 2) for t in (u, delta, B, C))
    first, delta, B, C = time_last
    y = selective_scan(
        first, delta, sign * torch.exp(w["A_log"]), B, C, delta_bias=w["dt_proj.bias"], delta_softplus=softplus
    )
    y = y.transpose(1, 2) + w["D"] * (before if early_skip else u)
    return (y * gate(z)) @ w["out_proj.weight"].T


def _push_cases(rng):
    return [
        (quarters(rng, b, e, k), quarters(rng, b, e), quarters(rng, e, k), quarters(rng, e))
        for b, e, k in ((1, 1, 2), (1, 2, 3), (2, 3, 4))
    ]


def _push_in_place(window, u, w, bias):
    window[:, :, :-1] = window[:, :, 1:].clone()
    window[:, :, -1] = u
    return window, (window * w).sum(2) + bias


def _push_overwrites(window, u, w, bias):
    window = torch.cat([window[:, :, :-1], u[:, :, None]], dim=2)
    return window, (window * w).sum(2) + bias


def _push_newest_first(window, u, w, bias):
    window = torch.cat([u[:, :, None], window[:, :, :-1]], dim=2)
    return window, (window * w).sum(2) + bias


def _text_cases(rng):
    made = [
        Case((torch.tensor([0, 1, 0, 1, 0, 1, 2]), torch.tensor([0, 1, 1, 2, 0]), 3), "a pair that training never saw")
    ]
    for unseen, size in zip(rng.sample([0, 1, 2], 3), rng.sample([3, 4, 5], 3), strict=True):
        v = size + unseen  # the last characters stand in neither text
        train, test = ([rng.randrange(size) for _ in range(n)] for n in (20, 9))
        train[-1] = (train[0] + 1) % size  # else each character follows as often as it is followed
        often = sorted(range(size), key=train[:-1].count)  # 19 characters: the rarest and the commonest differ
        test[0], test[-1] = often[-1], often[0]
        made.append((torch.tensor(train), torch.tensor(test), v))
    return made


def _bigram(train, test, v, start=1.0, dim=1):
    counts = torch.full((v, v), start)
    for now, following in zip(train[:-1].tolist(), train[1:].tolist(), strict=True):
        counts[now, following] += 1
    p = counts / (counts.sum() if dim is None else counts.sum(dim, keepdim=True))
    return -torch.log2(p[test[:-1], test[1:]])


def _repeats_lost(train, test, v):
    counts = torch.ones(v, v)
    counts[train[:-1], train[1:]] += 1
    return -torch.log2((counts / counts.sum(1, keepdim=True))[test[:-1], test[1:]]).mean().item()


def _unigram(train, test, v):
    counts = torch.bincount(train, minlength=v) + 1.0
    return -torch.log2((counts / counts.sum())[test[1:]]).mean().item()


EXERCISES = [
    Exercise(
        id="05.1",
        title="the short convolution",
        difficulty=2,
        minutes=8,
        reference=short_convolution,
        cases=_convolution_cases,
        hints=(
            "Put k - 1 zeros in front of the sequence; then every output is a weighted sum of k neighbouring entries.",
            "F.pad(u, (0, 0, k - 1, 0)) is (b,l+k-1,e); w[:, j] is (e) and multiplies the l steps that start at j.",
        ),
        after="Causal: step t sees itself and the k - 1 steps before it, and each channel has its own taps.",
        wrong=(
            Wrong(
                "taps turned round",
                lambda u, w, bias: short_convolution(u, w.flip(1), bias),
                "turned round",
                "The taps are turned round: the last one, w[:, -1], weighs the present.",
            ),
            Wrong(
                "zeros behind",
                _convolution_padded(lambda k: 0),
                "zeros stand behind",
                "Your step t reads the steps after it: the zeros stand behind the sequence instead of in front.",
            ),
            Wrong(
                "bias forgotten",
                lambda u, w, bias: short_convolution(u, w, 0 * bias),
                "bias is missing",
                "The bias is missing: add one number for each channel.",
            ),
            Wrong(
                "one step late",
                lambda u, w, bias: short_convolution(F.pad(u, (0, 0, 1, 0))[:, :-1], w, bias),
                "one step late",
                "Everything comes one step late: the present is not in the window. k - 1 zeros in front are enough.",
            ),
            Wrong(
                "channels mixed",
                lambda u, w, bias: short_convolution(u, w.mean(0).expand_as(w), bias),
                "its own taps",
                "All channels use the same taps here: each channel has its own taps, a row of w.",
            ),
            Wrong(
                "padding on both sides",
                _convolution_padded(lambda k: k // 2),
                "on both sides",
                "The zeros stand on both sides, so that a step reads later ones: all k - 1 belong in front.",
            ),
            Wrong(
                "rolled",
                lambda u, w, bias: sum(w[:, j] * u.roll(w.shape[1] - 1 - j, 1) for j in range(w.shape[1])) + bias,
                "wraps around",
                "The end of the sequence comes in at its start, because roll wraps around: put zeros there.",
            ),
            Wrong(
                "first input repeated",
                _convolution_of_repeats,
                "of the first input stand",
                "Copies of the first input stand in front of the sequence: put zeros there.",
            ),
            Wrong(
                "activation left in",
                lambda u, w, bias: F.silu(short_convolution(u, w, bias)),
                "activation",
                "This is the convolution with its activation: leave silu out here, the block applies it afterwards.",
            ),
        ),
    ),
    Exercise(
        id="05.2",
        title="the bias of a given time step",
        difficulty=2,
        minutes=6,
        reference=inverse_softplus,
        cases=_bias_cases,
        rtol=1e-5,
        atol=1e-6,  # at dt = log(2), where x = 0, float32 has no more digits
        hints=(
            "Solve dt = log(1 + exp(x)) for x: take exp of both sides first.",
            "A tensor of positive numbers goes in, a tensor of the same shape comes out; torch.expm1 and torch.log do "
            "the rest.",
        ),
        after="For small dt the bias is close to log(dt): equal ratios of time steps are equal distances of the bias.",
        wrong=(
            Wrong(
                "log alone",
                lambda dt: torch.log(dt),
                "only for small",
                "log(dt) is right only for small dt: softplus of it gives log(1 + dt).",
            ),
            Wrong(
                "softplus itself",
                lambda dt: F.softplus(dt),
                "wrong direction",
                "This is softplus itself, the wrong direction: we look for the x whose softplus is dt.",
            ),
            Wrong(
                "log forgotten",
                lambda dt: torch.expm1(dt),
                "one logarithm",
                "exp(dt) - 1 is exp(x): one logarithm is missing.",
            ),
            Wrong(
                "unchanged",
                lambda dt: dt.clone(),
                "at least log 2",
                "This returns dt itself: its softplus would be at least log 2, however small dt is.",
            ),
            Wrong(
                "sigmoid",
                lambda dt: torch.log(dt / (1 - dt).abs()),
                "sigmoid",
                "This undoes a sigmoid, dt = 1 / (1 + exp(-x)); ours is a softplus, dt = log(1 + exp(x)).",
            ),
        ),
    ),
    Exercise(
        id="05.3",
        title="find the two bugs in the block",
        difficulty=3,
        minutes=14,
        reference=mamba_block,
        cases=_block_cases,
        rtol=1e-5,
        atol=1e-5,  # an answer in float32 is right, too
        hints=(
            "One bug lies before the scan, one behind it. Which vector is used twice? And what does the gate's "
            "equation ask for?",
            "delta (b,l,e) is made from r without its bias, because the scan adds dt_proj.bias itself; the gate is "
            "silu(z), (b,l,e).",
        ),
        after="Nine tensors and a dozen lines: this is the whole block.",
        wrong=(
            Wrong(
                "both bugs kept",
                lambda x, w: _block(x, w, extra_bias=True, gate=lambda z: z),
                "Both bugs",
                "Both bugs are still there.",
            ),
            Wrong(
                "bias twice",
                lambda x, w: _block(x, w, extra_bias=True),
                "added twice",
                "The gate is right now. dt_proj.bias is added twice: once by you, once by the scan as delta_bias.",
            ),
            Wrong(
                "gate without silu",
                lambda x, w: _block(x, w, gate=lambda z: z),
                "bare z",
                "delta is right now. The gate multiplies by the bare z: the equation says silu(z).",
            ),
            Wrong(
                "sigmoid gate",
                lambda x, w: _block(x, w, gate=torch.sigmoid),
                "sigmoid",
                "The gate is a sigmoid here; Mamba's is silu(z) = z sigmoid(z), which can be larger than 1.",
            ),
            Wrong(
                "A without minus",
                lambda x, w: _block(x, w, sign=1.0),
                "grow",
                "A has lost its minus sign: the states grow instead of fading.",
            ),
            Wrong(
                "skip before the convolution",
                lambda x, w: _block(x, w, early_skip=True),
                "before the convolution",
                "The skip D takes u from before the convolution; it belongs to the scan's own input.",
            ),
            Wrong(
                "halves swapped",
                lambda x, w: _block(x, w, halves=True),
                "halves",
                "The two halves of in_proj's output are swapped: the first feeds the scan, the second the gate.",
            ),
            Wrong(
                "B and C swapped",
                lambda x, w: _block(x, w, swapped=True),
                "B and C",
                "B and C are swapped: x_proj gives r, B, C in this order.",
            ),
        ),
    ),
    Exercise(
        id="05.4",
        title="the convolution one step at a time",
        difficulty=2,
        minutes=8,
        reference=push,
        cases=_push_cases,
        hints=(
            "Drop the oldest input, append the new one, then weigh the whole window.",
            "window (b,e,k) without its first column is (b,e,k-1); u[:, :, None] is (b,e,1); the output sums over the "
            "last axis.",
        ),
        after="The window is the second half of the block's memory: k numbers a channel, next to the n of the scan.",
        wrong=(
            Wrong(
                "output before the push",
                lambda window, u, w, bias: (push(window, u, w, bias)[0], (window * w).sum(2) + bias),
                "old window",
                "The output comes from the old window: push the new input first, then weigh.",
            ),
            Wrong(
                "newest first",
                _push_newest_first,
                "at the front",
                "The new input stands at the front: the window is in the order of time, the newest last.",
            ),
            Wrong(
                "no shift",
                _push_overwrites,
                "not moved",
                "The old inputs have not moved: the newest one is overwritten, the oldest one stays for ever.",
            ),
            Wrong(
                "bias forgotten",
                lambda window, u, w, bias: push(window, u, w, 0 * bias),
                "bias is missing",
                "The bias is missing from the output.",
            ),
            Wrong("changed in place", _push_in_place, "changes its input"),
        ),
    ),
    Exercise(
        id="05.5",
        title="a bigram rival",
        difficulty=2,
        minutes=10,
        reference=bigram_bits,
        cases=_text_cases,
        rtol=1e-4,
        hints=(
            "Count how often each character follows each other one, start all counts at 1, make each row sum to 1, "
            "take -log2.",
            "counts is (v,v), row = now, column = next; p[test[:-1], test[1:]] picks one probability for every step.",
        ),
        after="The rival knows one character of context, and its whole training is counting.",
        wrong=(
            Wrong(
                "nats",
                lambda train, test, v: _bigram(train, test, v).mean().item() * 0.6931471805599453,
                "nats",
                "These are nats, from the natural logarithm: bits take log2.",
            ),
            Wrong(
                "no added count",
                lambda train, test, v: _bigram(train, test, v, start=0.0).mean().item(),
                "start at 1",
                "A pair that training never saw has probability 0 here, and infinite surprise: let all counts start at "
                "1.",
            ),
            Wrong(
                "columns sum to 1",
                lambda train, test, v: _bigram(train, test, v, dim=0).mean().item(),
                "columns",
                "Here the columns sum to 1: that asks which character came before. Each row, the present, must sum to "
                "1.",
            ),
            Wrong(
                "pairs",
                lambda train, test, v: _bigram(train, test, v, dim=None).mean().item(),
                "of the pair;",
                "This is the probability of the pair; we want that of the next character, given the present one.",
            ),
            Wrong(
                "context ignored",
                _unigram,
                "context",
                "This ignores the context: it counts single characters, not which follows which.",
            ),
            Wrong(
                "sum",
                lambda train, test, v: _bigram(train, test, v).sum().item(),
                "whole text",
                "This is the surprise of the whole text: divide by the number of predicted characters.",
            ),
            Wrong(
                "divided by all",
                lambda train, test, v: _bigram(train, test, v).sum().item() / len(test),
                "first character too",
                "The sum is divided by the whole length; nothing predicts the first character too, so len(test) - 1 "
                "are predicted.",
            ),
            Wrong(
                "characters of the texts",
                lambda train, test, v: _bigram(train, test, 1 + int(torch.cat([train, test]).max())).mean().item(),
                "neither text",
                "A character that stands in neither text has its count of 1 in every row as well: there are v of them.",
            ),
            Wrong(
                "repeats lost",
                _repeats_lost,
                "only once",
                "A pair that stands in the text several times is counted only once: c[a, b] += 1 does not add up over "
                "equal indices. Loop over the pairs, or use index_put_ with accumulate=True.",
            ),
        ),
    ),
    BUILD_A_BLOCK,
]
