"""The longer exercise of 04: a scan that brings its own backward; its reference, its check in stages, wrong answers."""

import torch
import torch.nn.functional as F

from mgmr_lib.chapters.shared.counting import graph_nodes, kept_for_backward, written_in_backward
from mgmr_lib.course.compare import difference
from mgmr_lib.course.registry import Exercise, Wrong
from mgmr_lib.course.stages import in_stages


def linear_loop(a, x):
    """h_t = a_t h_{t-1} + x_t over the last axis, (..., l) -> (..., l), with a backward of O(l)."""
    h, out = torch.zeros_like(x[..., 0]), []
    for a_t, x_t in zip(a.unbind(-1), x.unbind(-1), strict=True):
        h = a_t * h + x_t
        out.append(h)
    return torch.stack(out, dim=-1)


def scan(a, x):
    """h_t = a_t h_{t-1} + x_t over the last axis, (..., l) -> (..., l); one node in the graph of gradients."""

    class Scan(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a, x):
            h = linear_loop(a, x)
            ctx.save_for_backward(a, h)
            return h

        @staticmethod
        def backward(ctx, dh):
            a, h = ctx.saved_tensors
            later = F.pad(a[..., 1:], (0, 1))
            g, dx = torch.zeros_like(dh[..., 0]), []
            for a_t, dh_t in zip(reversed(later.unbind(-1)), reversed(dh.unbind(-1)), strict=True):
                g = dh_t + a_t * g
                dx.append(g)
            dx = torch.stack(dx[::-1], dim=-1)
            return dx * F.pad(h[..., :-1], (1, 0)), dx

    return Scan.apply(a, x)


# --- stages -----------------------------------------------------------------------------------------------------------


def _drawn(rng, *shape, dtype=torch.float64):
    """Factors of both signs that matter over several steps, and inputs twice as large; both want gradients."""
    made = torch.Generator().manual_seed(rng.randrange(2**31))
    a, x = ((0.4 + 0.6 * torch.rand(*shape, generator=made)) * _signs(shape, made) for _ in range(2))
    return [a.to(dtype).requires_grad_(), (2 * x).to(dtype).requires_grad_()]


def _signs(shape, made):
    return torch.randint(2, shape, generator=made) * 2.0 - 1


def _shapes(fn, rng):
    for shape in ((2, 3, 5), (4,)):
        h = fn(*(v.detach() for v in _drawn(rng, *shape)))
        if not isinstance(h, torch.Tensor):
            return f"it returns a {type(h).__name__}; we expect one tensor with all states."
        if h.shape != shape:
            return f"for a and x of shape {shape} the states have shape {tuple(h.shape)}; every step has one."
    return None


def _values(fn, rng):
    a, x = (v.detach() for v in _drawn(rng, 2, 3, 6))
    if found := difference(fn(a.clone(), x.clone()), linear_loop(a, x)):
        return f"for float64 tensors of shape (2, 3, 6), {found}."
    return None


def _hard_cases(fn, rng):
    for about, shape in (("a single step", (2, 1)), ("two steps", (3, 2))):
        a, x = (v.detach() for v in _drawn(rng, *shape))
        if found := difference(fn(a, x), linear_loop(a, x)):
            return f"for {about}, {found}."
    for decay in (3.0, 30.0, 200.0):
        a, x = torch.full((50,), -decay).exp(), _drawn(rng, 50, dtype=torch.float32)[1].detach()
        if found := difference(fn(a, x), linear_loop(a, x), rtol=1e-4, atol=1e-5):
            return (
                f"for float32 factors of exp(-{decay:g}), {found}. A product of many such factors is 0: never divide "
                "by it."
            )
    return None


def _gradients(fn, a, x, dy):
    h = fn(a, x)
    if h.grad_fn is None:
        return None
    return torch.autograd.grad((h * dy).sum(), (a, x), allow_unused=True)


MISTAKES = {  # what a backward might compute from a, h, dh and the right g: (da, dx), and what to say about it
    "the two results are the other way round: backward returns gradients in the order of forward's arguments.": (
        lambda a, h, dh, g: (g, g * _before(h))
    ),
    "da uses the state after the step; a_t multiplies the state before it, h of step t - 1.": (
        lambda a, h, dh, g: (g * h, g)
    ),
    "g of step t + 1 comes back through the factor of step t + 1, and here it is multiplied by a_t.": (
        lambda a, h, dh, g: _with_g(h, linear_loop(a.flip(-1), dh.flip(-1)).flip(-1))
    ),
    "only the step's own dh is used; h_t acts on all later states too, so g needs a carry from step t + 1.": (
        lambda a, h, dh, g: _with_g(h, dh)
    ),
    "this collects gradient from the past: walk from the last step to the first.": (
        lambda a, h, dh, g: _with_g(h, linear_loop(a, dh))
    ),
    "dh is not used: backward is given dL/dh of every step, and here it is taken for ones.": (
        lambda a, h, dh, g: _with_g(h, _adjoint(a, torch.ones_like(dh)))
    ),
}


def _before(h):
    return F.pad(h[..., :-1], (1, 0))


def _adjoint(a, dh):
    return linear_loop(F.pad(a[..., 1:], (0, 1)).flip(-1), dh.flip(-1)).flip(-1)


def _with_g(h, g):
    return g * _before(h), g


def _against_the_loop(fn, rng):
    for shape in ((2, 3, 6), (2, 1)):
        a, x = _drawn(rng, *shape)
        dy = _drawn(rng, *shape)[0].detach()
        got = _gradients(fn, a, x, dy)
        if got is None or any(v is None for v in got):
            return "no gradient reaches a and x: return what `YourFunction.apply(a, x)` returns, and nothing detached."
        want = _gradients(linear_loop, a, x, dy)
        found = difference(list(got), list(want), atol=1e-9)
        if found:
            with torch.no_grad():
                h, g = linear_loop(a, x), _adjoint(a, dy)
                known = [says for says, made in MISTAKES.items() if _equal(got, made(a, h, dy, g))]
            return f"{known[0] if known else ''} As (da, dx), {found}.".strip()
    return None


def _equal(got, made) -> bool:
    return difference(list(got), list(made)) is None


def _in_use(fn, rng):
    first, second = _drawn(rng, 2, 4), _drawn(rng, 2, 4)
    outs = [(fn(*args), args) for args in (first, second)]
    for h, args in outs:  # both forwards before the first backward
        got, want = (torch.autograd.grad(v.square().sum(), args) for v in (h, linear_loop(*args)))
        if difference(list(got), list(want)):
            return (
                "with two calls before the first backward, the gradients are those of the other call: keep tensors "
                "with ctx.save_for_backward, not outside of ctx."
            )
    a, x = _drawn(rng, 2, 4)
    other, dy = torch.zeros(2, 4, dtype=torch.float64, requires_grad=True), _drawn(rng, 2, 4)[0].detach()
    h = fn(a, x)
    kept = dy.clone()
    torch.autograd.grad(h + other, (other, a, x), grad_outputs=dy)
    if difference(dy, kept, 0, 0):
        return "your backward changes dh in place; others read that tensor too, so work on a copy."
    try:
        torch.autograd.gradcheck(fn, (a, x))
        torch.autograd.gradcheck(lambda v: fn(a.detach(), v), (x,))
    except torch.autograd.gradcheck.GradcheckError as e:
        return f"torch.autograd.gradcheck refuses it: {str(e).strip().splitlines()[0]}"
    return None


def _cost(fn, rng):
    short, long = 16, 64
    sizes = {n: _drawn(rng, 2, n) for n in (short, long)}
    nodes = {n: graph_nodes(fn(*args)).total() for n, args in sizes.items()}
    if nodes[long] > nodes[short]:
        return (
            f"the graph holds {nodes[short]} nodes for {short} steps and {nodes[long]} for {long}: autograd follows "
            "your steps. Put the loop into the forward of a torch.autograd.Function."
        )
    kept = kept_for_backward(lambda: fn(*sizes[long])) / sizes[long][1].numel()
    if kept > 3:
        return f"it keeps {kept:.0f} tensors of the size of x for the backward; a and the states are enough."
    written = {n: written_in_backward(fn(*args)) / n for n, args in sizes.items()}
    if written[long] > 2 * written[short]:
        return (
            f"per step, the backward writes {written[long] / written[short]:.1f} times as much for {long} steps as for "
            f"{short}: somewhere a step handles a tensor of all steps."
        )
    return None


# --- wrong answers ----------------------------------------------------------------------------------------------------


def _own(backward, forward=linear_loop):
    """A scan whose backward is backward(a, h, dh) -> (da, dx)."""

    class Scan(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a, x):
            h = forward(a, x)
            ctx.save_for_backward(a, h)
            return h

        @staticmethod
        def backward(ctx, dh):
            return backward(*ctx.saved_tensors, dh)

    return Scan.apply


def _mistaken(about: str):
    (made,) = [made for says, made in MISTAKES.items() if about in says]
    return _own(lambda a, h, dh: made(a, h, dh, _adjoint(a, dh)))


def _closed_form(a, x):
    product = a.cumprod(-1)
    return product * (x / product).cumsum(-1)


def _outside_of_ctx():
    kept = {}

    class Scan(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a, x):
            kept["a"], kept["h"] = a, linear_loop(a, x)
            return kept["h"].clone()

        @staticmethod
        def backward(ctx, dh):
            return _with_g(kept["h"], _adjoint(kept["a"], dh))

    return Scan.apply


def _in_place(a, h, dh):
    for t in range(dh.shape[-1] - 2, -1, -1):
        dh[..., t] += a[..., t + 1] * dh[..., t + 1]
    return _with_g(h, dh)


def _table(a, h, dh):
    """The gradient by a table of l x l weights."""
    l = a.shape[-1]
    weights = torch.zeros(*a.shape, l, dtype=a.dtype)
    for t in range(l):
        weights[..., t, t:] = torch.cat([torch.ones_like(a[..., :1]), a[..., t + 1 :]], -1).cumprod(-1)
    return _with_g(h, (weights @ dh[..., None])[..., 0])


BUILD_A_SCAN = Exercise(
    id="04.7",
    title="build a scan with its own backward",
    difficulty=3,
    minutes=30,
    reference=scan,
    test=in_stages(
        ("shapes", _shapes),
        ("values", _values),
        ("strong decay and few steps", _hard_cases),
        ("gradients", _against_the_loop),
        ("use beside others", _in_use),
        ("cost", _cost),
    ),
    limit_s=60.0,  # the first use of a dispatch mode imports much of torch, which takes long on a busy machine
    hints=(
        "Inside the function, define a class that inherits from torch.autograd.Function, with the static methods "
        "forward(ctx, a, x) and backward(ctx, dh); return its apply(a, x). The backward is exercise 04.5 on tensors.",
        "forward: loop over zip(a.unbind(-1), x.unbind(-1)), stack the states (..., l), ctx.save_for_backward(a, h). "
        "backward: a, h = ctx.saved_tensors; g of shape (...) walks back; return da, dx, both (..., l).",
    ),
    after="One node, whatever the length: the library's chunked scan enters PyTorch in the same way.",
    wrong=(
        Wrong("last state only", lambda a, x: linear_loop(a, x)[..., -1], "every step has one"),
        Wrong("running sum", lambda a, x: x.cumsum(-1), "float64 tensors of shape (2, 3, 6)"),
        Wrong("closed form", _closed_form, "never divide"),
        Wrong("detached", lambda a, x: linear_loop(a.detach(), x.detach()), "no gradient reaches"),
        Wrong("results swapped", _mistaken("other way round"), "the other way round"),
        Wrong("new state", _mistaken("after the step"), "state after the step"),
        Wrong("own factor", _mistaken("multiplied by a_t"), "multiplied by a_t"),
        Wrong("no carry", _mistaken("needs a carry"), "needs a carry"),
        Wrong("wrong direction", _mistaken("from the past"), "from the past"),
        Wrong("gradient of the sum", _mistaken("taken for ones"), "taken for ones"),
        Wrong("kept outside of ctx", _outside_of_ctx(), "those of the other call"),
        Wrong("in place", _own(_in_place), "work on a copy"),
        Wrong("a plain loop", linear_loop, "autograd follows your steps"),
        Wrong("a table of weights", _own(_table), "a tensor of all steps"),
    ),
)
