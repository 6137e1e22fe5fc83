"""Exercises of 12 alignment (stage 1)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from mgmr_lib.chapters.shared.drawing import quarters
from mgmr_lib.course.registry import Case, Exercise, Wrong
from mgmr_lib.models.inputs import pool_to_length
from mgmr_lib.ssm import flip_valid


def pool_to_tokens(x, k):
    """One clip's frames (s,d) averaged onto k tokens, (k,d)."""
    s = x.shape[0]
    return torch.stack([x[j * s // k : -(-(j + 1) * s // k)].mean(0) for j in range(k)])


def pool_batch(x, valid, lengths):
    """x (b,s,d), valid (b,s), lengths (b): the library's pooling onto each clip's own tokens."""
    return pool_to_length(x, valid, lengths, int(lengths.max()))


def branch(ahead, back, text, other, valid):
    """The mean of a pair of stacks ahead and another pair on the reversed valid parts, turned back."""
    forward = ahead(text, other)
    backward = back(flip_valid(text, valid), flip_valid(other, valid))
    return tuple((f + flip_valid(b, valid)) / 2 for f, b in zip(forward, backward, strict=True))


def select(x, partner, W, U, rank, n):
    """W x + U p, cut into (rank, n, n)."""
    return (x @ W.T + partner @ U.T).split([rank, n, n], dim=-1)


@dataclass(frozen=True)
class Pair:
    """A fading sum of each sequence that also takes in a share of its partner, the text another than the other
    sequence; readable in messages.

    Where a step is all zeros it gives zeros, as padding is here: whether an answer clears the padding does not matter.
    Each sum starts at 1, so that steps of padding in front of a clip show.
    """

    keep: float
    to_text: float
    to_other: float

    def __call__(self, text, other):
        """(b,l,d) twice -> the same shapes."""
        return self._run(text, other, self.to_text), self._run(other, text, self.to_other)

    def _run(self, x, partner, share):
        h, ys = torch.ones_like(x[:, 0]), []
        for x_t, p_t in zip(x.unbind(1), partner.unbind(1), strict=True):
            h = self.keep * h + x_t + share * p_t
            ys.append(torch.where(x_t.any(-1, keepdim=True), h, 0.0))
        return torch.stack(ys, dim=1)


def _clip_cases(rng):
    made = [Case((torch.arange(4.0, dtype=torch.float64)[:, None], 2), "frames 0, 1, 2, 3 onto 2 tokens")]
    made += [(quarters(rng, s, 2), k) for s, k in ((rng.choice([7, 11]), 3), (rng.choice([9, 13]), 4))]
    return [*made, Case((quarters(rng, 3, 2), rng.choice([4, 5])), "fewer frames than tokens")]


def _floor_only(x, k):
    s = x.shape[0]
    return torch.stack([x[j * s // k : max((j + 1) * s // k, j * s // k + 1)].mean(0) for j in range(k)])


def _equal_width(x, k):
    wide = max(x.shape[0] // k, 1)
    return torch.stack(
        [x[min(j * wide, x.shape[0] - 1) : min(j * wide, x.shape[0] - 1) + wide].mean(0) for j in range(k)]
    )


def _nearest(x, k):
    s = x.shape[0]
    return torch.stack([x[j * s // k] for j in range(k)])


def _sums(x, k):
    s = x.shape[0]
    return torch.stack([x[j * s // k : -(-(j + 1) * s // k)].sum(0) for j in range(k)])


def _batch_cases(rng):
    made = []
    for _ in range(3):
        frames = [rng.randint(8, 10), rng.randint(3, 4), rng.randint(2, 3)]
        tokens = [rng.randint(3, 4), rng.randint(5, 6), rng.randint(2, 3)]
        # One clip has fewer frames than tokens.
        order = rng.sample(range(3), 3)
        frames, tokens = torch.tensor([frames[i] for i in order]), torch.tensor([tokens[i] for i in order])
        valid = torch.arange(int(frames.max())) < frames[:, None]
        made.append((quarters(rng, 3, int(frames.max()), 2), valid, tokens))
    return made


def _adaptive(x, valid, lengths):
    return F.adaptive_avg_pool1d(x.transpose(1, 2), int(lengths.max())).transpose(1, 2)


def _own_frames_longest_tokens(x, valid, lengths):
    return pool_batch(x, valid, lengths.max().expand_as(lengths))


def _own_tokens_all_frames(x, valid, lengths):
    return pool_batch(x, torch.ones_like(valid), lengths)


def _zeros_averaged(x, valid, lengths):
    return pool_batch(x * valid[..., None], torch.ones_like(valid), lengths)


def _last_repeated(x, valid, lengths):
    out = pool_batch(x, valid, lengths)
    for i, k in enumerate(lengths.tolist()):
        out[i, k:] = out[i, k - 1]
    return out


def _branch_cases(rng):
    made = []
    for _ in range(3):
        shares = rng.sample([0.25, 0.5, 0.75, 1.0, 1.25, 1.5], 4)
        b, length = rng.randint(2, 3), rng.randint(5, 6)
        lengths = torch.tensor([length, *(rng.randint(2, length - 2) for _ in range(b - 1))])
        valid = torch.arange(length) < lengths[:, None]
        pairs = Pair(0.5, *shares[:2]), Pair(0.25, *shares[2:])
        inside = valid[..., None]
        made.append((*pairs, quarters(rng, b, length, 2) * inside, quarters(rng, b, length, 2) * inside, valid))
    return made


def _branch(ahead, back, text, other, valid, turn=flip_valid, again=flip_valid, scale=0.5):
    forward = ahead(text, other)
    backward = back(turn(text, valid), turn(other, valid))
    return tuple(scale * (f + again(b, valid)) for f, b in zip(forward, backward, strict=True))


def _whole_flip(x, valid):
    return x.flip(1)


def _left(x, valid):
    return x


def _text_only(ahead, back, text, other, valid):
    forward, backward = ahead(text, other), back(flip_valid(text, valid), other)
    return (forward[0] + flip_valid(backward[0], valid)) / 2, (forward[1] + backward[1]) / 2


def _chained(ahead, back, text, other, valid):
    forward = ahead(text, other)
    backward = back(*(flip_valid(f, valid) for f in forward))
    return tuple((f + flip_valid(b, valid)) / 2 for f, b in zip(forward, backward, strict=True))


def _select_cases(rng):
    made = []
    for rank, n in zip(rng.sample([1, 2, 3], 3), rng.sample([3, 4, 5], 3), strict=True):
        b, length, e, d = 2, rng.randint(2, 3), 4, 3
        made.append(
            (
                quarters(rng, b, length, e),
                quarters(rng, b, length, d),
                quarters(rng, rank + 2 * n, e),
                quarters(rng, rank + 2 * n, d),
                rank,
                n,
            )
        )
    return made


def _softplus(x, partner, W, U, rank, n):
    delta, B, C = select(x, partner, W, U, rank, n)
    return F.softplus(delta), B, C


def _own_delta(x, partner, W, U, rank, n):
    return ((x @ W.T)[..., :rank], *select(x, partner, W, U, rank, n)[1:])


def _late(partner):
    return torch.cat([torch.zeros_like(partner[:, :1]), partner[:, :-1]], dim=1)


EXERCISES = [
    Exercise(
        id="12.1",
        title="frames onto tokens",
        difficulty=1,
        minutes=6,
        reference=pool_to_tokens,
        cases=_clip_cases,
        hints=(
            "For every token: which frames are its share? Cut them out and take their mean.",
            "x is (s,d); x[lo:hi].mean(0) is (d); torch.stack of k of these is (k,d). lo = j * s // k, hi = -(-(j + 1) "
            "* s // k).",
        ),
        after="No bin is empty, even with fewer frames than tokens.",
        wrong=(
            Wrong(
                "upper end rounded down",
                _floor_only,
                "rounded down",
                "The upper end of a bin is rounded down here: a frame that lies partly in the bin is left out.",
            ),
            Wrong(
                "equal width",
                _equal_width,
                "same whole number",
                "Every bin gets the same whole number of frames: what is left over at the end is never looked at.",
            ),
            Wrong(
                "one frame each",
                _nearest,
                "first frame",
                "This takes the first frame of each bin: take the mean of all of them.",
            ),
            Wrong(
                "sums",
                _sums,
                "divide",
                "These are sums: divide by the number of frames in the bin, as neighbours may hold different numbers.",
            ),
            Wrong(
                "mean of everything",
                lambda x, k: x.mean(0).expand(k, -1).clone(),
                "same for every token",
                "The result is the same for every token: each has frames of its own.",
            ),
        ),
    ),
    Exercise(
        id="12.2",
        title="find the bug: pooling in a batch",
        difficulty=2,
        minutes=8,
        reference=pool_batch,
        cases=_batch_cases,
        hints=(
            "The colleague averages padding into the frames, and uses the longest clip's number of tokens for all. Go "
            "row by row.",
            "Row i: x[i, :valid[i].sum()] is (s_i,d); pool it to lengths[i] tokens and put it into a zero tensor (b, "
            "max lengths, d).",
        ),
        after="A clip's steps are now the same alone and in company.",
        wrong=(
            Wrong(
                "the colleague's",
                _adaptive,
                "both bugs",
                "This still has both bugs: padding is averaged in, and every clip gets as many tokens as the longest "
                "one.",
            ),
            Wrong(
                "longest number of tokens",
                _own_frames_longest_tokens,
                "number of tokens",
                "The frames are right now, but every clip is spread over the longest clip's number of tokens.",
            ),
            Wrong(
                "all frames",
                _own_tokens_all_frames,
                "what lies behind its end",
                "The tokens are right now, but each clip's bins run over what lies behind its end, too: use valid.",
            ),
            Wrong(
                "zeros averaged",
                _zeros_averaged,
                "still counted",
                "Padding is zeroed but still counted: the bins should divide the valid frames alone, and nothing "
                "behind them.",
            ),
            Wrong(
                "no more tokens than frames",
                lambda x, valid, lengths: pool_batch(x, valid, torch.minimum(lengths, valid.sum(1))),
                "fewer frames than tokens",
                "A clip with fewer frames than tokens gets only as many steps as frames here: its bins share frames.",
            ),
            Wrong(
                "last step repeated",
                _last_repeated,
                "repeated",
                "Behind a clip's last token its last step is repeated: leave zeros there.",
            ),
        ),
    ),
    Exercise(
        id="12.3",
        title="ahead, back, mean",
        difficulty=2,
        minutes=8,
        reference=branch,
        cases=_branch_cases,
        hints=(
            "Run `ahead` on the pair as it is, `back` on the reversed pair, turn both of its outputs round, and take "
            "means.",
            "Each stack takes and gives two tensors (b,l,d); flip_valid(x, valid) keeps the shape; return a pair.",
        ),
        after="Every step of a sequence now follows from what comes before it and from what comes after.",
        wrong=(
            Wrong(
                "padding flipped",
                lambda *a: _branch(*a, turn=_whole_flip, again=_whole_flip),
                "padding",
                "Whole rows are reversed, so the back stack starts in the padding: use flip_valid.",
            ),
            Wrong(
                "not turned back",
                lambda *a: _branch(*a, again=_left),
                "still reversed",
                "The backward outputs are still reversed when they are averaged: turn them back first.",
            ),
            Wrong(
                "never turned",
                lambda *a: _branch(*a, turn=_left, again=_left),
                "both stacks read forward",
                "Here both stacks read forward in time: give `back` the reversed pair.",
            ),
            Wrong("sum", lambda *a: _branch(*a, scale=1.0), "twice the mean", "This is the sum, twice the mean."),
            Wrong(
                "text alone",
                _text_only,
                "both sequences must run",
                "Only the text is reversed: its partner then runs the other way, and step t meets step l - t. For "
                "`back`, both sequences must run backwards.",
            ),
            Wrong(
                "one stack twice",
                lambda ahead, back, *a: _branch(ahead, ahead, *a),
                "own weights",
                "The same stack reads both ways; the backward one has its own weights: use `back`.",
            ),
            Wrong(
                "one after the other",
                _chained,
                "output of `ahead`",
                "`back` reads the output of `ahead` here; in the equations it starts from the sequences themselves.",
            ),
        ),
    ),
    Exercise(
        id="12.4",
        title="let the partner choose too",
        difficulty=2,
        minutes=7,
        reference=select,
        cases=_select_cases,
        hints=(
            "Two linear images of the same width, added; then cut into three pieces.",
            "x @ W.T and partner @ U.T are both (b,l,rank+2n); split([rank, n, n], dim=-1) makes the three.",
        ),
        after="Inside B, the partner multiplies what enters the state.",
        wrong=(
            Wrong(
                "no partner",
                lambda x, p, W, U, rank, n: (x @ W.T).split([rank, n, n], dim=-1),
                "is not heard",
                'The partner is not heard: this is the reading "shared".',
            ),
            Wrong(
                "multiplied",
                lambda x, p, W, U, rank, n: ((x @ W.T) * (p @ U.T)).split([rank, n, n], dim=-1),
                "multiplied",
                "The two images are multiplied; the equation adds them. The product comes later, when B meets x.",
            ),
            Wrong(
                "parts in another order",
                lambda x, p, W, U, rank, n: tuple(
                    (x @ W.T + p @ U.T).split([n, n, rank], dim=-1)[i] for i in (2, 0, 1)
                ),
                "stand first",
                "The rank entries of delta stand first in W's rows, then B, then C.",
            ),
            Wrong(
                "B and C swapped",
                lambda x, p, W, U, rank, n: tuple(select(x, p, W, U, rank, n)[i] for i in (0, 2, 1)),
                "C came before B",
                "C came before B here: the order is delta, B, C.",
            ),
            Wrong(
                "one step late",
                lambda x, p, W, U, rank, n: select(x, _late(p), W, U, rank, n),
                "step before",
                "This hears the partner's step before: they are on one clock, take the same step.",
            ),
            Wrong(
                "partner alone",
                lambda x, p, W, U, rank, n: (p @ U.T).split([rank, n, n], dim=-1),
                "own step",
                "Now only the partner decides; the own step has its say through W.",
            ),
            Wrong(
                "softplus",
                _softplus,
                "softplus",
                "delta went through softplus here. That comes later, in the scan, after delta was widened to e: "
                "return it as it is.",
            ),
            Wrong(
                "delta without partner",
                _own_delta,
                "not in delta",
                "The partner is heard in B and C and not in delta: add U's image before you cut.",
            ),
            Wrong(
                "averaged",
                lambda x, p, W, U, rank, n: tuple(v / 2 for v in select(x, p, W, U, rank, n)),
                "the mean of the two",
                "This is the mean of the two images; the equation adds them.",
            ),
        ),
    ),
]
