"""Exercises of 27 ten ways to fuse: what is shared, what one modality says alone, what one knows of another."""

import math

import torch

from mgmr_lib.chapters.shared.drawing import misread, quarters, telling, unlike
from mgmr_lib.course.compare import difference
from mgmr_lib.course.registry import Case, Exercise, Wrong
from mgmr_lib.models.baselines.lnln import reverse_gradient
from mgmr_lib.models.baselines.misa import central_moment_discrepancy
from mgmr_lib.models.baselines.mmim import contrastive_loss


def voice_mean(voice, voice_lengths, text_lengths):
    """(b,l,d), (b), (b) -> (b,d): the mean over each clip's own frames."""
    own = (torch.arange(voice.shape[1]) < voice_lengths[:, None])[..., None]
    return (voice * own).sum(1) / voice_lengths[:, None]


def moved_label(own, y, delta, delta_fused, epoch, limit):
    """Self-MM's update of one pseudo-label."""
    new = 0.5 * (y * delta / delta_fused + y + delta - delta_fused)
    share = 2 / (epoch + 1)
    return (1 - share) * own + share * max(-limit, min(limit, new))


def log_likelihood(x, mean, log_variance):
    """log q(x) of a Gaussian with one variance a channel, without the constant: (b,d) three times -> (b,)."""
    return -0.5 * (log_variance + (x - mean) ** 2 / log_variance.exp()).sum(-1)


def corrected(proxy, text, w):
    """Two (b,T,d), w (b,1) -> what the fusion reads, what the discriminator reads."""
    mixed = (1 - w[..., None]) * proxy + w[..., None] * text
    return mixed, reverse_gradient(mixed)


def _voice_cases(rng):
    made = []
    for b, longest in ((1, 4), (3, 6), (3, 7)):
        lengths = torch.tensor([longest, *(rng.randint(2, longest - 1) for _ in range(b - 1))])
        words = torch.tensor([max(1, int(n) - rng.randint(1, 2)) for n in lengths])
        if b > 1:
            words[1] = lengths[1] + 1  # a voice may be shorter than its text, too
        made.append((quarters(rng, b, longest, 2), lengths, words))
    return made


def _by_text(voice, voice_lengths, text_lengths):
    return voice_mean(voice, text_lengths, text_lengths)


def _all_frames(voice, voice_lengths, text_lengths):
    return voice.mean(1)


def _shorter(voice, voice_lengths, text_lengths):
    return voice_mean(voice, torch.minimum(voice_lengths, text_lengths), text_lengths)


def _divided_by_all(voice, voice_lengths, text_lengths):
    own = (torch.arange(voice.shape[1]) < voice_lengths[:, None])[..., None]
    return (voice * own).mean(1)


def _moment_cases(rng):
    def spread(b, d):
        return quarters(rng, b, d) / 4  # numbers below 0 as well

    made = [Case((torch.tensor([[0.25], [0.75]]).double(), torch.tensor([[0.0], [1.0]]).double(), 3), "equal means")]
    return made + [(spread(5, 2), spread(4, 2), 2), (spread(6, 3), spread(6, 3), 5), (spread(4, 1), spread(5, 1), 4)]


def _cmd_trial(answer, rng):
    """Values are compared with the reference; here: a gradient that is a number, where moments are equal."""
    for b, equal in ((1, False), (4, True)):
        x = (quarters(rng, b, 3) / 4 + 0.5).requires_grad_()
        y = x.detach().clone() if equal else quarters(rng, b, 3) / 4 + 0.5
        found = answer(x, y, 5)
        if not isinstance(found, torch.Tensor) or not found.requires_grad:
            return "No gradient flows from the result to x: stay with tensors, without .item() or detach()."
        (grad,) = torch.autograd.grad(found, x)
        if not grad.isfinite().all():
            return (
                "The value is right, but its gradient is not a number where two moments are equal: the root of a sum "
                "of squares has no slope at 0. torch.linalg.vector_norm gives 0 there."
            )
    return _both_are_taught(answer, rng)


def _both_are_taught(answer, rng) -> str | None:
    """What is wrong with the gradients to x and to y, where no moments are equal."""
    values = [quarters(rng, b, 3) / 4 for b in (5, 4)]
    mine, right = ([v.clone().requires_grad_() for v in values] for _ in range(2))
    got = torch.autograd.grad(answer(*mine, 4), mine, allow_unused=True)
    want = torch.autograd.grad(central_moment_discrepancy(*right, 4), right)
    for name, one, other in zip("xy", got, want, strict=True):
        if one is None or difference(one, other) is not None:
            return (
                f"The value is right, but {name} gets another gradient: leave out every detach(). Both batches are "
                "pulled towards each other, through their means as well."
            )
    return None


def _rooted(x, y, moments, added=0.0):
    a, b = x - x.mean(0), y - y.mean(0)
    total = ((x.mean(0) - y.mean(0)).square().sum() + added).sqrt()
    for k in range(2, moments + 1):
        total = total + (((a**k).mean(0) - (b**k).mean(0)).square().sum() + added).sqrt()
    return total


def _rooted_above_zero(x, y, moments):
    return _rooted(x, y, moments, 1e-8)


def _raw_moments(x, y, moments):
    return sum(torch.linalg.vector_norm((x**k).mean(0) - (y**k).mean(0)) for k in range(1, moments + 1))


def _means_only(x, y, moments):
    return torch.linalg.vector_norm(x.mean(0) - y.mean(0))


def _one_too_few(x, y, moments):
    return central_moment_discrepancy(x, y, moments - 1)


def _summed(x, y, moments):
    a, b = x - x.mean(0), y - y.mean(0)
    parts = [x.mean(0) - y.mean(0)] + [(a**k).mean(0) - (b**k).mean(0) for k in range(2, moments + 1)]
    return torch.linalg.vector_norm(sum(parts))


def _centred_together(x, y, moments):
    middle = torch.cat([x, y]).mean(0)
    total = torch.linalg.vector_norm(x.mean(0) - y.mean(0))
    for k in range(2, moments + 1):
        total = total + torch.linalg.vector_norm(((x - middle) ** k).mean(0) - ((y - middle) ** k).mean(0))
    return total


def _standardised(x, y, moments):
    total, (a, b) = _means_only(x, y, moments), ((v - v.mean(0)) / v.std(0, unbiased=False) for v in (x, y))
    for k in range(2, moments + 1):
        total = total + torch.linalg.vector_norm((a**k).mean(0) - (b**k).mean(0))
    return total


def _label_cases(rng):
    def signed(low, high):
        return rng.choice([-1, 1]) * rng.randint(low, high) / 4

    made = [Case((1.0, 2.0, 0.5, 0.5, 1, 3.0), "the modality lies where the fusion lies")]
    made += [Case((2.0, 2.5, 4.0, 0.5, 2, 2.5), "far beyond the limit")]
    made += [Case((-1.0, -1.0, 4.0, 0.5, 3, 1.0), "far below the limit")]
    made += [Case((1.0, 1.0, 2.0, 0.5, 2, 3.5), "beyond the clip's own label, and still within the limit")]
    made += [Case((2.0, 0.5, 0.25, 0.5, 3, 1.0), "the old label lies beyond the limit, and is not bounded")]
    made += [Case((1.0, 2.0, -0.5, 0.5, 2, 3.0), "the modality lies on the negative side, the fusion does not")]
    made += [Case((1.0, 2.0, 0.5, -0.5, 3, 3.0), "the fusion lies on the negative side, the modality does not")]

    def drawn(epoch, limit):
        return lambda rng: (signed(2, 9), signed(2, 9), signed(1, 3), signed(4, 6), epoch, limit)

    tells = unlike(moved_label, misread(moved_label, 0, round), misread(moved_label, 1, round))
    made += [drawn(1, 3.0)(rng), telling(rng, drawn(2, 3.0), tells), telling(rng, drawn(4, 3.0), tells)]
    return [*made, drawn(rng.randint(5, 9), 1.0)(rng)]


def _mixed(share_of):
    def rule(own, y, delta, delta_fused, epoch, limit):
        new = 0.5 * (y * delta / delta_fused + y + delta - delta_fused)
        share = share_of(epoch)
        return (1 - share) * own + share * max(-limit, min(limit, new))

    return rule


def _unbounded(own, y, delta, delta_fused, epoch, limit):
    return moved_label(own, y, delta, delta_fused, epoch, math.inf)


def _bounded_last(own, y, delta, delta_fused, epoch, limit):
    return max(-limit, min(limit, _unbounded(own, y, delta, delta_fused, epoch, limit)))


def _only_ratio(own, y, delta, delta_fused, epoch, limit):
    return (1 - 2 / (epoch + 1)) * own + 2 / (epoch + 1) * max(-limit, min(limit, y * delta / delta_fused))


def _only_difference(own, y, delta, delta_fused, epoch, limit):
    return (1 - 2 / (epoch + 1)) * own + 2 / (epoch + 1) * max(-limit, min(limit, y + delta - delta_fused))


def _pair_cases(rng):
    made = [Case((torch.tensor([[3.0, 4.0]]).double(), torch.tensor([[1.0, 0.0]]).double()), "a single clip")]
    return made + [(quarters(rng, b, d), quarters(rng, b, d)) for b, d in ((2, 3), (4, 3), (5, 2))]


def _cosines(x, guess):
    unit = lambda v: v / v.norm(dim=-1, keepdim=True)  # noqa: E731
    return unit(x) @ unit(guess).T


def _not_scaled(x, guess):
    return torch.nn.functional.cross_entropy(x @ guess.T, torch.arange(len(x)))


def _without_positive(x, guess):
    scores = _cosines(x, guess)
    others = scores.masked_fill(torch.eye(len(x), dtype=torch.bool), -torch.inf)
    return (others.logsumexp(1) - scores.diagonal()).mean()


def _with_temperature(x, guess):
    return torch.nn.functional.cross_entropy(_cosines(x, guess) / 0.1, torch.arange(len(x)))


def _both_ways(x, guess):
    return (contrastive_loss(x, guess) + contrastive_loss(guess, x)) / 2


def _summed_clips(x, guess):
    return contrastive_loss(x, guess) * len(x)


def _turned(x, guess):
    return contrastive_loss(guess, x)


def _pulls_only(x, guess):
    return -_cosines(x, guess).diagonal().mean()


def _gaussian_cases(rng):
    made = [Case((torch.ones(1, 1).double(), torch.zeros(1, 1).double(), torch.zeros(1, 1).double()), "variance 1")]
    return made + [(quarters(rng, b, d), quarters(rng, b, d), quarters(rng, b, d, high=4)) for b, d in ((1, 2), (3, 2))]


def _no_spread_term(x, mean, log_variance):
    return -(0.5 * (x - mean) ** 2 / log_variance.exp()).sum(-1)


def _spread_rewarded(x, mean, log_variance):
    return (0.5 * log_variance - 0.5 * (x - mean) ** 2 / log_variance.exp()).sum(-1)


def _whole_log(x, mean, log_variance):
    return -(log_variance + 0.5 * (x - mean) ** 2 / log_variance.exp()).sum(-1)


def _deviation(x, mean, log_variance):
    return -0.5 * (log_variance + (x - mean) ** 2 / (0.5 * log_variance).exp()).sum(-1)


def _negative(x, mean, log_variance):
    return -log_likelihood(x, mean, log_variance)


def _with_constant(x, mean, log_variance):
    return log_likelihood(x, mean, log_variance) - 0.5 * x.shape[-1] * math.log(2 * math.pi)


def _mean_channels(x, mean, log_variance):
    return log_likelihood(x, mean, log_variance) / x.shape[-1]


def _mixed_gradients(answer, rng):
    """Values, and the signs of the gradients of both readers to all three that are mixed."""
    values = quarters(rng, 2, 3, 2), quarters(rng, 2, 3, 2), torch.tensor([[0.25], [0.75]]).double()
    inputs = [v.clone().requires_grad_() for v in values]
    found = answer(*inputs)
    if not isinstance(found, (tuple, list)) or len(found) != 2:
        return "Return two tensors: what the fusion reads, and what the discriminator reads."
    want = (1 - values[2][..., None]) * values[0] + values[2][..., None] * values[1]
    for name, got in zip(("fusion", "discriminator"), found, strict=True):
        if not isinstance(got, torch.Tensor) or difference(got.detach(), want) is not None:
            return (
                f"What the {name} reads has another value than (1 - w) times the proxy plus w times the text: "
                "a reversal changes no value."
            )
        if not got.requires_grad:
            return f"No gradient flows back from what the {name} reads: it is reversed, not cut."
    weight = quarters(rng, 2, 3, 2)
    plain = torch.autograd.grad((weight * ((1 - inputs[2][..., None]) * inputs[0] + inputs[2][..., None] * inputs[1])
                                 ).sum(), inputs)  # fmt: skip
    return _turned_wrongly(found, inputs, weight, plain)


def _turned_wrongly(found, inputs, weight, plain):
    """What is wrong with the signs of the gradients from the two readers to what was mixed."""
    for name, got, sign in (("task", found[0], 1), ("discriminator", found[1], -1)):
        grads = torch.autograd.grad((weight * got).sum(), inputs, retain_graph=True, allow_unused=True)
        wrong = []
        for part, grad, one in zip(("proxy", "text", "w"), grads, plain, strict=True):
            if grad is None:
                return f"No gradient flows from the {name} to {part}: a reversal keeps it, with its sign turned."
            if difference(grad, sign * one) is not None:
                wrong.append(part)
                if difference(grad, -sign * one) is not None:
                    return f"The gradient from the {name} to {part} has another size: it is reversed once, not scaled."
        if wrong:
            return _SIGNS[name, len(wrong) == len(inputs)].format(" and ".join(wrong))
    return None


_SIGNS = {
    ("task", False): "The task's gradient reaches {} reversed: it is trained to harm the prediction.",
    ("task", True): "The task's gradient is reversed on its whole way: all that is mixed is trained to harm it.",
    ("discriminator", False): "The gradient from the discriminator is reversed in part: {} still help it.",
    ("discriminator", True): "Nothing is reversed on the way to the discriminator: all that is mixed helps it.",
}


def _literal(proxy, text, w):
    mixed = (1 - w[..., None]) * reverse_gradient(proxy) + w[..., None] * text
    return mixed, mixed


def _both_reversed(proxy, text, w):
    mixed = reverse_gradient((1 - w[..., None]) * proxy + w[..., None] * text)
    return mixed, mixed


def _never_reversed(proxy, text, w):
    mixed = (1 - w[..., None]) * proxy + w[..., None] * text
    return mixed, mixed


def _cut(proxy, text, w):
    mixed = (1 - w[..., None]) * proxy + w[..., None] * text
    return mixed, mixed.detach()


def _swapped_weights(proxy, text, w):
    return corrected(text, proxy, w)


def _proxy_alone(proxy, text, w):
    mixed = (1 - w[..., None]) * proxy + w[..., None] * text
    return mixed, (1 - w[..., None]) * reverse_gradient(proxy) + w[..., None] * text


EXERCISES = [
    Exercise(
        id="27.1",
        title="find the bug: a voice cut short",
        difficulty=1,
        minutes=6,
        reference=voice_mean,
        cases=_voice_cases,
        hints=(
            "A frame counts if its number is below the length of its own voice; the text's length has no say.",
            "torch.arange(l) < voice_lengths[:, None] is (b,l); sum over axis 1, divided by (b,1).",
        ),
        after="Each voice is read to its own end, and nothing of its padding.",
        wrong=(
            Wrong(
                "the text's length",
                _by_text,
                "as many frames as the text",
                "This reads as many frames as the text has tokens, whatever the voice's own length is.",
            ),
            Wrong("padding too", _all_frames, "padding", "This averages over padding, too."),
            Wrong(
                "the shorter",
                _shorter,
                "shorter of the two",
                "This stops at the shorter of the two lengths; only the voice's own counts.",
            ),
            Wrong(
                "divided by the longest",
                _divided_by_all,
                "longest clip",
                "The sum is right, but it is divided by the length of the longest clip.",
            ),
            Wrong(
                "sum",
                lambda v, n, _: voice_mean(v, n, _) * n[:, None],
                "sum over the frames",
                "This is the sum over the frames; divide by their number.",
            ),
            Wrong(
                "divided by the text's length",
                lambda v, n, m: voice_mean(v, n, m) * n[:, None] / m[:, None],
                "divided by the text",
                "The right frames are added, but their sum is divided by the text's length.",
            ),
        ),
    ),
    Exercise(
        id="27.2",
        title="central moment discrepancy",
        difficulty=2,
        minutes=10,
        reference=central_moment_discrepancy,
        cases=_moment_cases,
        test=_cmd_trial,
        hints=(
            "First the distance of the means. Then centre each batch by its own mean, and for each k from 2 on take "
            "the mean of the k-th powers over the clips.",
            "x.mean(0) is (d,), (x - x.mean(0)) ** k is (b,d), its mean(0) is (d,); torch.linalg.vector_norm of a "
            "difference is a scalar.",
        ),
        after="Equal at all orders: then, for bounded values, the distributions are equal.",
        wrong=(
            Wrong("roots", _rooted, "not a number"),
            Wrong(
                "a little under the root",
                _rooted_above_zero,
                "under the root",
                "A small number under the root gives a gradient, but adds its own root wherever moments are equal; "
                "torch.linalg.vector_norm needs none.",
            ),
            Wrong(
                "raw moments",
                _raw_moments,
                "not centred",
                "These powers are not centred: subtract each batch's own mean first, for k from 2 on.",
            ),
            Wrong("means only", _means_only, "means alone", "This compares the means alone."),
            Wrong("one moment too few", _one_too_few, "last moment", "The last moment is missing: k goes up to K."),
            Wrong(
                "added before the norm",
                _summed,
                "cancel",
                "Differences of several orders are added before their length is taken, so they can cancel.",
            ),
            Wrong(
                "divided by the spread",
                _standardised,
                "standard deviation",
                "The batches are divided by their standard deviation: centre them only, so that spreads are compared "
                "as well.",
            ),
            Wrong(
                "one common mean",
                _centred_together,
                "common mean",
                "Both batches are centred by their common mean; each has its own mean.",
            ),
        ),
    ),
    Exercise(
        id="27.3",
        title="a label that moves",
        difficulty=2,
        minutes=10,
        reference=moved_label,
        cases=_label_cases,
        hints=(
            "Write the new label first, bound it, then mix it with the old one: the new one's share is two parts of "
            "epoch + 1.",
            "All are plain numbers; max(-limit, min(limit, new)) bounds; the shares (e - 1)/(e + 1) and 2/(e + 1) add "
            "up to 1.",
        ),
        after="Where a modality lies as the fusion does, its new label is the clip's own.",
        wrong=(
            Wrong(
                "shares swapped",
                _mixed(lambda e: 1 - 2 / (e + 1)),
                "shares are swapped",
                "The two shares are swapped: 2/(e + 1) belongs to the new label.",
            ),
            Wrong(
                "half each",
                _mixed(lambda e: 0.5),
                "falls with the epoch",
                "The new label's share falls with the epoch; here it is always a half.",
            ),
            Wrong(
                "1/(e + 1)",
                _mixed(lambda e: 1 / (e + 1)),
                "twice as large",
                "The new label's share is twice as large: 2/(e + 1).",
            ),
            Wrong("unbounded", _unbounded, "not bounded", "The new label is not bounded: -limit to limit."),
            Wrong(
                "bounded last",
                _bounded_last,
                "before it is mixed",
                "The new label is bounded before it is mixed with the old one.",
            ),
            Wrong(
                "ratio only",
                _only_ratio,
                "only the ratio",
                "This takes only the ratio; it is the mean of ratio and difference.",
            ),
            Wrong(
                "difference only",
                _only_difference,
                "only the difference",
                "This takes only the difference; it is the mean of ratio and difference.",
            ),
        ),
    ),
    Exercise(
        id="27.4",
        title="which guess is mine?",
        difficulty=2,
        minutes=8,
        reference=contrastive_loss,
        cases=_pair_cases,
        hints=(
            "All cosines between clips and guesses make a square table; the right guess of each row stands on the "
            "diagonal. Then it is classification.",
            "Unit rows: v / v.norm(dim=-1, keepdim=True); x @ guess.T is (b,b); cross_entropy(scores, torch.arange(b)) "
            "is a scalar.",
        ),
        after="The other clips of the batch are the wrong answers: a loss that needs no labels.",
        wrong=(
            Wrong(
                "not scaled",
                _not_scaled,
                "length 1",
                "These are plain products: a long vector wins by its length. Scale rows to length 1.",
            ),
            Wrong(
                "positive left out",
                _without_positive,
                "own guess",
                "The sum below the fraction must hold the clip's own guess, too.",
            ),
            Wrong(
                "with a temperature",
                _with_temperature,
                "temperature",
                "A temperature divides the cosines here: take them as they are.",
            ),
            Wrong(
                "both ways",
                _both_ways,
                "two losses",
                "This is the mean of two losses: only that of each vector among all guesses is asked for.",
            ),
            Wrong("summed", _summed_clips, "mean over clips", "This is a sum; asked is the mean over clips."),
            Wrong(
                "turned round",
                _turned,
                "other way round",
                "The other way round: for each vector, its guess among all guesses (rows are vectors).",
            ),
            Wrong(
                "pulls only",
                _pulls_only,
                "nothing pushes",
                "This pulls each guess to its vector, and nothing pushes it away from the others.",
            ),
        ),
    ),
    Exercise(
        id="27.5",
        title="find the bug: it pays not to know",
        difficulty=1,
        minutes=6,
        reference=log_likelihood,
        cases=_gaussian_cases,
        hints=(
            "A wide Gaussian is also a low one: its height falls with its width.",
            "For each channel -(log variance)/2 - (x - mean)^2 / (2 variance), summed over channels: (b,d) -> (b,).",
        ),
        after="Now a large variance costs something, and the best one is the squared error.",
        wrong=(
            Wrong(
                "the colleague's",
                _no_spread_term,
                "still missing",
                "The height is still missing: half the log variance has to be taken off.",
            ),
            Wrong(
                "spread rewarded",
                _spread_rewarded,
                "rewarded",
                "A wide Gaussian is rewarded here: the sign of half the log variance is turned.",
            ),
            Wrong(
                "whole log variance",
                _whole_log,
                "standard deviation.",
                "It is half the log variance: the logarithm of the standard deviation.",
            ),
            Wrong(
                "deviation for variance",
                _deviation,
                "by the variance",
                "The squared error is divided by the standard deviation; it must be by the variance.",
            ),
            Wrong(
                "sign turned",
                _negative,
                "larger where",
                "The sign is turned: a likelihood is larger where x is near the mean.",
            ),
            Wrong(
                "with the constant",
                _with_constant,
                "constant",
                "This is the whole log likelihood. Asked is the one without its constant, half of log(2 pi) for each "
                "channel: that depends on neither mean nor variance, so it moves no gradient. Leave it out.",
            ),
            Wrong(
                "mean over channels",
                _mean_channels,
                "add up",
                "This is a mean over channels; log probabilities add up.",
            ),
        ),
    ),
    Exercise(
        id="27.6",
        title="find the bug: trained to harm",
        difficulty=3,
        minutes=12,
        reference=corrected,
        test=_mixed_gradients,
        hints=(
            "Mix first, with nothing reversed. The fusion reads that. Only on the way to the discriminator does the "
            "sign turn.",
            "w[..., None] is (b,1,1); return mixed, reverse_gradient(mixed), both (b,T,d).",
        ),
        after="All that is mixed is made to deceive the discriminator, and nothing is made to harm the task.",
        wrong=(
            Wrong("the colleague's", _literal, "harm the prediction"),
            Wrong("both reversed", _both_reversed, "whole way"),
            Wrong("never reversed", _never_reversed, "Nothing is reversed"),
            Wrong("cut", _cut, "not cut"),
            Wrong("weights swapped", _swapped_weights, "another value"),
            Wrong("the proxy alone", _proxy_alone, "still help"),
        ),
    ),
]
