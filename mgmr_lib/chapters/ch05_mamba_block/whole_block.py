"""The longer exercise of 05: a whole Mamba block from its nine tensors, with a state that goes on, in stages."""

import functools

import torch
import torch.nn.functional as F

from mgmr_lib.course.compare import difference
from mgmr_lib.course.registry import Exercise, Wrong
from mgmr_lib.course.stages import in_stages
from mgmr_lib.ssm import MambaBlock


def mamba_block(x, w):
    """x (b,l,d), w a block's state dict -> (b,l,d), by the library."""
    e, n = w["A_log"].shape
    block = MambaBlock(
        x.shape[2], n, w["conv1d.weight"].shape[2], expand=e // x.shape[2], dt_rank=w["dt_proj.weight"].shape[1]
    )
    block.to(x.dtype).load_state_dict(w)
    with torch.no_grad():
        return block(x)


def whole_block(x, w, state=None):
    """x (b,l,d), w the nine tensors by name, what an earlier call returned -> y (b,l,d), state for the next call."""
    e, n = w["A_log"].shape
    k, rank, length = w["conv1d.weight"].shape[2], w["dt_proj.weight"].shape[1], x.shape[1]
    window, h = (x.new_zeros(len(x), k - 1, e), x.new_zeros(len(x), e, n)) if state is None else state
    u, z = (x @ w["in_proj.weight"].T).chunk(2, dim=-1)
    seen = torch.cat([window, u], dim=1)
    u = sum(w["conv1d.weight"][:, 0, j] * seen[:, j : j + length] for j in range(k))
    u = F.silu(u + w["conv1d.bias"])
    r, B, C = (u @ w["x_proj.weight"].T).split([rank, n, n], dim=-1)
    delta = F.softplus(r @ w["dt_proj.weight"].T + w["dt_proj.bias"])
    A, outputs = -torch.exp(w["A_log"]), []
    for t in range(length):
        h = torch.exp(delta[:, t, :, None] * A) * h + (delta * u)[:, t, :, None] * B[:, t, None]
        outputs.append((h * C[:, t, None]).sum(-1))
    y = (torch.stack(outputs, dim=1) + w["D"] * u) * F.silu(z)
    return y @ w["out_proj.weight"].T, (seen[:, length:], h)


# --- the same with one mistake ----------------------------------------------------------------------------------------

MISTAKES = {  # name -> what to say about it
    "halves": "The halves of in_proj's output are exchanged: the first passes the convolution, the second is the gate.",
    "gate": "The gate lacks its silu: the output is multiplied by silu(z), not by z.",
    "no skip": "The skip is missing: D times the convolution's output is added to what the state reports.",
    "no silu": "The silu behind the convolution is missing.",
    "taps": "The taps are turned round: the last tap weighs the present, the first one the oldest input.",
    "no bias": "The convolution's bias is missing.",
    "early skip": "The skip takes the convolution's input; it starts behind the silu.",
    "no softplus": "The time steps lack their softplus, so some are below zero.",
    "bias twice": "The bias of the time steps is added twice.",
    "late bias": "The bias of the time steps is added after the softplus; it belongs inside.",
    "split": "x_proj's output is cut in another order: first the narrow vector r, then B, then C.",
    "swapped": "B and C are exchanged: B writes into the state, C reads it.",
    "sign": "The state grows: A is minus the exponential of A_log.",
    "no exp": "A_log holds the logarithm of the decay rate: A is minus its exponential.",
    "no window": "The convolution starts from zeros in the second call: its last inputs belong to the state as well.",
    "no h": "The second call starts with an empty memory: h belongs to the state.",
}


def _mistaken(x, w, state=None, mistake=""):
    """whole_block with one of MISTAKES."""
    is_ = mistake.__eq__
    n, rank, k = w["A_log"].shape[1], w["dt_proj.weight"].shape[1], w["conv1d.weight"].shape[2]
    u, z = (x @ w["in_proj.weight"].T).chunk(2, dim=-1)[:: -1 if is_("halves") else 1]
    window, h = state or (torch.zeros_like(u[:, :1]).repeat(1, k - 1, 1), torch.zeros_like(u[:, 0, :, None]))
    window, h = window * (not is_("no window")), h * (not is_("no h"))
    seen = torch.cat([window, u], dim=1)
    taps = w["conv1d.weight"].flip(-1) if is_("taps") else w["conv1d.weight"]
    before, u = u, F.conv1d(seen.mT, taps, groups=u.shape[-1]).mT + (0 if is_("no bias") else w["conv1d.bias"])
    u = u if is_("no silu") else F.silu(u)
    made = u @ w["x_proj.weight"].T
    r, B, C = made.split([rank, n, n], dim=-1)
    if is_("split"):
        B, C, r = made.split([n, n, rank], dim=-1)
    B, C = (C, B) if is_("swapped") else (B, C)
    bias = w["dt_proj.bias"] * (2 if is_("bias twice") else 0 if is_("late bias") else 1)
    delta = r @ w["dt_proj.weight"].T + bias
    delta = delta if is_("no softplus") else F.softplus(delta)
    delta = delta + w["dt_proj.bias"] if is_("late bias") else delta
    A = w["A_log"] if is_("no exp") else w["A_log"].exp() * (1 if is_("sign") else -1)
    y = []
    for u_t, delta_t, B_t, C_t in zip(*(v.unbind(1) for v in (u, delta, B, C)), strict=True):
        h = torch.exp(delta_t[..., None] * A) * h + (delta_t * u_t)[..., None] * B_t[:, None]
        y.append((h * C_t[:, None]).sum(-1))
    skipped = 0 if is_("no skip") else w["D"] * (before if is_("early skip") else u)
    y = (torch.stack(y, dim=1) + skipped) * (z if is_("gate") else F.silu(z))
    return y @ w["out_proj.weight"].T, (seen[:, x.shape[1] :], h)


# --- stages -----------------------------------------------------------------------------------------------------------


def _drawn(rng, length=6, dtype=torch.float64, **set_to):
    """x (11,l,d) and random weights of a block; set_to: prefix of a name -> what replaces that tensor: fn(tensor)."""
    made = torch.Generator().manual_seed(rng.randrange(2**31))
    d, n, k, expand = rng.choice([(4, 5, 3, 2), (5, 3, 4, 2), (6, 4, 3, 3)])  # no two sizes are alike, nor 11 clips
    w = MambaBlock(d, n, k, expand=expand, dt_rank=2).state_dict()
    w = {name: 0.5 * torch.randn(t.shape, generator=made, dtype=torch.float64) for name, t in w.items()}
    w["D"] += 1
    for prefix, change in set_to.items():
        w |= {name: change(t) for name, t in w.items() if name.startswith(prefix)}
    return torch.randn(11, length, d, generator=made).to(dtype), {name: t.to(dtype) for name, t in w.items()}


def _present_alone(taps):
    """Taps of a convolution that passes its newest input (and adds its bias, which stays as it is)."""
    if taps.ndim == 1:
        return taps
    return torch.cat([torch.zeros_like(taps[..., 1:]), torch.ones_like(taps[..., :1])], dim=-1)


def _compared(fn, x, w, atol=1e-10, about=""):
    """What is wrong with fn(x, w), with the mistake that explains it."""
    got = fn(x.clone(), {name: t.clone() for name, t in w.items()})
    if not isinstance(got, (tuple, list)) or len(got) != 2:
        many = f"{len(got)} things" if isinstance(got, (tuple, list)) else "one thing"
        return f"it returns {many}; we expect two, the output and the state for the next call."
    if not isinstance(got[0], torch.Tensor):
        return f"the first of the two results is a {type(got[0]).__name__}; we expect a tensor (b,l,d)."
    found = difference(got[0], mamba_block(x, w), rtol=atol, atol=atol)
    if found is None:
        return None
    known = [says for m, says in MISTAKES.items() if _is_mistake(got[0], x, w, m, atol)]
    other_end = torch.cat([x[:, :-1], -x[:, -1:]], dim=1)
    if difference(fn(other_end, w)[0][:, :-1], got[0][:, :-1], 0, 0):
        known = ["Earlier outputs change with the last input: something looks ahead."]
    return f"{known[0] if known else ''} {about}{found}.".strip()


def _is_mistake(y, x, w, mistake, atol) -> bool:
    return difference(y, _mistaken(x, w, mistake=mistake)[0], rtol=atol, atol=atol) is None


def _gate(fn, rng):
    x, w = _drawn(rng, conv1d=_present_alone, x_proj=torch.zeros_like)
    return _compared(fn, x, w, about="With C = 0 and a convolution that passes its newest input, ")


def _convolution(fn, rng):
    x, w = _drawn(rng, x_proj=torch.zeros_like)
    return _compared(fn, x, w, about="With C = 0, ")


def _time_steps(fn, rng):
    for length in (1, 4):
        x, w = _drawn(rng, length, A_log=lambda t: t - 50)
        if found := _compared(fn, x, w, about="With A = 0, so that the state only adds up, "):
            return found
    return None


def _whole(fn, rng):
    for dtype, atol in ((torch.float64, 1e-10), (torch.float32, 2e-4)):
        x, w = _drawn(rng, 7, dtype)
        if found := _compared(fn, x, w, atol, f"In {str(dtype)[6:]}, "):
            return found
    return None


def _goes_on(fn, rng):
    x, w = _drawn(rng, 7)
    want, sizes = mamba_block(x, w), []
    for cut in (1, 2, 5):
        _, state = fn(x[:, :cut], w)
        rest, _ = fn(x[:, cut:], w, state)
        found = difference(rest, want[:, cut:], rtol=1e-10, atol=1e-10)
        if found:
            known = [MISTAKES[m] for m in ("no window", "no h") if _forgets(rest, x, w, cut, m)]
            return f"{known[0] if known else ''} Cut after step {cut}, the rest is another: {found}.".strip()
        if difference(fn(x[:, cut:], w, state)[0], rest, 0, 0):
            return "to go on twice from one state gives two results: the call changes the state that it is given."
    state, steps = None, []
    for x_t in x.split(1, dim=1):
        y_t, state = fn(x_t, w, state)
        steps.append(y_t)
        sizes.append(_numbers(state))
    if found := difference(torch.cat(steps, dim=1), want, rtol=1e-10, atol=1e-10):
        return f"step by step, {found}."
    if sizes[-1] > sizes[1]:
        return f"the state grows, from {sizes[1]} numbers after 2 steps to {sizes[-1]} after {len(sizes)}."
    return None


def _forgets(rest, x, w, cut, mistake) -> bool:
    state = whole_block(x[:, :cut], w)[1]
    return difference(rest, _mistaken(x[:, cut:], w, state, mistake)[0], rtol=1e-10, atol=1e-10) is None


def _numbers(state) -> int:
    """How many numbers a state holds."""
    if isinstance(state, dict):
        state = list(state.values())
    return sum(map(_numbers, state)) if isinstance(state, (tuple, list)) else getattr(state, "numel", lambda: 1)()


# --- wrong answers ----------------------------------------------------------------------------------------------------


def _in_place(x, w, state=None):
    y, after = whole_block(x, w, state)
    if state is not None:
        state[1].copy_(after[1])
    return y, after


def _reads_all_again(x, w, state=None):
    x, before = (x, 0) if state is None else (torch.cat([state, x], dim=1), state.shape[1])
    return mamba_block(x, w)[:, before:], x


def _looks_ahead(x, w, state=None):
    k = w["conv1d.weight"].shape[2]
    return mamba_block(F.pad(x, (0, 0, 0, k // 2)), w)[:, k // 2 :], None


SAYS = {  # the words of MISTAKES by which a message is told from the others
    "halves": "are exchanged: the first",
    "gate": "gate lacks its silu",
    "no skip": "skip is missing",
    "no silu": "silu behind the convolution",
    "taps": "taps are turned round",
    "no bias": "convolution's bias",
    "early skip": "convolution's input",
    "no softplus": "lack their softplus",
    "bias twice": "added twice",
    "late bias": "after the softplus",
    "split": "in another order",
    "swapped": "B and C are exchanged",
    "sign": "The state grows",
    "no exp": "logarithm of the decay rate",
    "no window": "starts from zeros",
    "no h": "empty memory",
}

BUILD_A_BLOCK = Exercise(
    id="05.6",
    title="build a whole Mamba block that can go on",
    difficulty=3,
    minutes=30,
    reference=whole_block,
    test=in_stages(
        ("the halves, the gate and the way out", _gate),
        ("the convolution", _convolution),
        ("time steps, B and C", _time_steps),
        ("the scan", _whole),
        ("a state that goes on", _goes_on),
    ),
    limit_s=30.0,
    hints=(
        "Follow the drawing from left to right and check after each box: as long as the rest is missing, return what "
        "you have. The first two stages need no state at all.",
        "u, z (b,l,e); taps (e,1,k); r, B, C (b,l,rank), (b,l,n), (b,l,n); delta (b,l,e); h (b,e,n). The state of the "
        "next call: the last k-1 inputs of the convolution (b,k-1,e), and h.",
    ),
    after="This is all of it: two dozen of these, with norms and residual connections around them, an embedding and a "
    "readout, are the smallest published model.",
    wrong=(
        *(Wrong(m, functools.partial(_mistaken, mistake=m), SAYS[m]) for m in MISTAKES),
        Wrong("no state returned", mamba_block, "it returns one thing"),
        Wrong("looks ahead", _looks_ahead, "something looks ahead"),
        Wrong("in place", _in_place, "go on twice"),
        Wrong("reads all again", _reads_all_again, "the state grows, from"),
    ),
)
