"""Exercises of 07 both directions, and the paper's simplified layer."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from mgmr_lib.chapters.shared.drawing import quarters
from mgmr_lib.course.registry import Case, Exercise, Wrong
from mgmr_lib.ssm import SimplifiedMambaLayer
from mgmr_lib.ssm import flip_valid as library_flip


def both_directions(ahead, back, x):
    """The mean of a layer ahead and of another one on the reversed sequence, turned back: (b,l,d) -> (b,l,d)."""
    return 0.5 * (ahead(x) + back(x.flip(1)).flip(1))


def flip_valid(x, lengths):
    """x (b,l,d), lengths (b): the first lengths[i] steps of row i reversed, the rest left alone."""
    return library_flip(x, torch.arange(x.shape[1]) < lengths[:, None])


def simplified_layer(x, decay, gamma, W, bias):
    """The paper's layer, by the library: x (b,l,d), decay, gamma, bias (d), W (d,d) -> (b,l,d)."""
    layer = SimplifiedMambaLayer(x.shape[2]).to(x.dtype)
    layer.load_state_dict({"decay": decay, "gamma": gamma, "proj.weight": W, "proj.bias": bias})
    with torch.no_grad():
        return layer(x)


def superposition_gap(system, x1, x2):
    """The largest absolute entry of f(x1 + x2) - f(x1) - f(x2), as a number."""
    return (system(x1 + x2) - system(x1) - system(x2)).abs().max().item()


@dataclass(frozen=True)
class Fading:
    """A fading sum over time in each channel, (b,l,d) -> (b,l,d), channel c with a / (1 + c); readable in messages."""

    a: float

    def __call__(self, x):
        """x (b,l,d) -> (b,l,d)."""
        a = self.a / torch.arange(1.0, x.shape[2] + 1, dtype=x.dtype)
        h, ys = torch.zeros_like(x[:, 0]), []
        for x_t in x.unbind(1):
            h = a * h + x_t
            ys.append(h)
        return torch.stack(ys, dim=1)


@dataclass(frozen=True)
class Offset:
    """Adds a constant: its deviation from superposition is below 0 in every entry."""

    by: float = 0.5

    def __call__(self, x):
        """Any shape."""
        return x + self.by


@dataclass(frozen=True)
class Power:
    """Raises its input to a power."""

    exponent: int = 2

    def __call__(self, x):
        """Any shape."""
        return x**self.exponent


def _direction_cases(rng):
    return [
        (Fading(ahead), Fading(back), quarters(rng, *shape))
        for ahead, back, shape in zip(
            rng.sample([0.25, 0.5, -0.5], 3),
            rng.sample([0.75, 1.0, 0.6], 3),
            ((1, 4, 2), (2, 5, 3), (2, 3, 2)),
            strict=True,
        )
    ]


def _flip_cases(rng):
    made = [
        Case(
            (torch.tensor([[1.0, 2, 3, 4, 5], [6, 7, 0, 0, 0]])[..., None], torch.tensor([5, 2])),
            "two clips of 5 and 2 steps",
        )
    ]
    for _ in range(4):
        b, length = rng.randint(2, 4), rng.randint(5, 7)
        lengths = [rng.randint(2, 3), *(rng.randint(4, length - 1) for _ in range(b - 1))]
        rng.shuffle(lengths)
        made.append((quarters(rng, b, length, 2), torch.tensor(lengths)))
    return made


def _flip_off_by_one(x, lengths):
    steps = torch.arange(x.shape[1])
    index = torch.where(steps < lengths[:, None], (lengths[:, None] - steps).clamp(max=x.shape[1] - 1), steps)
    return x.gather(1, index[..., None].expand_as(x))


def _flip_zeroed(x, lengths):
    inside = (torch.arange(x.shape[1]) < lengths[:, None])[..., None]
    return torch.where(inside, flip_valid(x, lengths), torch.zeros_like(x))


def _flip_each_way(x, lengths):
    return flip_valid(x, lengths.max().expand_as(lengths))


def _layer_cases(rng):
    made = [
        Case(
            (
                torch.ones(1, 4, 1, dtype=torch.float64),
                *(torch.full((1,), v, dtype=torch.float64) for v in (0.0, 1.0)),
                torch.ones(1, 1, dtype=torch.float64),
                torch.zeros(1, dtype=torch.float64),
            ),
            "a constant tone, one channel",
        )
    ]
    for b, length, d in ((1, 5, 2), (2, 4, 3), (2, 6, 4)):
        made.append(
            (quarters(rng, b, length, d), quarters(rng, d), quarters(rng, d), quarters(rng, d, d), quarters(rng, d))
        )
    return made


def _layer(x, decay, gamma, W, bias, lam=None, late=False, phi=F.relu, inside=False):
    lam = torch.exp(-F.softplus(decay)) if lam is None else lam(decay)
    h, ys = torch.zeros_like(x[:, 0]), []
    for x_t in x.unbind(1):
        old, h = h, lam * h + gamma * x_t
        h = F.relu(h) if inside else h
        ys.append(old if late else h)
    return phi(torch.stack(ys, dim=1) @ W.T + bias)


def _system_cases(rng):
    made = [Case((Offset(), *(quarters(rng, 1, 3, 1) for _ in range(2))), "every deviation is below 0")]
    alike = torch.tensor([[[2.0], [1.0]]]), torch.tensor([[[0.0], [1.0]]])
    made.append(Case((Power(2), *alike), "the largest entries agree, the others do not"))
    second = torch.tensor([[[0.0]], [[2.0]]])
    made.append(Case((Power(2), second, second / 2), "the first of two clips does not deviate"))
    x = quarters(rng, 2, 3, 2)
    made.append(Case((Power(2), x, -x), "every deviation is below 0, and they differ"))
    made.append((Power(2), x, 3 * x))  # here the sum and a doubling never deviate alike, whatever was drawn
    return made + [
        (Power(2), quarters(rng, 2, 3, 2), quarters(rng, 2, 3, 2)),
        (Power(3), x + 4, -x),
        (Power(3), -x, x + 4),
        (Fading(0.5), quarters(rng, 1, 4, 2), quarters(rng, 1, 4, 2)),
    ]


def _gap(system, x1, x2):
    return system(x1 + x2) - system(x1) - system(x2)


EXERCISES = [
    Exercise(
        id="07.1",
        title="both directions",
        difficulty=1,
        minutes=6,
        reference=both_directions,
        cases=_direction_cases,
        hints=(
            "Turn the sequence round, run the second layer, turn its output round again; then take the mean of both.",
            "x is (b,l,d), so time is axis 1: x.flip(1). Both outputs are (b,l,d), in the order of time.",
        ),
        after="Each step's output now depends on the whole clip.",
        wrong=(
            Wrong(
                "not turned back",
                lambda ahead, back, x: 0.5 * (ahead(x) + back(x.flip(1))),
                "turned back",
                "The backward output is not turned back: its first step belongs to the end of the clip.",
            ),
            Wrong(
                "never turned",
                lambda ahead, back, x: 0.5 * (ahead(x) + back(x)),
                "both layers run forward",
                "Here both layers run forward in time: the second one must see the sequence reversed.",
            ),
            Wrong(
                "only the output turned",
                lambda ahead, back, x: 0.5 * (ahead(x) + back(x).flip(1)),
                "Only the backward output",
                "Only the backward output is turned: its layer must see the sequence reversed, too.",
            ),
            Wrong(
                "layers swapped",
                lambda ahead, back, x: both_directions(back, ahead, x),
                "have changed places",
                "The two layers have changed places: `back` is the one that sees the sequence reversed.",
            ),
            Wrong(
                "sum",
                lambda ahead, back, x: 2 * both_directions(ahead, back, x),
                "twice as large",
                "This is the sum, twice as large as the mean.",
            ),
            Wrong(
                "features turned",
                lambda ahead, back, x: 0.5 * (ahead(x) + back(x.flip(2)).flip(2)),
                "axis 1",
                "This reverses the features; time is axis 1.",
            ),
            Wrong(
                "one layer twice",
                lambda ahead, back, x: both_directions(ahead, ahead, x),
                "weights of its own",
                "The same layer runs in both directions; the backward one has weights of its own: use `back`.",
            ),
        ),
    ),
    Exercise(
        id="07.2",
        title="find the bug: flip the valid part",
        difficulty=3,
        minutes=12,
        reference=flip_valid,
        cases=_flip_cases,
        hints=(
            "Step t of the result comes from step lengths[i] - 1 - t while t lies inside the clip, and from t itself "
            "behind it.",
            "Build an index (b,l) with torch.where and take x.gather(1, index[..., None].expand_as(x)); or loop over "
            "the rows.",
        ),
        after="Done twice it gives x back, as a reversal should.",
        wrong=(
            Wrong(
                "everything flipped",
                lambda x, lengths: x.flip(1),
                "padding to the front",
                "This brings the padding to the front: the backward layer then starts in it.",
            ),
            Wrong(
                "off by one",
                _flip_off_by_one,
                "one step too far",
                "The index reaches one step too far, into the padding: the last valid step is lengths[i] - 1.",
            ),
            Wrong(
                "padding wiped",
                _flip_zeroed,
                "leave it as it is",
                "The valid part is right, but the padding became zero: leave it as it is, others may need it.",
            ),
            Wrong(
                "longest clip for all",
                _flip_each_way,
                "longest clip",
                "Every row is reversed over the length of the longest clip; each row has its own length.",
            ),
            Wrong(
                "rows flipped",
                lambda x, lengths: x.flip(0),
                "order of the clips",
                "This reverses the order of the clips in the batch: time is axis 1.",
            ),
            Wrong(
                "not flipped", lambda x, lengths: x.clone(), "nothing is reversed", "Here nothing is reversed at all."
            ),
        ),
    ),
    Exercise(
        id="07.3",
        title="the paper's layer",
        difficulty=2,
        minutes=10,
        reference=simplified_layer,
        cases=_layer_cases,
        rtol=1e-4,
        atol=1e-5,
        hints=(
            "lambda is one number a channel, computed once; then a loop over time: first the state, then relu(W h + "
            "b).",
            "h is (b,d); lam, gamma are (d); h @ W.T + bias is (b,d); torch.stack(ys, dim=1) makes (b,l,d) of l "
            "outputs.",
        ),
        after="One multiplication and one addition a channel and step, as in notebook 01.",
        wrong=(
            Wrong(
                "printed decay",
                lambda *a: _layer(*a, lam=torch.exp),
                "grows where",
                "This is exp(decay), as the text prints it: it grows where decay is above 0. Our reading: "
                "exp(-softplus(decay)).",
            ),
            Wrong(
                "softplus missing",
                lambda *a: _layer(*a, lam=lambda t: torch.exp(-t)),
                "softplus is missing",
                "The softplus is missing: exp(-decay) exceeds 1 where decay is negative.",
            ),
            Wrong(
                "sigmoid",
                lambda *a: _layer(*a, lam=torch.sigmoid),
                "wrong sign",
                "This is 1 / (1 + exp(-decay)); exp(-softplus(decay)) is 1 / (1 + exp(decay)): the wrong sign.",
            ),
            Wrong(
                "one step late",
                lambda *a: _layer(*a, late=True),
                "one step late",
                "The output comes one step late: h_t holds x_t already.",
            ),
            Wrong(
                "no relu",
                lambda *a: _layer(*a, phi=lambda t: t),
                "phi is missing",
                "phi is missing: take relu of W h + b.",
            ),
            Wrong(
                "relu inside",
                lambda *a: _layer(*a, inside=True),
                "inside the recurrence",
                "relu stands inside the recurrence: the state itself stays linear, only the output passes phi.",
            ),
            Wrong(
                "W transposed",
                lambda x, decay, gamma, W, bias: _layer(x, decay, gamma, W.T, bias),
                "transposed",
                "W is transposed: in rows of a batch, W h is h @ W.T.",
            ),
            Wrong(
                "gamma left out",
                lambda x, decay, gamma, W, bias: _layer(x, decay, torch.ones_like(gamma), W, bias),
                "gamma is left out",
                "gamma is left out: the input enters each channel with its own weight.",
            ),
        ),
    ),
    Exercise(
        id="07.4",
        title="a test of superposition",
        difficulty=1,
        minutes=5,
        reference=superposition_gap,
        cases=_system_cases,
        hints=(
            "Run the system on the sum and on both parts, subtract, and report the largest deviation without its sign.",
            "All three outputs have the same shape; .abs().max().item() makes one plain number of the difference.",
        ),
        after="Zero for every input means linear; selection makes it larger than zero.",
        wrong=(
            Wrong(
                "sign kept",
                lambda system, x1, x2: _gap(system, x1, x2).max().item(),
                "negative",
                "The sign is kept: a negative deviation is lost. Take abs first.",
            ),
            Wrong(
                "mean",
                lambda system, x1, x2: _gap(system, x1, x2).abs().mean().item(),
                "average",
                "This is the average deviation; one wrong entry among many would hardly show.",
            ),
            Wrong(
                "doubling",
                lambda system, x1, x2: (system(2 * x1) - 2 * system(x1)).abs().max().item(),
                "scaling alone",
                "This tests scaling alone; superposition is about the sum of two different inputs.",
            ),
            Wrong(
                "maximum first",
                lambda system, x1, x2: abs(
                    system(x1 + x2).abs().max().item() - (system(x1) + system(x2)).abs().max().item()
                ),
                "largest entries are subtracted",
                "The largest entries are subtracted: subtract first, entry by entry, and then take the largest.",
            ),
            Wrong(
                "one part",
                lambda system, x1, x2: (system(x1 + x2) - system(x1)).abs().max().item(),
                "second part",
                "The answer to the second part is not subtracted.",
            ),
            Wrong(
                "product",
                lambda system, x1, x2: (system(x1 + x2) - system(x1) * system(x2)).abs().max().item(),
                "multiplied",
                "The answers to the parts are multiplied; superposition adds them.",
            ),
            Wrong(
                "abs too late",
                lambda system, x1, x2: abs(_gap(system, x1, x2).max().item()),
                "comes too late",
                "abs comes too late: the largest entry is not the one furthest from 0. Take abs of every entry, then "
                "the maximum.",
            ),
        ),
    ),
]
