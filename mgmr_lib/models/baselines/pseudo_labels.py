"""Self-MM's self-supervision, which TETFN shares: each modality alone predicts, and is taught by labels of its own."""

import torch
from torch import Tensor, nn

from mgmr_lib.data.batch import Batch
from mgmr_lib.data.corpus import MODALITIES
from mgmr_lib.models.output import Output
from mgmr_lib.models.teacher import Teacher

NAMES = ("fused", *MODALITIES)
SMALL = 1e-8


class Head(nn.Module):
    """Features F = ReLU(W x), then ReLU(W F), then a number: (b, d_in) -> (b,), (b, d)."""

    def __init__(self, d_in: int, d: int, dropout: float):
        super().__init__()
        self.features = nn.Sequential(nn.Dropout(dropout), nn.Linear(d_in, d), nn.ReLU())
        self.predict = nn.Sequential(nn.Linear(d, d), nn.ReLU(), nn.Linear(d, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (b, d_in) -> prediction (b,), features (b, d)."""
        features = self.features(x)
        return self.predict(features).squeeze(-1), features


class Heads(nn.Module):
    """A head on the fused vector and on each modality's own; what they find is the network's Output."""

    def __init__(self, config, widths: dict[str, int]):
        super().__init__()
        self.task = config.task
        self.heads = nn.ModuleDict({n: Head(widths[n], getattr(config, f"head_{n}"), config.dropout) for n in NAMES})

    def forward(self, x: dict[str, Tensor]) -> Output:
        """x {"fused", "text", "audio", "vision"}: (b, d_in) each."""
        found = {name: head(x[name]) for name, head in self.heads.items()}
        sides = {m: found[m][0] for m in MODALITIES}
        latent = {name: features for name, (_, features) in found.items()}
        return Output(found["fused"][0], task=self.task, sides=sides, latent=latent)


class PseudoLabels(Teacher):
    """A label of its own for each clip and modality (Self-MM, section 3; the published code's formulas).

    From its label y, a clip's y_s moves as far as its features lie elsewhere between the centres of the positive and
    the negative clips than its fused ones: with delta_i = (|F_i - C-_i| - |F_i - C+_i|) / |F_i - C+_i|,

        new_s = (y delta_s / delta_m + y + delta_s - delta_m) / 2,   y_s <- (e - 1)/(e + 1) y_s + 2/(e + 1) new_s

    within -limit..limit, from the second epoch (e = 2) on. C+ and C- are means of the features of all clips, as they
    were last seen, whose own label is above and below 0. A clip is judged before its label moves, so that, as
    published, the heads of single modalities learn nothing in the first two epochs: |tanh(y_s - y)| weighs their
    errors. Here with redrawn masks, so that y_s is an average over what was lost. Repaired: labels stay where there is
    no positive or no negative clip (the published code divides 0 by 0), and |delta_m| is at least 1e-8.
    """

    def __init__(self, config, labels: Tensor):
        super().__init__(config, labels)
        self.limit, self.epoch = config.limit, 0
        self.register_buffer("label_fused", labels.clone(), persistent=False)
        for m in MODALITIES:
            self.register_buffer(f"label_{m}", labels.clone())
        for name in NAMES:
            self.register_buffer(f"features_{name}", labels.new_zeros(len(labels), getattr(config, f"head_{name}")))

    def start_epoch(self, epoch: int) -> None:
        """Labels move by a share that falls with the epoch."""
        self.epoch = epoch

    def forward(self, output: Output, batch: Batch) -> dict[str, Tensor]:
        """{"text_pseudo", "audio_pseudo", "vision_pseudo"}: mean over clips of tanh|y_s - y| |p_s - y_s|."""
        terms = {}
        for m in MODALITIES:
            own = getattr(self, f"label_{m}")[batch.rows]
            weight = (own - batch.labels).abs().tanh()
            terms[f"{m}_pseudo"] = (weight * (output.sides[m] - own).abs()).mean()
        return terms

    def update(self, output: Output, batch: Batch) -> None:
        """Move the batch's labels, then remember its features."""
        if self.epoch > 0:
            distance = {name: self.relative_distance(name, output.latent[name]) for name in NAMES}
            new = {m: self._moved(m, distance, batch) for m in MODALITIES}
            for m, labels in new.items():
                getattr(self, f"label_{m}")[batch.rows] = labels
        for name in NAMES:
            features = getattr(self, f"features_{name}")
            features[batch.rows] = output.latent[name].to(features.dtype)

    def relative_distance(self, name: str, features: Tensor) -> Tensor | None:
        """delta (b,) of features (b, d); None while one of the centres is undefined."""
        labels, known = getattr(self, f"label_{name}"), getattr(self, f"features_{name}")
        if not ((labels > 0).any() and (labels < 0).any()):
            return None
        positive, negative = (
            torch.linalg.vector_norm(features - known[side].mean(0), dim=-1) for side in (labels > 0, labels < 0)
        )
        return (negative - positive) / (positive + SMALL)

    def _moved(self, m: str, distance: dict[str, Tensor | None], batch: Batch) -> Tensor:
        own, y = getattr(self, f"label_{m}")[batch.rows], batch.labels
        alone, fused = distance[m], distance["fused"]
        if alone is None or fused is None:
            return own
        fused = torch.where(fused.abs() < SMALL, SMALL, fused)
        new = 0.5 * (y * alone / fused + y + alone - fused)
        e = self.epoch + 1
        return (e - 1) / (e + 1) * own + 2 / (e + 1) * new.clamp(-self.limit, self.limit)
