"""MMIM: Multimodal InfoMax (Han, Chen, Poria, EMNLP 2021), which keeps information while it fuses."""

import torch
from torch import Tensor, nn
from torch.distributions import Normal
from torch.func import functional_call
from torch.nn.functional import cross_entropy, normalize

from mgmr_lib.data.batch import Batch
from mgmr_lib.models.baselines.config_self_supervised import MMIMConfig
from mgmr_lib.models.baselines.vectors import LSTMVector, summarise
from mgmr_lib.models.inputs import Inputs, Network
from mgmr_lib.models.output import Output
from mgmr_lib.models.teacher import Teacher

OTHERS = ("audio", "vision")
D_ENTROPY = 4  # width of what the entropies are computed of
FEWEST = D_ENTROPY + 2  # clips of one sign that a covariance of that width needs
RIDGE = 1e-4


def contrastive_loss(x: Tensor, guess: Tensor) -> Tensor:
    """CPC's loss: which of the batch's guesses (b, d) belongs to each vector x (b, d), by cosine similarity.

    mean over i of -log(exp cos(x_i, g_i) / sum over j of exp cos(x_i, g_j)), a scalar; 0 for a single clip.
    """
    return cross_entropy(normalize(x, dim=-1) @ normalize(guess, dim=-1).T, torch.arange(len(x), device=x.device))


class Likelihood(nn.Module):
    """log q(x | text), q a Gaussian whose mean and log variance (in (-1, 1)) the text's vector gives: (b,)."""

    def __init__(self, d_text: int, hidden: int, d: int):
        super().__init__()
        self.mean = nn.Sequential(nn.Linear(d_text, hidden), nn.ReLU(), nn.Linear(hidden, d))
        self.log_variance = nn.Sequential(nn.Linear(d_text, hidden), nn.ReLU(), nn.Linear(hidden, d), nn.Tanh())

    def forward(self, text: Tensor, x: Tensor) -> Tensor:
        """text (b, d_text), x (b, d) -> (b,)."""
        scale = (0.5 * self.log_variance(text)).exp()
        return Normal(self.mean(text), scale, validate_args=False).log_prob(x).sum(-1)


def with_fixed_weights(module: nn.Module, *inputs: Tensor) -> Tensor:
    """module(*inputs), without a gradient to its weights."""
    return functional_call(module, {n: p.detach() for n, p in module.named_parameters()}, inputs)


class MMIM(Network):
    """A vector for each modality -> concatenation -> the fused vector z -> sentiment.

    Two bounds on mutual information keep in the vectors what they share: of text with audio and with vision (terms
    "likelihood" and, of the Teacher, "entropy"), and of z with each of the three (term "contrast").

    Kept, from declare-lab/Multimodal-Infomax (MIT): both levels, alpha and beta, entropies of a Gaussian for each sign
    of the label with a history (`SignEntropy`), estimators that learn from the likelihood alone, sizes. Simplified: one
    pass and one optimiser. The published code reads every batch twice, first for the estimators alone; here their term
    ("estimator") gives gradients to them alone, and "likelihood" to all but them. Gradients equal those of the two
    stages at the same weights; the order of updates differs. Repaired: q is a likelihood (there it lacks its -log
    variance / 2, so that raising the variance alone improves it), with a bounded variance. A frozen encoder's text is
    summarised by its mean (there [CLS] of a trained one: `summary`).
    """

    def __init__(self, config: MMIMConfig, inputs: Inputs):
        super().__init__()
        c, d = config, config.d_model
        self.config, self.inputs = c, inputs
        widths = {"text": inputs.dims["text"], "audio": c.d_audio, "vision": c.d_vision}
        self.vectors = nn.ModuleDict(
            {m: LSTMVector(inputs.dims[m], getattr(c, f"lstm_{m}"), widths[m]) for m in OTHERS}
        )
        total = sum(widths.values())
        self.fuse = nn.Sequential(nn.Dropout(c.dropout), nn.Linear(total, d), nn.Tanh(), nn.Linear(d, d), nn.Tanh())
        self.head = nn.Linear(d, 1)
        self.guess = nn.ModuleDict({m: nn.Linear(d, w) for m, w in widths.items()})
        self.likelihood = nn.ModuleDict({m: Likelihood(widths["text"], c.d_estimator, widths[m]) for m in OTHERS})

    def forward(self, batch: Batch) -> Output:
        """Batch -> Output: predictions (b); the vectors of audio and vision in `latent`, for the Teacher."""
        sequences = self.inputs(batch)
        text = sequences["text"]
        x = {"text": summarise(text.x, text.valid, self.config.summary)}
        x |= {m: vector(sequences[m]) for m, vector in self.vectors.items()}
        z = self.fuse(torch.cat(list(x.values()), dim=-1))
        terms = self.losses(x, z) if self.training else {}
        return Output(self.head(z).squeeze(-1), task=self.config.task, terms=terms, latent={m: x[m] for m in OTHERS})

    def losses(self, x: dict[str, Tensor], z: Tensor) -> dict[str, Tensor]:
        """{"contrast", "likelihood", "estimator"}, weighted."""
        c, text = self.config, x["text"]
        given = [with_fixed_weights(q, text, x[m]).mean() for m, q in self.likelihood.items()]
        learnt = [q(text.detach(), x[m].detach()).mean() for m, q in self.likelihood.items()]
        contrast = [contrastive_loss(x[m], guess(z)) for m, guess in self.guess.items()]
        return {
            "contrast": c.contrast * torch.stack(contrast).sum(),
            "likelihood": -c.bound * torch.stack(given).sum(),
            "estimator": -torch.stack(learnt).sum(),
        }


def entropy_by_sign(x: Tensor, labels: Tensor) -> Tensor:
    """A quarter of the sum of log det(covariance) of the positive clips and of the negative ones: x (k, d), labels (k,)
    -> a scalar, 0 unless there are enough clips of both signs.

    The entropy of a Gaussian for each sign, up to a constant, half of the clips in each.
    """
    signs = labels > 0, labels < 0
    if min(int(rows.sum()) for rows in signs) < FEWEST:
        return 0 * x.sum()
    ridge = RIDGE * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    return 0.25 * torch.stack([torch.logdet(torch.cov(x[rows].T) + ridge) for rows in signs]).sum()


class SignEntropy(Teacher):
    """-beta times the entropies of audio's and vision's vectors, over the batch and the last clips of the epoch before
    it: what the bound on mutual information has beside the likelihood.

    It is computed of tanh(W x), W (d, 4) random and fixed: in the published code nothing ever trains it. Memory as in
    the paper, counted in clips (the published code remembers one batch); it starts an epoch empty, and nothing of it is
    saved. No entropy with fewer than six clips of a sign (there: infinite, or not a number).
    """

    labels: Tensor
    seen: Tensor

    def __init__(self, config: MMIMConfig, labels: Tensor):
        super().__init__(config, labels)
        self.weight, self.memory, self.step = config.bound, config.memory, 0
        self.register_buffer("labels", labels.clone(), persistent=False)
        self.register_buffer("seen", torch.zeros(len(labels), dtype=torch.int64), persistent=False)  # at which step
        g = torch.Generator().manual_seed(0)
        for m in OTHERS:
            d = getattr(config, f"d_{m}")
            self.register_buffer(f"basis_{m}", torch.randn(d, D_ENTROPY, generator=g) * d**-0.5, persistent=False)
            self.register_buffer(f"known_{m}", torch.zeros(len(labels), D_ENTROPY), persistent=False)

    def start_epoch(self, epoch: int) -> None:
        """Forget the last epoch."""
        self.step = 0
        self.seen.zero_()

    def remembered(self) -> Tensor:
        """Rows of the clips seen last, at most `memory` of them: (k,) int64."""
        rows = self.seen.argsort(descending=True, stable=True)[: self.memory]
        return rows[self.seen[rows] > 0]

    def forward(self, output: Output, batch: Batch) -> dict[str, Tensor]:
        """{"entropy": -beta times audio's plus vision's}."""
        rows = self.remembered()
        labels, known = torch.cat([self.labels[rows], batch.labels]), {m: getattr(self, f"known_{m}") for m in OTHERS}
        entropies = [entropy_by_sign(torch.cat([known[m][rows], self._projected(m, output)]), labels) for m in OTHERS]
        return {"entropy": -self.weight * torch.stack(entropies).sum()}

    def update(self, output: Output, batch: Batch) -> None:
        """Remember the batch's clips."""
        self.step += 1
        self.seen[batch.rows] = self.step
        for m in OTHERS:
            getattr(self, f"known_{m}")[batch.rows] = self._projected(m, output)

    def _projected(self, m: str, output: Output) -> Tensor:
        return torch.tanh(output.latent[m].float() @ getattr(self, f"basis_{m}"))
