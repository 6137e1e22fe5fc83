"""Exercise 19.6: MFMB-Net's forward pass and its loss, built from the modules inside its parts."""

import torch
import torch.nn.functional as F

from mgmr_lib.chapters.shared.forward_pass import (
    WIDTHS,
    Mistake,
    Stage,
    clips,
    loss_mistakes,
    nothing_lost,
    staged,
    wrong_answers,
)
from mgmr_lib.course.registry import Exercise, Wrong
from mgmr_lib.models.inputs import Inputs, pool_to_length
from mgmr_lib.models.mfmb.config import MFMBConfig
from mgmr_lib.models.mfmb.network import MFMBNet

WATERFALL = ("vision", "audio", "text")


def forward(net, s, labels):
    """Equations 2 to 19, without the classes: everything between the door and the loss."""
    valid, h = {m: part.valid for m, part in s.items()}, net.align(s)
    hub = net.macro.hub.expand(len(labels), -1, -1)
    for m in ("vision", "audio", "text"):
        x = torch.cat([hub, net.macro.encode[m](h[m], valid[m])], dim=1)
        mask = torch.cat([valid[m].new_ones(hub.shape[:2]), valid[m]], dim=1)
        hub = net.macro.fuse[m](x, mask)[:, : hub.shape[1]]
    context = {m: torch.tanh(net.micro.context[m](h[m], valid[m])) * valid[m][..., None] for m in s}
    gated = {m: net.micro.gate[m](x)[0] for m, x in context.items()}
    tokens, length = valid["text"].sum(1), net.micro.length
    text = F.pad(gated["text"], (0, 0, 0, length - gated["text"].shape[1]))
    there = torch.arange(length) < tokens[:, None]
    other = {q: pool_to_length(gated[q], valid[q], tokens, length) for q in ("vision", "audio")}
    fine = torch.cat([net.micro.fine[q](text, x, there) for q, x in other.items()], dim=-1)
    rebuilt = {m: f(h[m], valid[m]) for m, f in net.rebuild.items()}
    prediction = net.head(torch.cat([hub.flatten(1), fine], dim=-1))[:, 0]
    gaps = [(rebuilt[m][p.missing], p.target[p.missing]) for m, p in s.items() if p.missing.any()]
    loss = (prediction - labels).abs().mean() + sum(F.smooth_l1_loss(guess, truth) for guess, truth in gaps)
    return {"aligned": h, "hub": hub, "gated": gated, "fine": fine, "rebuilt": rebuilt, "prediction": prediction,
            "loss": loss}  # fmt: skip


def _draw(rng):
    with torch.random.fork_rng():
        torch.manual_seed(rng.randrange(10**6))
        sizes = {"d_model": 6, "heads": 2, "ffn": 8, "hub": 2, "d_lstm": 3, "d_mix": 5, "d_fine": 2, "ffn_rebuild": 5}
        net = MFMBNet(MFMBConfig(text_length=7, **sizes), Inputs(WIDTHS)).eval()
        net.macro.hub.data.normal_()  # far from its small start, so that its order and its place show
        for fine in net.micro.fine.values():
            fine.norm.running_mean.normal_()  # as if trained, so that a zero in the padding does not stay zero
            fine.mix[3].bias.data.add_(0.5)  # behind it is a ReLU, which would silence some of these few numbers
    return net, *clips(rng)


def _travel(net, s, h, order=WATERFALL, encoded=True, padding=False, fresh=False):
    """The hub after a waterfall with a mistake in it."""
    start = hub = net.macro.hub.expand(len(s["text"].valid), -1, -1)
    for m in order:
        valid = torch.ones_like(s[m].valid) if padding else s[m].valid
        x = net.macro.encode[m](h[m], s[m].valid) if encoded else h[m]
        mask = torch.cat([valid.new_ones(hub.shape[:2]), valid], dim=1)
        hub = net.macro.fuse[m](torch.cat([start if fresh else hub, x], dim=1), mask)[:, : hub.shape[1]]
    return hub


def _gates(net, s, h, tanh=torch.tanh, which=0):
    return {m: net.micro.gate[m](tanh(net.micro.context[m](h[m], p.valid)) * p.valid[..., None])[which]
            for m, p in s.items()}  # fmt: skip


def _fine(net, s, gated, order=("vision", "audio"), padding=False, own=False, late=True):
    """Coarse to fine with a mistake in it."""
    length, tokens = net.micro.length, s["text"].valid.sum(1)
    there = torch.ones(len(tokens), length, dtype=torch.bool) if padding else torch.arange(length) < tokens[:, None]
    text = F.pad(gated["text"], (0, 0, 0, length - gated["text"].shape[1]))
    bins = torch.full_like(tokens, s["text"].valid.shape[1]) if own else tokens
    other = {q: pool_to_length(gated[q], s[q].valid, bins, length) for q in order}
    if not late:  # without the bins whose first frame lies behind as many frames as there are words
        first = {q: torch.arange(length) * s[q].valid.sum(1)[:, None] // tokens[:, None] for q in order}
        other = {q: x * (first[q] < tokens[:, None])[..., None] for q, x in other.items()}
    return torch.cat([net.micro.fine[q](text, x, there) for q, x in other.items()], dim=-1)


STAGES = (
    Stage("attention", "aligned", _draw),
    Stage("macro fusion", "hub", _draw),
    Stage("gates", "gated", _draw),
    Stage("coarse to fine", "fine", _draw),
    Stage("reconstruction", "rebuilt", _draw),
    Stage("head", "prediction", _draw),
    Stage("loss", "loss", _draw),
    Stage("nothing lost", "loss", nothing_lost(_draw)),
)
MISTAKES = (
    Mistake(
        "macro fusion",
        "the code's order",
        "The hub visits voice, face, text: that is the published code's order; the paper begins with the face.",
        lambda n, s, y, r: _travel(n, s, r["aligned"], ("audio", "vision", "text")),
    ),
    Mistake(
        "macro fusion",
        "Eq. 3 left out",
        "Equation 3 is left out: each modality passes an encoder of its own before the hub comes.",
        lambda n, s, y, r: _travel(n, s, r["aligned"], encoded=False),
    ),
    Mistake(
        "macro fusion",
        "the hub sets out anew",
        "The hub forgets: what it brings from one modality goes on to the next.",
        lambda n, s, y, r: _travel(n, s, r["aligned"], fresh=True),
    ),
    Mistake(
        "macro fusion",
        "the hub hears padding",
        "The hub hears padding: its own steps are valid, and of the sequence those of the mask.",
        lambda n, s, y, r: _travel(n, s, r["aligned"], padding=True),
    ),
    Mistake(
        "macro fusion",
        "the last token alone",
        "This is the last token alone, as in the published code; the paper hands on the whole hub.",
        lambda n, s, y, r: r["hub"][:, -1],
    ),
    Mistake(
        "gates",
        "no tanh",
        "The tanh of equation 8 is missing.",
        lambda n, s, y, r: _gates(n, s, r["aligned"], tanh=lambda x: x),
    ),
    Mistake(
        "gates",
        "the gate alone",
        "This is the gate, the module's second result; equation 10's product is the first.",
        lambda n, s, y, r: _gates(n, s, r["aligned"], which=1),
    ),
    Mistake(
        "coarse to fine",
        "audio first",
        "The pairs are turned round: the vector begins with text and vision.",
        lambda n, s, y, r: _fine(n, s, r["gated"], order=("audio", "vision")),
    ),
    Mistake(
        "coarse to fine",
        "padding is there",
        "Steps that a clip lacks count as there: the mask has each clip's own number of tokens.",
        lambda n, s, y, r: _fine(n, s, r["gated"], padding=True),
    ),
    Mistake(
        "coarse to fine",
        "all texts as long as the longest",
        "Voice and face are spread over the longest text: each clip has its own number of tokens.",
        lambda n, s, y, r: _fine(n, s, r["gated"], own=True),
    ),
    Mistake(
        "coarse to fine",
        "late frames dropped",
        "The last words of a clip get no frames: what comes after as many frames as it has words is dropped.",
        lambda n, s, y, r: _fine(n, s, r["gated"], late=False),
    ),
    Mistake(
        "head",
        "micro first",
        "The streams are turned round: the head reads the hub first.",
        lambda n, s, y, r: n.head(torch.cat([r["fine"], r["hub"].flatten(1)], dim=-1))[:, 0],
    ),
    *loss_mistakes("rebuilt", "The generative losses are missing."),
)


def _unfinished(net, s, labels):
    return {"aligned": net.align(s)}


BUILD_IT = Exercise(
    id="19.6",
    title="build it yourself: MFMB-Net's forward pass",
    difficulty=3,
    minutes=40,
    reference=forward,
    test=staged(forward, STAGES, MISTAKES),
    hints=(
        'Begin with a dictionary that holds "aligned" alone and run the check: it says what is next. The two streams '
        "and the reconstruction all read it, and none reads another.",
        "macro.hub (k,d), macro.encode[m](h, valid), macro.fuse[m](joined, mask); micro.context[m](h, valid) (b,l,2k), "
        "micro.gate[m](x) -> product, gate; micro.fine[q](text, other, mask), all (b,micro.length,...); rebuild[m](h, "
        "valid); head (b,1).",
    ),
    after="This is the library's MFMBNet.forward with both streams taken apart, and the loss that trains it.",
    wrong=(
        Wrong("only the attention", _unfinished, "1 of 8 stages hold (attention). Now macro fusion: there is no"),
        Wrong("not a dictionary", lambda n, s, y: forward(n, s, y)["prediction"], "return a dictionary"),
        *wrong_answers(forward, STAGES, MISTAKES),
    ),
)
