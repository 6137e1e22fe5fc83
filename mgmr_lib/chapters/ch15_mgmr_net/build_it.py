"""Exercise 15.5: MGMR-Net's forward pass and its loss, built from its modules."""

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
from mgmr_lib.models.mgmr.config import MGMRConfig
from mgmr_lib.models.mgmr.network import MGMRNet


def forward(net, s, labels):
    """Encode, rebuild, onto the words' clock, align, fuse, predict; and what it costs."""
    encoded = {m: net.encoders[m](part) for m, part in s.items()}
    both = {m: net.reconstruction[m](x, s[m].valid) for m, x in encoded.items()}
    rebuilt, guess = ({m: found[i] for m, found in both.items()} for i in (0, 1))
    valid, words = s["text"].valid, dict(rebuilt)
    for m in ("audio", "vision"):
        words[m] = pool_to_length(rebuilt[m], s[m].valid, valid.sum(1), valid.shape[1])
    aligned = net.alignment(words, valid)
    fused = net.fusion(aligned, valid)
    prediction = net.head(fused)[:, 0]
    loss = (prediction - labels).abs().mean()
    for m, part in s.items():
        if part.missing.any():
            loss = loss + F.smooth_l1_loss(guess[m][part.missing], part.target[part.missing])
    return {"encoded": encoded, "rebuilt": rebuilt, "guess": guess, "words": words, "aligned": aligned, "fused": fused,
            "prediction": prediction, "loss": loss}  # fmt: skip


def _draw(rng):
    with torch.random.fork_rng():
        torch.manual_seed(rng.randrange(10**6))
        config = MGMRConfig(d_model=6, d_state=2, expand=1, kernel_audio=3)
        net = MGMRNet(config, Inputs(WIDTHS)).eval()
    return net, *clips(rng)


def _pooled(x, s, count):
    """Voice and face of x {modality: (b,l,d)} onto `count` (b,) bins, as long as the text."""
    longest = s["text"].valid.shape[1]
    return {m: v if m == "text" else pool_to_length(v, s[m].valid, count, longest) for m, v in x.items()}


def _tokens(s):
    return s["text"].valid.sum(1)


def _every(s):
    return torch.ones_like(s["text"].valid)


STAGES = (
    Stage("encoders", "encoded", _draw),
    Stage("reconstruction", "rebuilt", _draw),
    Stage("its guess", "guess", _draw),
    Stage("words' clock", "words", _draw, words=True),
    Stage("stage 1", "aligned", _draw, words=True),
    Stage("stage 2", "fused", _draw),
    Stage("head", "prediction", _draw),
    Stage("loss", "loss", _draw),
    Stage("nothing lost", "loss", nothing_lost(_draw)),
)
MISTAKES = (
    Mistake(
        "reconstruction",
        "guess for rebuilt",
        "This is the module's second result, the guess for the loss; the fusion goes on with the first one.",
        lambda n, s, y, r: r["guess"],
    ),
    Mistake(
        "its guess",
        "rebuilt for guess",
        "This is the module's first result, which goes on to the fusion; the loss compares the second one.",
        lambda n, s, y, r: r["rebuilt"],
    ),
    Mistake(
        "words' clock",
        "all clips as long as the longest",
        "Each clip is spread over the longest text's steps: it has its own number of tokens.",
        lambda n, s, y, r: _pooled(r["rebuilt"], s, torch.full((3,), s["text"].valid.shape[1])),
    ),
    Mistake(
        "words' clock",
        "not pooled",
        "Voice and face still count in frames: average them onto the words' clock.",
        lambda n, s, y, r: r["rebuilt"],
    ),
    Mistake(
        "words' clock",
        "encoded, not rebuilt",
        "What is averaged here has not been rebuilt.",
        lambda n, s, y, r: _pooled(r["encoded"], s, _tokens(s)),
    ),
    Mistake(
        "stage 1",
        "padding in stage 1",
        "Stage 1 takes padding for words: hand on the text's mask.",
        lambda n, s, y, r: n.alignment(r["words"], _every(s)),
    ),
    Mistake(
        "stage 2",
        "padding in the maximum",
        "The maximum sees padding: hand on the text's mask.",
        lambda n, s, y, r: n.fusion(r["aligned"], _every(s)),
    ),
    Mistake(
        "stage 2",
        "no stage 1",
        "Stage 1 is left out: the three go straight to stage 2.",
        lambda n, s, y, r: n.fusion(r["words"], s["text"].valid),
    ),
    Mistake(
        "head",
        "a column",
        "The head gives a column, (b,1): take the one number of each clip.",
        lambda n, s, y, r: n.head(r["fused"]),
    ),
    *loss_mistakes("guess", "The reconstruction's losses are missing."),
)


def _unfinished(net, s, labels):
    return {"encoded": forward(net, s, labels)["encoded"]}


BUILD_IT = Exercise(
    id="15.5",
    title="build it yourself: MGMR-Net's forward pass",
    difficulty=3,
    minutes=30,
    reference=forward,
    test=staged(forward, STAGES, MISTAKES),
    hints=(
        'Begin with a dictionary that holds "encoded" alone and run the check: it says what is next. Up to the words\' '
        "clock each modality goes its own way, with its own mask; from there on all have the text's.",
        "encoders[m](s[m]) -> (b,l_m,d); reconstruction[m](x, valid) -> fused (b,l_m,d), guess (b,l_m,d_m), gate; "
        "pool_to_length(x, valid, tokens (b), longest); alignment, fusion(x, valid); head (b,1); s[m].missing (b,l_m).",
    ),
    after="This is the library's MGMRNet.forward, and the loss that trains it.",
    wrong=(
        Wrong("only the encoders", _unfinished, "1 of 9 stages hold (encoders). Now reconstruction: there is no"),
        Wrong("not a dictionary", lambda n, s, y: forward(n, s, y)["prediction"], "return a dictionary"),
        *wrong_answers(forward, STAGES, MISTAKES),
    ),
)
