"""Exercises of 16 hybrid parallel attention."""

from dataclasses import dataclass

import torch
from torch.nn.functional import scaled_dot_product_attention

from mgmr_lib.chapters.shared.drawing import quarters
from mgmr_lib.course.registry import Case, Exercise, Wrong
from mgmr_lib.models.baselines.attention import positions

MODALITIES = ("text", "audio", "vision")


def attend(Q, K, V):
    """Q (l_q,d), K (l_k,d), V (l_k,d_v) -> (l_q,d_v), by PyTorch's own function."""
    return scaled_dot_product_attention(Q[None], K[None], V[None])[0]


def masked_shares(scores, valid):
    """scores (b,l_q,l_k), valid (b,l_k) -> shares over the valid keys, (b,l_q,l_k)."""
    weights = (scores - scores.amax(-1, keepdim=True)).exp() * valid[:, None]
    return weights / weights.sum(-1, keepdim=True)


def position_codes(length, d):
    """Sines and cosines of the time, (length,d)."""
    return positions(length, d, torch.zeros(1))


def hybrid(h, within, across):
    """Self-attention in each modality, then each asks what the other two have become."""
    h = {m: x + within[m](x) for m, x in h.items()}
    return {m: x + sum(across[m, o](x, h[o]) for o in h if o != m) / 2 for m, x in h.items()}


@dataclass(frozen=True)
class Within:
    """A layer in the place of self-attention: a multiple of the mean over time, and a share of the last
    step, so that all steps are mixed."""

    factor: float

    def __call__(self, x):
        """x (b,l,d) -> (b,l,d)."""
        return self.factor * x.mean(1, keepdim=True).expand_as(x) + x[:, -1:] / 4


@dataclass(frozen=True)
class Across:
    """A layer in the place of cross-attention: the memory's mean and its first step, weighted by what asks."""

    factor: float

    def __call__(self, x, z):
        """x (b,l,d), z (b,k,d) -> (b,l,d)."""
        return (self.factor * z.mean(1, keepdim=True) + z[:, :1] / 4) * x


def _attend_cases(rng):
    first = Case(
        (torch.tensor([[2.0]]), torch.tensor([[1.0], [0.0], [-1.0]]), torch.tensor([[5.0], [3.0], [1.0]])),
        "the three frames of the beginning",
    )
    return [first] + [
        (quarters(rng, q, d), quarters(rng, k, d), quarters(rng, k, v))
        for q, k, d, v in ((2, 3, 4, 4), (4, 4, 2, 2), (3, 5, 4, 3))
    ]


def _other_axis(Q, K, V):
    return torch.softmax(Q @ K.T / Q.shape[-1] ** 0.5, dim=0) @ V


def _keys_for_values(Q, K, V):
    return attend(Q, K, K) if K.shape == V.shape else attend(Q, K, V) + 1


def _share_cases(rng):
    first = Case(
        (torch.tensor([[[2.0, 0, -2, 0, 0]]]), torch.tensor([[True, True, True, False, False]])),
        "three frames and two of padding",
    )
    made = []
    for _ in range(3):
        b, q, k = rng.randint(2, 3), rng.randint(2, 3), 5
        lengths = torch.tensor([k, *(rng.randint(1, k - 1) for _ in range(b - 1))])
        made.append((quarters(rng, b, q, k), torch.arange(k) < lengths[:, None]))
    valid = torch.tensor([[True] * 4, [True, True, False, False]])
    low = quarters(rng, 2, 2, 4) - 100
    return [
        first,
        *made,
        Case((low, valid), "all scores are far below 0"),
        Case((low.masked_fill(~valid[:, None], 0.0), valid), "only the padding's scores are not far below 0"),
    ]


def _filled(value):
    return lambda scores, valid: scores.masked_fill(~valid[:, None], value).softmax(-1)


def _polarity(scores, valid):
    return scores.masked_fill(valid[:, None], float("-inf")).softmax(-1).nan_to_num(0.0)


def _query_codes(base=10000.0, start=0, interleave=False, cosine=True, of=None):
    def codes(length, d):
        half = d // 2
        speed = base ** (-torch.arange(half) / (of or half))
        angle = torch.arange(start, start + length)[:, None] * speed
        if not cosine:
            return torch.cat([angle.sin(), angle.sin()], dim=1)
        parts = [angle.sin(), angle.cos()]
        return torch.stack(parts, dim=2).flatten(1) if interleave else torch.cat(parts, dim=1)

    return codes


def _hybrid_cases(rng):
    made = []
    for _ in range(3):
        h = {m: quarters(rng, 2, rng.randint(2, 4), 2) for m in MODALITIES}
        factors = rng.sample(range(1, 16), 9)
        within = {m: Within(factors.pop() / 8) for m in MODALITIES}
        across = {(m, o): Across(factors.pop() / 8) for m in MODALITIES for o in MODALITIES if o != m}
        made.append((h, within, across))
    return made


def _parallel(h, within, across):
    return {m: x + within[m](x) + sum(across[m, o](x, h[o]) for o in h if o != m) / 2 for m, x in h.items()}


def _old_asked(h, within, across):
    new = {m: x + within[m](x) for m, x in h.items()}
    return {m: x + sum(across[m, o](x, h[o]) for o in h if o != m) / 2 for m, x in new.items()}


def _in_turn(h, within, across):
    h = {m: x + within[m](x) for m, x in h.items()}
    for m in h:
        h[m] = h[m] + sum(across[m, o](h[m], h[o]) for o in h if o != m) / 2
    return h


def _summed(h, within, across):
    h = {m: x + within[m](x) for m, x in h.items()}
    return {m: x + sum(across[m, o](x, h[o]) for o in h if o != m) for m, x in h.items()}


def _thirds(h, within, across):
    h = {m: x + within[m](x) for m, x in h.items()}
    return {m: x + sum(across[m, o](x, h[o]) for o in h if o != m) / 3 for m, x in h.items()}


def _no_residual(h, within, across):
    h = {m: within[m](x) for m, x in h.items()}
    return {m: sum(across[m, o](x, h[o]) for o in h if o != m) / 2 for m, x in h.items()}


def _others_weights(h, within, across):
    h = {m: x + within[m](x) for m, x in h.items()}
    return {m: x + sum(across[o, m](x, h[o]) for o in h if o != m) / 2 for m, x in h.items()}


EXERCISES = [
    Exercise(
        id="16.1",
        title="attention",
        difficulty=1,
        minutes=6,
        reference=attend,
        cases=_attend_cases,
        hints=(
            "Scores are products of every query with every key, divided by the root of the width; softmax over the "
            "keys; then mix the values.",
            "Q @ K.T is (l_q,l_k); softmax along the last axis; times V (l_k,d_v) gives (l_q,d_v).",
        ),
        after="Every query got its own mixture of the values.",
        wrong=(
            Wrong(
                "not divided",
                lambda Q, K, V: torch.softmax(Q @ K.T, -1) @ V,
                "not divided",
                "The scores are not divided by the root of d: wide vectors then pick one entry before anything is "
                "learned.",
            ),
            Wrong(
                "divided by d",
                lambda Q, K, V: torch.softmax(Q @ K.T / Q.shape[-1], -1) @ V,
                "divided by d itself",
                "The scores are divided by d itself; a product of random vectors grows with the root of d.",
            ),
            Wrong(
                "softmax over queries",
                _other_axis,
                "over the queries",
                "The softmax runs over the queries: here the shares of a *key* sum to one. Every query distributes "
                "itself over the keys.",
            ),
            Wrong(
                "no softmax",
                lambda Q, K, V: Q @ K.T / Q.shape[-1] ** 0.5 @ V,
                "softmax is missing",
                "The softmax is missing: these are scores, and not shares that sum to one.",
            ),
            Wrong(
                "keys for values",
                _keys_for_values,
                "keys are mixed",
                "The keys are mixed here; they only say who is meant. What is mixed are the values.",
            ),
        ),
    ),
    Exercise(
        id="16.2",
        title="find the bug: hide the padding",
        difficulty=2,
        minutes=8,
        reference=masked_shares,
        cases=_share_cases,
        hints=(
            "A padded key must get no share at all, and the others must sum to one: say no before the softmax, with "
            "the score whose exponential is zero.",
            "valid[:, None] is (b,1,l_k) and fits scores (b,l_q,l_k); masked_fill(~..., float('-inf')), then softmax "
            "along the last axis.",
        ),
        after="Padding gets exactly zero, and every row still sums to one.",
        wrong=(
            Wrong(
                "score zero",
                _filled(0.0),
                "e to the 0",
                "A score of 0 still counts: e to the 0 is 1. The score of a padded key must be minus infinity.",
            ),
            Wrong(
                "shares zeroed",
                lambda s, v: s.softmax(-1) * v[:, None],
                "no longer sum to one",
                "The padded shares are zero, but those left no longer sum to one: the padding has taken its part "
                "before. Mask the scores.",
            ),
            Wrong(
                "minus one",
                _filled(-1.0),
                "a little less",
                "A score of -1 makes padding a little less likely, no more; and next to a score of -2 it is even "
                "preferred.",
            ),
            Wrong(
                "valid ones hidden",
                _polarity,
                "the wrong way round",
                "The mask is the wrong way round: True in `valid` marks what must stay.",
            ),
            Wrong("no mask", lambda s, v: s.softmax(-1), "not hidden", "The padding is not hidden at all."),
            *(
                Wrong(
                    f"filled with {low}",
                    _filled(float(low)),
                    f"A filling of {low} is",
                    f"A filling of {low} is only a low score, no mask: where all scores are lower, padding wins. Fill "
                    "with float('-inf').",
                )
                for low in (-10, -50, -100)
            ),
            Wrong(
                "queries hidden",
                lambda s, v: s.masked_fill(~v[:, :, None], float("-inf")).softmax(-1),
                "hides queries",
                "valid[:, :, None] hides queries, the rows; hide keys, the columns: valid[:, None].",
            ),
        ),
    ),
    Exercise(
        id="16.3",
        title="position codes",
        difficulty=1,
        minutes=6,
        reference=position_codes,
        rtol=1e-4,
        atol=1e-4,
        cases=lambda rng: [
            (low + rng.randint(0, 3), d) for low, d in zip((4, 6, 8, 11), rng.sample([4, 6, 8, 10], 4), strict=True)
        ],
        hints=(
            "One angle for each time and each speed: t times omega_i. Then the sines, then the cosines.",
            "Times (l,1) times speeds (d/2) is (l,d/2); torch.cat of sine and cosine along axis 1 is (l,d).",
        ),
        after="Every time has a code of its own, and codes of near times are alike.",
        wrong=(
            Wrong(
                "interleaved",
                _query_codes(interleave=True),
                "in turns",
                "Sines and cosines stand in turns here. That works as well, but ours come one half after the other.",
            ),
            Wrong(
                "starts at one",
                _query_codes(start=1),
                "starts at t = 1",
                "This starts at t = 1; our first step is t = 0.",
            ),
            Wrong(
                "sines only",
                _query_codes(cosine=False),
                "no cosines",
                "There are no cosines: from a sine alone one cannot tell a rising wave from a falling one.",
            ),
            Wrong(
                "one speed",
                _query_codes(base=1.0),
                "same speed",
                "All channels turn at the same speed, so that times a full turn apart get the same code.",
            ),
            Wrong(
                "exponent of d",
                lambda l, d: _query_codes(of=d)(l, d),
                "divided by d",
                "The exponent is divided by d; our h is half of it, so that the slowest wave is nearly 10000 times "
                "slower.",
            ),
        ),
    ),
    Exercise(
        id="16.4",
        title="first itself, then the others",
        difficulty=2,
        minutes=8,
        reference=hybrid,
        cases=_hybrid_cases,
        hints=(
            "Two rounds. In the first, every modality adds its self-attention. In the second, every one adds the mean "
            "of two answers, asking what the first round made.",
            "Keep the result of round one in its own dict, so that the second round reads the same state for all "
            "three; across[m, o](x, h[o]).",
        ),
        after="All three ask at the same time, and each hears what the others have become.",
        wrong=(
            Wrong(
                "in parallel",
                _parallel,
                "published code",
                "Here self- and cross-attention read the same input: this is what the published code does. In the "
                "text's order, the others are asked after their self-attention.",
            ),
            Wrong(
                "one after the other",
                _in_turn,
                "order of the modalities",
                "The second modality already hears what the first one was told: the result depends on the order of the "
                "modalities. Ask all from the same state.",
            ),
            Wrong("sum", _summed, "sum of both answers", "This adds the sum of both answers; we take their mean."),
            Wrong(
                "divided by three",
                _thirds,
                "divided by 3",
                "The answers are divided by 3, the number of modalities; only two are asked: divide by 2.",
            ),
            Wrong(
                "no residual", _no_residual, "residual", "The residual is missing: each round adds to what was there."
            ),
            Wrong(
                "swapped roles",
                _others_weights,
                "layer of the other",
                "This uses the layer of the other side: across[m, o] is m asking o.",
            ),
            Wrong(
                "old sequences asked",
                _old_asked,
                "before their own",
                "Each modality asks the others as they were before their own self-attention: ask what they have "
                "become.",
            ),
        ),
    ),
]
