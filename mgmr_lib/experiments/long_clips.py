"""Simulated clips of thousands of frames in which two moments far from each other decide, and no average can tell.

Nothing of them was recorded from people. The voice is noise, with two short cues of opposite sign at random places, at
least half of the clip apart; the label is the sign of the first. Swapping the cues makes the clip of the opposite
label out of the very same frames, so nothing that forgets their order (a mean, a maximum, a histogram) says anything
of the label. Words and face are noise; the words are evenly spread over the clip.
"""

import torch

from mgmr_lib.data.batch import Batch, ModalityBatch

WIDTHS = {"text": 8, "audio": 4, "vision": 4}
WORDS = 10  # and as many frames of the face: the voice alone is long
CUE_FRAMES = 10
CUE = 2.0  # height of a cue in its channel, the voice's first; the noise has standard deviation 0.5
NOISE = 0.5
EARLIEST, LATEST, APART = 0.02, 0.98, 0.5  # where cues may start or end, and their least distance: shares of the clip


def long_clips(frames: int, count: int, seed: int, labels: torch.Tensor | None = None) -> Batch:
    """A batch of `count` clips with `frames` of voice, always the same for the same arguments. labels (count): the
    signs, +1 or -1; None: drawn. Clips that differ in their labels alone hold the same frames in another order."""
    g = torch.Generator().manual_seed(seed)
    drawn = 1 - 2 * torch.randint(2, (count,), generator=g).float()
    labels = drawn if labels is None else labels
    text, audio, vision = (
        NOISE * torch.randn(count, steps, WIDTHS[m], generator=g)
        for m, steps in (("text", WORDS), ("audio", frames), ("vision", WORDS))
    )
    first, second = _places(frames, count, g)
    for clip, sign, a, b in zip(audio, labels.tolist(), first.tolist(), second.tolist(), strict=True):
        early, late = clip[a : a + CUE_FRAMES], clip[b : b + CUE_FRAMES]
        early[:, 0] += CUE
        late[:, 0] -= CUE
        if sign < 0:
            early[:], late[:] = late.clone(), early.clone()
    return Batch(tuple(str(i) for i in range(count)), labels, _whole(text), _whole(audio), _whole(vision))


def _whole(x: torch.Tensor) -> ModalityBatch:
    """Nothing is padded, nothing missing."""
    everything = torch.ones(x.shape[:2], dtype=torch.bool)
    return ModalityBatch(x, x, everything, everything)


def _places(frames: int, count: int, g: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """(count,) first frames of both cues: uniform over all pairs that are far enough apart."""
    span = LATEST - EARLIEST - APART
    low, high = torch.rand(2, count, generator=g).sort(dim=0).values * span
    return ((EARLIEST + low) * frames).long(), ((EARLIEST + APART + high) * frames).long() - CUE_FRAMES
