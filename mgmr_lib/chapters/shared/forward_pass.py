"""What both "build it yourself" of whole networks share: small clips with gaps, a stage for each intermediate."""

import copy
import functools
import random
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mgmr_lib.course.compare import difference
from mgmr_lib.course.registry import Wrong
from mgmr_lib.course.stages import in_stages
from mgmr_lib.data.corpus import MODALITIES
from mgmr_lib.models.inputs import Sequence as Steps

WIDTHS = {"text": 3, "audio": 2, "vision": 4}
LONGEST = dict(zip(MODALITIES, (5, 11, 8), strict=True))  # steps


def _steps(rng, g: torch.Generator) -> dict[str, Tensor]:
    """{modality: how many steps each clip has}. The longest voice belongs to the shortest text and the longest face to
    another: only so does every slip in spreading them over the words show, on every draw."""
    while True:
        drawn = {
            m: torch.tensor([1, rng.randrange(2, n), n])[torch.randperm(3, generator=g)] for m, n in LONGEST.items()
        }
        voice, face = (drawn["text"][drawn[m].argmax()] for m in ("audio", "vision"))
        if voice == 1 < face:
            return drawn


def clips(rng) -> tuple[dict[str, Steps], Tensor]:
    """Three clips of different lengths in each modality, with lost steps in each: {modality: Sequence}, labels (3,)
    of both signs."""
    g, s = torch.Generator().manual_seed(rng.randrange(10**6)), {}
    steps = _steps(rng, g)
    for m, longest in LONGEST.items():
        valid = torch.arange(longest) < steps[m][:, None]
        keep = valid & (torch.rand(valid.shape, generator=g) > 0.4)
        keep[:, 1] = False  # a clip of two steps or more has lost its second one, and kept its first
        keep[:, 0] = True
        target = torch.randn(3, longest, WIDTHS[m], generator=g).masked_fill(~valid[..., None], 0.0)
        s[m] = Steps(target.masked_fill(~keep[..., None], 0.0), target, valid, keep)
    signs = torch.tensor([1.0, -1.0, rng.choice([-1.0, 1.0])])[torch.randperm(3, generator=g)]
    return s, torch.randn(3, generator=g).abs() * signs


@dataclass(frozen=True)
class Stage:
    """What must stand under `key` in the dictionary that an answer returns; padding is not compared.

    name: of the stage, for the learner; draw(rng) -> (net, s, labels); words: sequences have the text's steps here.
    """

    name: str
    key: str
    draw: Callable
    words: bool = False


@dataclass(frozen=True)
class Mistake:
    """A plausible wrong value of a stage: value(net, s, labels, right), right: what the reference returns."""

    stage: str
    name: str
    says: str
    value: Callable[..., object]


def loss_mistakes(key: str, missing: str) -> tuple[Mistake, ...]:
    """What goes wrong in |prediction - label| plus a Smooth L1 loss over the lost steps of each modality.

    key: under which an answer keeps its guesses, {modality: (b,l,d)}; missing: the sentence for no such losses.
    """

    def cost(r, s, y, which, reduction="mean"):
        task = (r["prediction"] - y).abs().mean()
        terms = [(r[key][m][which(p)], p.target[which(p)]) for m, p in s.items()] if which else []
        return task + sum(F.smooth_l1_loss(guess, truth, reduction=reduction) for guess, truth in terms)

    def lost(part):
        return part.missing

    return (
        Mistake("loss", "no reconstruction loss", missing, lambda n, s, y, r: cost(r, s, y, None)),
        Mistake(
            "loss",
            "all valid steps",
            "The reconstruction is compared at all valid steps: only lost ones count (notebook 14).",
            lambda n, s, y, r: cost(r, s, y, lambda part: part.valid),
        ),
        Mistake(
            "loss",
            "a sum over lost numbers",
            "The reconstruction's loss is a sum over lost numbers: take their mean.",
            lambda n, s, y, r: cost(r, s, y, lost, reduction="sum"),
        ),
        Mistake(
            "loss",
            "sign kept",
            "The errors of the task keep their sign, so that they cancel: take abs first.",
            lambda n, s, y, r: r["loss"] - (r["prediction"] - y).abs().mean() + (r["prediction"] - y).mean(),
        ),
        Mistake(
            "nothing lost",
            "a mean over nothing",
            "A mean over no numbers is nan: a modality of which nothing is lost adds nothing.",
            lambda n, s, y, r: cost(r, s, y, lost),
        ),
    )


def nothing_lost(draw: Callable) -> Callable:
    """The same draw, but nothing is lost in voice."""

    def drawn(rng):
        net, s, labels = draw(rng)
        s["audio"].keep = s["audio"].valid
        return net, s, labels

    return drawn


def staged(reference: Callable, stages: Sequence[Stage], mistakes: Sequence[Mistake]):
    """The check: stage by stage, with the sentence of the mistake that is recognised."""

    # who tries many answers on the same draws (200, of two kinds, for the full mutants) waits for theirs alone
    @functools.lru_cache(maxsize=512)
    def drawn(draw: Callable, seed: int) -> _Drawn:
        mine = [(x, m) for x in stages if x.draw is draw for m in mistakes if m.stage == x.name]
        return _draw(reference, draw, mine, random.Random(seed))

    @functools.lru_cache(maxsize=512)
    def gradients(seed: int) -> dict[str, Tensor]:
        return _gradients(reference, drawn(stages[0].draw, seed).args)

    def test(fn: Callable, rng) -> str | None:
        seed, runs = rng.randrange(10**6), {}  # stages with one `draw` look at one run of the answer

        def look(stage: Stage, fn: Callable, rng) -> str | None:
            wrong = _look(stage, drawn, seed, mistakes, runs, fn, rng)
            if wrong is None and stage.key == "loss" and stage.draw is stages[0].draw:
                return _teaches(fn, drawn(stage.draw, seed).args, gradients(seed))
            return wrong

        return in_stages(*((x.name, functools.partial(look, x)) for x in stages))(fn, rng)

    return test


@dataclass(frozen=True)
class _Drawn:
    """Arguments, what is right for them, and the value of each mistake (by its name)."""

    args: tuple
    right: dict
    values: dict[str, object]


@torch.no_grad()
def _draw(reference: Callable, draw: Callable, mistakes: Sequence[tuple[Stage, Mistake]], rng) -> _Drawn:
    """A draw in which every one of the mistakes shows."""
    for _ in range(100):
        args = draw(rng)
        right = reference(*args)
        values = {m.name: m.value(*args, right) for _, m in mistakes}
        if not any(
            _same(_seen(values[m.name], args[1], x.words), _seen(right[x.key], args[1], x.words)) for x, m in mistakes
        ):
            return _Drawn(args, right, values)
    raise ValueError("in none of a hundred draws does every mistake show")


def _same(a, b) -> bool:
    """Whether two tensors, or dictionaries of them, are close; nan is close to nan."""
    if isinstance(a, dict) and isinstance(b, dict):
        return set(a) == set(b) and all(_same(a[k], b[k]) for k in b)
    if not isinstance(a, Tensor) or not isinstance(b, Tensor) or a.shape != b.shape:
        return False
    return torch.allclose(a.to(b), b, rtol=1e-4, atol=1e-5, equal_nan=True)


def _apart(stage: Stage, a, b, s: dict[str, Steps]) -> str | None:
    a, b = _seen(a, s, stage.words), _seen(b, s, stage.words)
    return None if _same(a, b) else difference(a, b, 1e-4, 1e-5)  # in words: slow


def copied(args: tuple) -> tuple:
    """A deep copy. Most objects of a network are empty dictionaries of hooks, and most of deepcopy's time is theirs:
    they are replaced beforehand."""
    modules = (m for a in args if isinstance(a, nn.Module) for m in a.modules())
    hooks = (v for m in modules for v in vars(m).values() if type(v) is OrderedDict and not v)
    return copy.deepcopy(args, {id(v): OrderedDict() for v in hooks})


def _look(stage: Stage, drawn: Callable, seed: int, mistakes: Sequence[Mistake], runs: dict, fn: Callable, _rng):
    """The sentence that says what is wrong at this stage, or None."""
    given = drawn(stage.draw, seed)
    if stage.draw not in runs:
        with torch.no_grad():
            runs[stage.draw] = fn(*copied(given.args))
    yours, key, s = runs[stage.draw], stage.key, given.args[1]
    if not isinstance(yours, dict):
        return f"it returns a {type(yours).__name__}: return a dictionary."
    if key not in yours:
        return f'there is no "{key}" in the dictionary yet.'
    wrong = _apart(stage, yours[key], given.right[key], s)
    if wrong is None:
        return None
    seen = _seen(yours[key], s, stage.words)
    for m in mistakes:
        if m.stage == stage.name and _same(seen, _seen(given.values[m.name], s, stage.words)):
            return f"{m.says} {wrong[0].upper()}{wrong[1:]}."
    return f'in "{key}" {wrong}.'


def _gradients(fn: Callable, args: tuple) -> dict[str, Tensor] | None:
    """What the answer's loss leaves at each of the network's parameters; None where it carries no gradient."""
    net, s, labels = copied(args)
    with torch.enable_grad():
        loss = fn(net, s, labels)["loss"]
        if not isinstance(loss, Tensor) or not loss.requires_grad:
            return None
        loss.backward()
    return {name: torch.zeros_like(p) if p.grad is None else p.grad for name, p in net.named_parameters()}


def _teaches(fn: Callable, args: tuple, right: dict[str, Tensor]) -> str | None:
    """What is wrong with the gradient of the answer's loss, at any parameter of the network."""
    yours = _gradients(fn, args)
    if yours is None:
        return "the loss is the right number and carries no gradient: it has to teach. Leave out item and detach."
    for name, want in right.items():
        if not (yours[name] - want).abs().max() <= 1e-4 + 1e-3 * want.abs().max():
            return (
                f"the loss is right, but what it teaches {name} is not: leave out detach and no_grad on the way to it."
            )
    return None


def wrong_answers(reference: Callable, stages: Sequence[Stage], mistakes: Sequence[Mistake]) -> list[Wrong]:
    """For each mistake, the reference with that one value in it; and losses that teach nothing, or too little."""
    keys = {x.name: x.key for x in stages}

    def answer(mistake: Mistake) -> Callable:
        def fn(net, s, labels):
            right = reference(net, s, labels)
            return right | {keys[mistake.stage]: mistake.value(net, s, labels, right)}

        return fn

    def number(net, s, labels):
        right = reference(net, s, labels)
        return right | {"loss": right["loss"].detach()}

    def silent(net, s, labels):
        right = reference(net, s, labels)
        error = (right["prediction"] - labels).abs().mean()
        return right | {"loss": right["loss"] - error + error.detach()}

    return [
        *(Wrong(m.name, answer(m), m.says) for m in mistakes),
        Wrong("a detached loss", number, "carries no gradient"),
        Wrong("a detached task", silent, "leave out detach and no_grad"),
    ]


def _seen(value, s: dict[str, Steps], words: bool):
    """{modality: (b,l,d)} with zeros in the padding; anything else as it is."""
    if not isinstance(value, dict) or not all(isinstance(x, Tensor) for x in value.values()):
        return value
    found = {}
    for m, x in value.items():
        valid = s["text" if words else m].valid if m in s else None
        fits = valid is not None and x.dim() == 3 and x.shape[:2] == valid.shape
        found[m] = x.masked_fill(~valid[..., None], 0.0) if fits else x
    return found
