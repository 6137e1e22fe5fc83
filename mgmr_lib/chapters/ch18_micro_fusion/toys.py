"""Toy tasks that ask for one moment (notebook 18): the word that the voice stresses, and the word behind a "not"."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from mgmr_lib.chapters.shared.fit import fit, seeded, unseen
from mgmr_lib.data.corpus import MODALITIES
from mgmr_lib.models.baselines.attention import positions
from mgmr_lib.models.encoder_layer import Mixing
from mgmr_lib.models.inputs import Sequence
from mgmr_lib.models.mfmb.hybrid_attention import HybridAttention
from mgmr_lib.models.mfmb.macro_fusion import MacroFusion
from mgmr_lib.models.mfmb.micro_fusion import MemoryGate, MicroFusion
from mgmr_lib.models.mfmb.published_code import CodeMicro

KINDS = ("stress", "majority", "strangers")


@dataclass(frozen=True)
class Scene:
    """h {modality: (b,l_m,d)}, zero in padding, valid {modality: (b,l_m)}, stressed (b,) the stressed word, labels (b,)
    +-1."""

    h: dict[str, Tensor]
    valid: dict[str, Tensor]
    stressed: Tensor
    labels: Tensor


@dataclass(frozen=True)
class StressTask:
    """Clips of 3 to `longest` words, each good (+1) or bad (-1); `frames` frames of voice a word, loud (+1) during one
    word.

    kind "stress": the label is the stressed word; "majority": the sign of the words' sum (clips have an odd number of
    words); "strangers": as stress, but with the voice of another clip. Channel 0 carries the word or the loudness,
    channel 1 is 1 at every valid step. The face is noise.
    """

    kind: str = "stress"
    longest: int = 7
    frames: int = 2

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {KINDS}, not {self.kind!r}")

    def draw(self, count: int, generator: torch.Generator) -> Scene:
        """`count` clips, d = 2."""
        lengths = 3 + 2 * torch.randint((self.longest - 1) // 2, (count, 1), generator=generator)
        valid = torch.arange(self.longest) < lengths
        words = (2.0 * torch.randint(2, (count, self.longest), generator=generator) - 1) * valid
        stressed = (torch.rand(count, 1, generator=generator) * lengths).long()
        meant = words.gather(1, stressed)[:, 0]
        heard = (torch.arange(self.longest) == stressed).float()
        if self.kind == "strangers":
            other = (torch.rand(count, 1, generator=generator) * lengths).long()
            heard = (torch.arange(self.longest) == other).float()
        long = valid.repeat_interleave(self.frames, 1)
        face = torch.randn(long.shape, generator=generator) * long
        x = {"text": words, "audio": heard.repeat_interleave(self.frames, 1), "vision": face}
        masks = {"text": valid, "audio": long, "vision": long}
        h = {m: torch.stack([x[m], masks[m].float()], dim=-1) for m in MODALITIES}
        return Scene(h, masks, stressed[:, 0], words.sum(1).sign() if self.kind == "majority" else meant)


def each_stressed(words: Tensor, task: StressTask) -> Scene:
    """The same l words +-1, (l,), as l clips: the voice of clip k stresses word k, and the face is silent."""
    count = len(words)
    loud = torch.eye(count).repeat_interleave(task.frames, 1)
    x = {"text": words.expand(count, count), "audio": loud, "vision": torch.zeros_like(loud)}
    h = {m: torch.stack([x[m], torch.ones_like(x[m])], dim=-1) for m in MODALITIES}
    valid = {m: torch.ones(x[m].shape, dtype=torch.bool) for m in MODALITIES}
    return Scene(h, valid, torch.arange(count), words)


class Pooled(nn.Module):
    """A two-layer network on each step, then the mean over each modality's valid steps: {m: (b,l_m,d)} -> (b, 3d)."""

    def __init__(self, d: int):
        super().__init__()
        self.width = 3 * d
        self.step = nn.ModuleDict(
            {m: nn.Sequential(nn.Linear(d, 2 * d), nn.ReLU(), nn.Linear(2 * d, d)) for m in MODALITIES}
        )

    def forward(self, h: dict[str, Tensor], valid: dict[str, Tensor]) -> Tensor:
        inside = {m: v[..., None] for m, v in valid.items()}
        means = [(self.step[m](h[m]) * inside[m]).sum(1) / inside[m].sum(1).clamp(min=1) for m in MODALITIES]
        return torch.cat(means, dim=-1)


class StressModel(nn.Module):
    """Embed each modality, add position codes, run one stream, and read a number linearly off what it gives: Scene ->
    (b,). attention: put MFMB-Net's hybrid attention, with its own embedding and codes, in the place of the first two.
    """

    def __init__(self, stream: nn.Module, d: int, attention: bool = False):
        super().__init__()
        self.embed = nn.ModuleDict({m: nn.Linear(2, d) for m in MODALITIES})
        self.stream, self.out = stream, nn.Linear(stream.width, 1)
        mixing = Mixing("transformer", 4)
        self.attention = HybridAttention(dict.fromkeys(MODALITIES, 2), d, 2 * d, mixing) if attention else None

    def forward(self, scene: Scene) -> Tensor:
        if self.attention is None:
            h = {m: self.embed[m](x) + positions(x.shape[1], self.embed[m].out_features, x) for m, x in scene.h.items()}
        else:
            h = self.attention({m: Sequence(x, x, v, v) for m, x in scene.h.items() for v in [scene.valid[m]]})
        found = self.stream({m: x * scene.valid[m][..., None] for m, x in h.items()}, scene.valid)
        return self.out(found[0] if isinstance(found, tuple) else found)[:, 0]


STREAMS = {
    "pooled": lambda d, longest: Pooled(d),
    "hub": lambda d, longest: MacroFusion(d, 2 * d, 4, Mixing("transformer", 4)),
    "code": lambda d, longest: CodeMicro(d, {"text": d, "audio": d, "vision": d}, 1, 2 * d, 0.0),
    "micro": lambda d, longest: MicroFusion(d, d // 2, longest, 32, 4),
}


def stress_model(stream: str, task: StressTask, seed: int, d: int = 16, attention: bool = False) -> StressModel:
    """A model whose start depends on the seed alone; stream: a key of STREAMS."""
    return seeded(seed, lambda: StressModel(STREAMS[stream](d, task.longest), d, attention))


@dataclass(frozen=True)
class NegationTask:
    """Words, +1 or -1, each behind a "not" or not: the label is the mean over the words, those behind a "not" turned
    round.

    kind "filter": those behind a "not" do not count; "plain": the label is the mean of the words, and no word needs its
    neighbour.
    """

    kind: str = "negation"
    length: int = 8

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """x (b,l,2), a word and 1 where a "not" was said just before the *next* word; labels (b,), of variance 1."""
        words = 2.0 * torch.randint(2, (count, self.length), generator=generator) - 1
        said = torch.randint(2, (count, self.length), generator=generator).float()
        behind = torch.cat([torch.zeros(count, 1), said[:, :-1]], dim=1)
        weight = {"negation": 1 - 2 * behind, "filter": 1 - behind, "plain": torch.ones_like(behind)}[self.kind]
        counted = 1 + (self.length - 1) * (0.5 if self.kind == "filter" else 1.0)  # words that count, on average
        return torch.stack([words, said], dim=-1), (words * weight).sum(1) / counted**0.5


class StepGate(nn.Conv1d):
    """The published code's gate: one convolution to a single number a step, and a sigmoid: (b,l,d) -> (b,l,d).
    signed: without the sigmoid, so that the number may be negative."""

    def __init__(self, d: int, signed: bool = False):
        super().__init__(d, 1, 3, padding=1)
        self.signed = signed

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        number = super().forward(x.transpose(1, 2)).transpose(1, 2)
        gate = number if self.signed else torch.sigmoid(number)
        return x * gate, gate


class CodeGate(nn.Module):
    """StepGate and the published code's line behind it, tanh(W [x; g tanh(s)]), without the GRU that makes s of x
    there: here s is x. (b,l,d) -> (b,l,d)."""

    def __init__(self, d: int):
        super().__init__()
        self.gate, self.join = StepGate(d), nn.Linear(2 * d, d)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        _, gate = self.gate(x)
        return torch.tanh(self.join(torch.cat([x, gate * torch.tanh(x)], dim=-1))), gate


class GateReader(nn.Module):
    """Embed, one gate ("printed", "sigmoid", "code": CodeGate, "code, gate alone": StepGate, "code, signed": StepGate
    without its sigmoid, or "open", which is none), the mean over time, one number."""

    def __init__(self, gate: str, seed: int, d: int = 8):
        super().__init__()
        codes = {"code": CodeGate, "code, gate alone": StepGate, "code, signed": lambda d: StepGate(d, signed=True)}
        made = codes.get(gate, lambda d: MemoryGate(d, "printed" if gate == "open" else gate))
        self.embed, self.gate, self.out = seeded(seed, lambda: (nn.Linear(2, d), made(d), nn.Linear(d, 1)))
        self.open = gate == "open"

    def forward(self, x: Tensor) -> Tensor:
        """x (b,l,2) -> (b,)."""
        h = torch.tanh(self.embed(x))
        return self.out((h if self.open else self.gate(h)[0]).sum(1) / h.shape[1] ** 0.5)[:, 0]


def fit_gate(
    model: GateReader, task: NegationTask, seed: int, steps: int = 200, batch: int = 64, lr: float = 2e-2
) -> float:
    """Adam on fresh clips, the rate falling to zero; the explained share of variance on 1000 others (1: all, 0: the
    mean's)."""

    def loss(generator: torch.Generator) -> Tensor:
        x, labels = task.draw(batch, generator)
        return (model(x) - labels).square().mean()

    fit(model, loss, steps=steps, lr=lr, seed=seed)
    with torch.no_grad():
        x, labels = task.draw(1000, unseen(seed))
        return 1 - ((model(x) - labels).square().mean() / labels.square().mean()).item()


def fit_stress(
    model: nn.Module, task: StressTask, seed: int, steps: int = 150, batch: int = 64, lr: float = 1e-2
) -> float:
    """Adam on fresh clips with the logistic loss, the rate falling to zero; the share of right signs on 1000 others."""

    def loss(generator: torch.Generator) -> Tensor:
        scene = task.draw(batch, generator)
        return softplus(-scene.labels * model(scene)).mean()

    fit(model, loss, steps=steps, lr=lr, seed=seed)
    model.eval()
    with torch.no_grad():
        scene = task.draw(1000, unseen(seed))
        return (model(scene) * scene.labels > 0).float().mean().item()


def word_influence(model: nn.Module, task: StressTask, count: int = 300) -> Tensor:
    """Mean |d prediction / d word t| over full-length clips whose stressed word is s: (s, t)."""
    scene = task.draw(6 * count, torch.Generator().manual_seed(7))
    scene.h["text"].requires_grad_()
    slope = torch.autograd.grad(model(scene).sum(), scene.h["text"])[0][..., 0].abs()
    full = scene.valid["text"].all(1)
    return torch.stack([slope[full & (scene.stressed == s)].mean(0) for s in range(task.longest)])
