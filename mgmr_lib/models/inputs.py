"""The door of every network: standardise, hide what is missing, and (where the profile says so) pool in time.

Whatever lies at a missing or padded position is overwritten here, so no network behind this door can see it.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from mgmr_lib.data.batch import Batch, ModalityBatch
from mgmr_lib.data.corpus import MODALITIES
from mgmr_lib.data.findings import flat_channels
from mgmr_lib.data.text import TextEncoder
from mgmr_lib.ssm.padding import checked_mask

# Real features have rare huge spikes (a tracker that lost the face): five standard deviations are enough to say "huge".
CLAMP = 5.0
HARDLY = 1e-12  # of the largest standard deviation: below it a channel of a trained text encoder counts as constant


@dataclass
class Sequence(ModalityBatch):
    """One modality as the network sees it; missing: valid, but nothing of it was seen.

    x: (b, l, d_m), standardised, zero where missing or padded (text keeps its [UNK] encodings where missing);
    target: (b, l, d_m), the complete one; valid, keep: (b, l) bool.
    recorded: (b,) bool, False where a clip never had this modality (None: all had it). Such a clip has one step (the
    text of a corpus without words: as many as the clip has of voice or face) to stand for it, valid, zero and never
    kept: networks see what they see of a modality that was lost whole, no mean, maximum or softmax runs over nothing,
    and there is nothing to reconstruct.
    """

    recorded: Tensor | None = None

    @property
    def missing(self) -> Tensor:
        """(b, l) bool: it was there, but nothing of it was seen: what a reconstruction is to guess."""
        lost = self.valid & ~self.keep
        return lost if self.recorded is None else lost & self.recorded[:, None]


def pool_frames(frames: Tensor, mask: Tensor, factor: int) -> tuple[Tensor, Tensor]:
    """Average the masked-in frames of each window of `factor` steps.

    frames: (b, l, d), mask: (b, l) bool -> (b, ceil(l / factor), d), zero where a window has no such frame, and
    (b, ceil(l / factor)) bool, True where it has one.
    """
    b, l, d = frames.shape
    spare = -l % factor
    frames = nn.functional.pad(frames.masked_fill(~mask[..., None], 0.0), (0, 0, 0, spare)).view(b, -1, factor, d)
    count = nn.functional.pad(mask, (0, spare)).view(b, -1, factor).sum(2)
    return frames.sum(2) / count.clamp(min=1)[..., None], count > 0


def pool_to_length(x: Tensor, valid: Tensor, lengths: Tensor, longest: int) -> Tensor:
    """Spread each clip's valid steps evenly over its own `lengths[i]` bins and average within a bin.

    x: (b, l, d), valid: (b, l) bool (True at the front), lengths: (b,) -> (b, longest, d), zero beyond lengths[i].
    A clip with fewer steps than bins repeats steps: bin j averages the steps from floor(j s / k) to ceil((j + 1) s /
    k), as adaptive average pooling does, so no bin is empty.
    """
    steps = checked_mask(valid, x).sum(1)
    bins = torch.arange(longest, device=x.device)[None, :]
    first = (bins * steps[:, None]) // lengths[:, None]
    last = -((-(bins + 1) * steps[:, None]) // lengths[:, None])
    sums = nn.functional.pad(x.masked_fill(~valid[..., None], 0.0).cumsum(1), (0, 0, 1, 0))
    inside = bins < lengths[:, None]
    first, last = first.where(inside, 0), last.where(inside, 0)
    take = lambda edge: sums.gather(1, edge[..., None].expand(-1, -1, x.shape[2]))  # noqa: E731
    return (take(last) - take(first)) / (last - first).clamp(min=1)[..., None]


class Inputs(nn.Module):
    """Batch -> {modality: Sequence}.

    dims: {"text": d_t, "audio": d_a, "vision": d_v}; pool: {"audio": frames per step, "vision": ...}. stored_text: text
    comes as the file's features, whose missing steps are zero like those of voice and face (no [UNK] was encoded).
    The statistics are the train split's (set by `fit`) and are saved with the weights.
    """

    def __init__(
        self,
        dims: dict[str, int],
        pool: dict[str, int] | None = None,
        text_encoder: TextEncoder | None = None,
        stored_text: bool = False,
    ):
        super().__init__()
        self.stored_text = stored_text
        self.dims, self.pool, self.text_encoder = dict(dims), dict(pool or {}), text_encoder
        for m in MODALITIES:
            self.register_buffer(f"{m}_mean", torch.zeros(dims[m]))
            self.register_buffer(f"{m}_scale", torch.ones(dims[m]))
        self.has_words = True  # what the statistics say; a plain value, so that no step waits for a device
        self.register_load_state_dict_post_hook(_find_words)

    @torch.no_grad()
    def fit(self, modality: str, values) -> None:
        """Take mean and standard deviation from values (frames, d_m), whatever their unit.

        A channel that never changes teaches nothing: it gets the largest scale, so that it stays zero whatever comes;
        so does every channel of a modality that no training clip has. Where the text encoder is trained, too, so does a
        channel that hardly changes beside the others (MiniLM has two of 1e-33): what it gives back to the encoder is
        divided by its scale, and would overflow.
        """
        largest = torch.finfo(torch.float32).max
        if len(values) == 0:
            values = np.zeros((1, self.dims[modality]), np.float32)
        flat = torch.from_numpy(flat_channels(np.asarray(values)))
        mean, scale = _moments(np.asarray(values))
        flat |= scale < torch.finfo(torch.float32).tiny
        if modality == "text" and self.text_encoder is not None and not self.text_encoder.frozen:
            flat |= scale < HARDLY * scale.max()
        getattr(self, f"{modality}_mean").copy_(mean)
        getattr(self, f"{modality}_scale").copy_(torch.where(flat, largest, scale.clamp(max=largest)))
        _find_words(self)

    def standardise(self, modality: str, x: Tensor) -> Tensor:
        """(…, d_m) in the file's units -> standard deviations from the train split's mean, clamped to +-5."""
        return ((x - getattr(self, f"{modality}_mean")) / getattr(self, f"{modality}_scale")).clamp(-CLAMP, CLAMP)

    def forward(self, batch: Batch) -> dict[str, Sequence]:
        """Batch -> {modality: Sequence of (b, l, d_m)}, standardised, missing and padded steps hidden."""
        return {m: self.one(batch, m) for m in MODALITIES}

    def one(self, batch: Batch, modality: str) -> Sequence:
        """A single modality, for a network that looks at nothing else."""
        part = batch[modality]
        part = replace(part, valid=checked_mask(part.valid, part.x))
        if modality == "text" and self.stored_text and not self.has_words:
            return self._no_words(batch)
        found = self._text(part) if modality == "text" else self._frames(modality, part)
        return _with_stand_in(found)

    def _no_words(self, batch: Batch) -> Sequence:
        """The text of a corpus that has none: as many missing steps as the clip has of voice or face, whichever is
        longer, since networks bring voice and face onto the text's steps."""
        steps, widths = [], []
        for m in ("audio", "vision"):
            valid, factor = checked_mask(batch[m].valid, batch[m].x), self.pool.get(m, 1)
            steps.append(-(-valid.sum(1) // factor))
            widths.append(-(-valid.shape[1] // factor))
        count, width = torch.maximum(*steps).clamp(min=1), max(widths)
        valid = torch.arange(width, device=count.device) < count[:, None]
        blank = batch.text.x.new_zeros(*valid.shape, self.dims["text"])
        return Sequence(blank, blank, valid, torch.zeros_like(valid), torch.zeros_like(count, dtype=torch.bool))

    def _text(self, part: ModalityBatch) -> Sequence:
        x, target = part.x, part.target
        if not x.is_floating_point():
            assert self.text_encoder is not None  # token ids come to a network that encodes them alone
            # The complete text's encoding is a target: it must not be pulled towards the reconstruction.
            with torch.no_grad():
                target = self.text_encoder(target, part.valid)
            x = self.text_encoder(x, part.valid)
        hide = ~part.valid[..., None]
        seen = part.keep if self.stored_text else part.valid
        return Sequence(
            self.standardise("text", x).masked_fill(~seen[..., None], 0.0),
            self.standardise("text", target).masked_fill(hide, 0.0),
            part.valid,
            part.keep,
        )

    def _frames(self, modality: str, part: ModalityBatch) -> Sequence:
        x = self.standardise(modality, part.x).masked_fill(~part.keep[..., None], 0.0)
        target = self.standardise(modality, part.target).masked_fill(~part.valid[..., None], 0.0)
        factor = self.pool.get(modality, 1)
        if factor == 1:
            return Sequence(x, target, part.valid, part.keep)
        x, keep = pool_frames(x, part.keep, factor)
        target, valid = pool_frames(target, part.valid, factor)
        return Sequence(x, target, valid, keep)


class Network(nn.Module):
    """What the registry builds: a module Batch -> Output (models/output.py) with this door before everything else."""

    inputs: Inputs


def _moments(values: np.ndarray, numbers: int = 8_000_000) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (d,) of values (frames, d), in float64, of so many numbers at a time: a second copy
    of a whole split, twice as wide, would be the most that a training ever holds."""

    def of(part: np.ndarray) -> tuple[Tensor, Tensor]:
        wide = torch.from_numpy(np.array(part, dtype=np.float64))  # a copy: memory maps are read-only
        return wide.mean(0), wide.std(0, unbiased=False)

    width = max(1, numbers // len(values))
    mean, scale = zip(*(of(values[:, i : i + width]) for i in range(0, values.shape[1], width)), strict=True)
    return torch.cat(mean), torch.cat(scale)


def _find_words(inputs: Inputs, _=None) -> None:
    """Whether some training clip had a word: no channel of a modality that was never recorded has a scale."""
    scale = inputs.get_buffer("text_scale")
    if not scale.is_meta:
        inputs.has_words = bool((scale < torch.finfo(torch.float32).max).any())


def _with_stand_in(s: Sequence) -> Sequence:
    """The same, with a first step in clips that have none (`Sequence.recorded`)."""
    recorded = s.valid.any(1)
    first = torch.arange(s.valid.shape[1], device=s.valid.device) == 0
    return replace(s, valid=s.valid | first & ~recorded[:, None], recorded=recorded)
