"""Exercises of 15 the whole MGMR-Net."""

from dataclasses import dataclass

import torch

from mgmr_lib.chapters.ch15_mgmr_net.build_it import BUILD_IT
from mgmr_lib.chapters.shared.drawing import columns, misread, telling, unlike
from mgmr_lib.course.registry import Case, Exercise, Wrong


def whole(parts, x):
    """Encode and rebuild each modality, bring voice and face onto the words' clock, align, fuse, predict."""
    ready = {m: parts.rebuild(m, parts.encode(m, v)) for m, v in x.items()}
    for m in ("audio", "vision"):
        ready[m] = parts.to_words(m, ready[m])
    return parts.head(parts.fuse(parts.align(ready)))


def joint(task, rec, alpha):
    """The task's loss and every reconstruction's, weighted; a modality without a reconstruction adds nothing."""
    return task + sum(alpha[m] * value for m, value in rec.items())


def gradient_size(loss, parameters):
    """The norm of the gradient of loss over all parameters together; 0.0 where there is no path. The graph stays."""
    found = torch.autograd.grad(loss, list(parameters), retain_graph=True, allow_unused=True)
    return sum(float(g.square().sum()) for g in found if g is not None) ** 0.5


def task_loss(prediction, labels):
    """prediction (b,1), labels (b,): the mean absolute difference of each clip's own two numbers."""
    return (prediction[:, 0] - labels).abs().mean()


# --- inputs and mistakes
# ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Parts:
    """Modules that map numbers to numbers, so that another order gives another result."""

    a: float

    def encode(self, m, x):
        return x + len(m) * self.a

    def rebuild(self, m, x):
        return x * 2 + x * x / len(m)

    def to_words(self, m, x):
        return x / 2 + len(m) * self.a

    def align(self, x):
        text, audio, vision = (x[m] for m in ("text", "audio", "vision"))
        return {"text": text + (audio + vision) / 4, "audio": audio + text / 2, "vision": vision - text / 2}

    def fuse(self, x):
        return 3 * x["text"] + 2 * x["audio"] * x["vision"]

    def head(self, x):
        return 1 - x / 8


def _clips(rng):
    return [
        Case(
            (Parts(rng.randint(1, 6) / 2), dict(zip(("text", "audio", "vision"), x, strict=True))), "modules as numbers"
        )
        for x in columns(rng, 4, 3, 1, 23)
    ]


def _ready(p, x, order=("encode", "rebuild", "to_words"), pooled=("audio", "vision")):
    out = {}
    for m, v in x.items():
        for step in order:
            if step != "to_words" or m in pooled:
                v = getattr(p, step)(m, v)
        out[m] = v
    return out


def _rebuilt_last(p, x):
    aligned = p.align(_ready(p, x, ("encode", "to_words")))
    return p.head(p.fuse({m: p.rebuild(m, v) for m, v in aligned.items()}))


def _losses(rng):
    """The two dictionaries list the modalities in different orders: what belongs together has one name, not one
    place."""

    def numbers(*names):
        return dict(zip(names, (k / 4 for k in rng.sample(range(1, 13), len(names))), strict=True))

    def task():
        return rng.randint(1, 12) / 4

    names = ("text", "audio", "vision")
    weights = [numbers(*order) for order in (names[::-1], names[1:] + names[:1], names)]
    made = [Case((task(), numbers(*names), alpha), "three modalities") for alpha in weights]
    return made + [
        Case((task(), numbers("vision", "text"), weights[2]), "voice is not reconstructed"),
        Case((task(), numbers("audio"), weights[0]), "only voice is reconstructed"),
        Case((task(), {}, weights[1]), "w/o Recon"),
    ]


def _gradient_test(fn, rng):
    """A loss with two parameters of different shapes in it, and one without a path."""
    p, q, r = (
        torch.randint(1, 6, shape, generator=torch.Generator().manual_seed(rng.randrange(10**6)))
        .float()
        .requires_grad_()
        for shape in ((3,), (2, 2), (2,))
    )
    loss = 0.5 * (p * p).sum() + 3 * q.sum()
    want_p, want_q = float(p.detach().norm()), 6.0

    def ask(*parameters):
        return float(fn(loss, list(parameters)))

    first = fn(loss, [p])
    if not isinstance(first, (int, float)) and getattr(first, "shape", None) != ():
        return f"it returns a {type(first).__name__}: we want one number."
    wrong = _one_part(float(first), p, want_p) or _left_behind(p, q) or _asked_again(ask, p, q)
    return wrong or _without_path(fn, loss, p, r, want_p) or _two_parts(ask(p, q), want_p, want_q)


def _one_part(got, p, want_p):
    if abs(got - want_p) > 1e-4:
        if abs(got - want_p**2) < 1e-4:
            return "this is the square of the norm: take the root."
        if abs(got - float(p.detach().mean())) < 1e-4:
            return "this is the mean entry of the gradient: we want its norm."
        return f"you have {got:.4g} for a gradient of norm {want_p:.4g}."
    return None


def _left_behind(p, q):
    if q.grad is not None:
        return (
            "it leaves a gradient in parameters that it was not asked about: a backward pass fills them all. Use "
            "torch.autograd.grad."
        )
    if p.grad is not None:
        return (
            "it leaves a gradient in `.grad`: the next call, or the next training step, would add to it. Use "
            "torch.autograd.grad."
        )
    return None


def _asked_again(ask, p, q):
    try:
        ask(p)  # a backward pass frees only what it went through, so it is the same path that fails again
        ask(q)
    except RuntimeError:
        return (
            "the second call on the same loss fails: the first one threw the graph away. Keep it with "
            "retain_graph=True."
        )
    return None


def _without_path(fn, loss, p, r, want_p):
    try:
        none, beside = fn(loss, [r]), fn(loss, [r, p])
    except (RuntimeError, TypeError, AttributeError):
        return (
            "it fails on a parameter without a path to the loss: allow_unused=True gives None there, which counts as 0."
        )
    if none is None:
        return "for a parameter without a path to the loss it returns None itself: we want the number 0 there."
    if float(none) != 0:
        return f"you have {float(none):.4g} for a parameter without a path to the loss: that is 0."
    if beside is None or abs(float(beside) - want_p) > 1e-4:
        return "one parameter without a path changes the number of the others in the list: it adds 0, no more."
    return None


def _two_parts(both, want_p, want_q):
    if abs(both - (want_p**2 + want_q**2) ** 0.5) > 1e-4:
        return "for two parameters this is not the root of the sum of all squares: are the norms added up?"
    return None


def _grads(loss, parameters, **options):
    return torch.autograd.grad(loss, parameters, **({"retain_graph": True, "allow_unused": True} | options))


def _by_backward(loss, parameters):
    loss.backward(retain_graph=True)
    return sum(float(p.grad.square().sum()) for p in parameters if p.grad is not None) ** 0.5


def _tensors(rng, b):
    g = torch.Generator().manual_seed(rng.randrange(10**6))
    return torch.randint(-12, 13, (b, 1), generator=g) / 4, torch.randint(-12, 13, (b,), generator=g) / 4


def _mixed(rng):
    """Four clips, predicted too high and too low in turn: no wrong formula meets the right value by chance."""

    def four(rng):
        labels = _tensors(rng, 4)[1]
        return (labels + torch.tensor([1.0, -2.0, 1.0, -3.0]))[:, None], labels

    changes = (torch.abs, torch.round, lambda x: x.clamp(min=0), lambda x: x.flip(0), lambda x: x.roll(1, 0))
    rivals = [misread(task_loss, i, change) for i in range(2) for change in changes]
    return telling(rng, four, unlike(task_loss, lambda p, y: (p - y).abs().mean(), *rivals))


def _loss_teaches(fn, rng):
    """The gradient at the predictions is the reference's."""
    prediction, labels = _mixed(rng)
    grads = []
    for loss_of in (fn, task_loss):
        given = prediction.clone().requires_grad_()
        loss = loss_of(given, labels.clone())
        if not torch.is_tensor(loss) or not loss.requires_grad:
            return (
                "the number is right, but no gradient leads to prediction: a loss has to teach. Leave out detach and "
                "item."
            )
        loss.backward()
        grads.append(given.grad)
    if grads[0] is None or not torch.allclose(*grads):
        return (
            "the number is right, but the gradient at prediction is not: work with prediction itself, not with a copy."
        )
    return None


EXERCISES = [
    Exercise(
        id="15.1",
        title="the order of modules",
        difficulty=2,
        minutes=8,
        reference=whole,
        cases=_clips,
        hints=(
            "Lost frames should be repaired before they are averaged; the alignment wants all three on one clock.",
            "x is {modality: input}; encode, rebuild and to_words take (m, value), align and fuse a dictionary of all "
            "three.",
        ),
        after="The paper describes reconstruction last, and says that it prepares the alignment: we take it at its "
        "word.",
        wrong=(
            Wrong(
                "pooled before rebuilt",
                lambda p, x: p.head(p.fuse(p.align(_ready(p, x, ("encode", "to_words", "rebuild"))))),
                "averaged before",
                "Frames are averaged before they are rebuilt: the gaps are then smeared, and the loss has no frames to "
                "compare with.",
            ),
            Wrong(
                "aligned before rebuilt",
                _rebuilt_last,
                "after the alignment",
                "Reconstruction comes after the alignment here: stage 1 would align what is still broken.",
            ),
            Wrong(
                "text pooled too",
                lambda p, x: p.head(p.fuse(p.align(_ready(p, x, pooled=("text", "audio", "vision"))))),
                "words' clock already",
                "Text goes through to_words too: it is on the words' clock already.",
            ),
            Wrong(
                "no reconstruction",
                lambda p, x: p.head(p.fuse(p.align(_ready(p, x, ("encode", "to_words"))))),
                "never called",
                'rebuild is never called: that is the ablation "w/o Recon", but even it projects.',
            ),
            Wrong(
                "no alignment",
                lambda p, x: p.head(p.fuse(_ready(p, x))),
                "straight to the fusion",
                "Stage 1 is left out: the three go straight to the fusion.",
            ),
        ),
    ),
    Exercise(
        id="15.2",
        title="the joint loss",
        difficulty=1,
        minutes=4,
        reference=joint,
        cases=_losses,
        hints=(
            "One term for the task, and for each reconstructed modality its own weight times its own loss.",
            "rec and alpha are {modality: number}; rec may lack modalities, or be empty.",
        ),
        after="alpha = 0 switches a term off, and leaves everything else as it is.",
        wrong=(
            Wrong(
                "unweighted",
                lambda task, rec, alpha: task + sum(rec.values()),
                "without their weights",
                "The reconstruction losses are added without their weights.",
            ),
            Wrong(
                "task weighted too",
                lambda task, rec, alpha: sum(alpha[m] * (task + v) for m, v in rec.items()),
                "comes once, with weight 1",
                "The weights reach the task's loss as well: it comes once, with weight 1.",
            ),
            Wrong(
                "mean of terms",
                lambda task, rec, alpha: task + sum(alpha[m] * v for m, v in rec.items()) / max(len(rec), 1),
                "number of modalities",
                "The sum is divided by the number of modalities: the paper adds the terms.",
            ),
            Wrong(
                "one weight",
                lambda task, rec, alpha: task + alpha["text"] * sum(rec.values()),
                "weight of its own",
                "Text's weight serves all: each modality has a weight of its own.",
            ),
            Wrong(
                "all weights",
                lambda task, rec, alpha: task + sum(a * rec.get(m, 1.0) for m, a in alpha.items()),
                "adds nothing",
                "A modality without a reconstruction adds its weight here: it adds nothing.",
            ),
        ),
    ),
    Exercise(
        id="15.3",
        title="who hears a loss",
        difficulty=2,
        minutes=10,
        reference=gradient_size,
        test=_gradient_test,
        hints=(
            "Ask torch.autograd.grad for the gradients; some parameters have no path, and the same loss is asked again "
            "later.",
            "autograd.grad gives one tensor (or None) for each parameter; the result is one float: the root of all "
            "squares' sum.",
        ),
        after="A 0 says that no path exists, or that a path cancels; a small number says neither.",
        wrong=(
            Wrong(
                "graph thrown away",
                lambda loss, ps: (
                    sum(float(g.square().sum()) for g in _grads(loss, ps, retain_graph=False) if g is not None) ** 0.5
                ),
                "threw the graph away",
            ),
            Wrong(
                "unused forbidden",
                lambda loss, ps: sum(float(g.square().sum()) for g in _grads(loss, ps, allow_unused=False)) ** 0.5,
                "without a path to the loss: allow_unused",
            ),
            Wrong("None without a path", lambda loss, ps: gradient_size(loss, ps) or None, "returns None itself"),
            Wrong("backward", _by_backward, "a backward pass fills them all"),
            Wrong(
                "squared",
                lambda loss, ps: sum(float(g.square().sum()) for g in _grads(loss, ps) if g is not None),
                "take the root",
            ),
            Wrong(
                "sum of norms",
                lambda loss, ps: sum(float(g.norm()) for g in _grads(loss, ps) if g is not None),
                "are the norms added up",
            ),
            Wrong(
                "mean entry",
                lambda loss, ps: sum(float(g.mean()) for g in _grads(loss, ps) if g is not None),
                "mean entry",
            ),
        ),
    ),
    Exercise(
        id="15.4",
        title="find the bug: a loss that cannot be overfitted",
        difficulty=2,
        minutes=8,
        reference=task_loss,
        cases=lambda rng: [
            Case(_mixed(rng), "four clips"),
            Case(_tensors(rng, 3), "three clips"),
            Case(_tensors(rng, 1), "one clip"),
        ],
        test=_loss_teaches,
        rtol=1e-5,
        atol=1e-7,
        hints=(
            "Print the shape of the difference. How many numbers should it have for b clips?",
            "(b,1) - (b,) broadcasts to (b,b): bring both to (b,) first.",
        ),
        after="With one clip the bug is invisible, and with many the loss falls all the same, to a wrong place.",
        wrong=(
            Wrong(
                "broadcast",
                lambda prediction, labels: (prediction - labels).abs().mean(),
                "every label",
                "Each prediction is compared with every label: (b,1) - (b,) is (b,b).",
            ),
            Wrong(
                "squared",
                lambda prediction, labels: (prediction[:, 0] - labels).square().mean(),
                "squared",
                "This is the squared error: the paper's task loss is the mean absolute one.",
            ),
            Wrong(
                "summed",
                lambda prediction, labels: (prediction[:, 0] - labels).abs().sum(),
                "sum over",
                "This is the sum over clips: it grows with the batch. Take the mean.",
            ),
            Wrong(
                "sign kept",
                lambda prediction, labels: (prediction[:, 0] - labels).mean(),
                "cancel",
                "The sign is kept, so errors of both sides cancel.",
            ),
            Wrong(
                "means compared",
                lambda prediction, labels: (prediction[:, 0].mean() - labels.mean()).abs(),
                "averages",
                "This compares the averages of both, not clip with clip.",
            ),
            Wrong("a number", lambda prediction, labels: task_loss(prediction, labels).item(), "no gradient leads to"),
        ),
    ),
    BUILD_IT,
]
