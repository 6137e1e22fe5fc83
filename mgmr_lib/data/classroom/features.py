"""The simulated voice and face of a classroom clip. Nothing was recorded; only sentence and rating are real.

For a clip with rating y in [-4, 4], words w at times c_w (seconds) and lexicon valences v_w in [-4, 4], and for m in
{voice, face}:

    s      = -1 in a sarcastic clip, else 1           sarcasm turns voice and face against the words; y stays
    g      ~ N(0, 1)                                  arousal: it has nothing to do with y
    z_m    = s * a_m * (y / 2) + sqrt(1 - a_m^2) * (sqrt(h_m) * g + sqrt(1 - h_m) * n_m),        n_m ~ N(0, 1)
                                                      what voice (face) shows of the speaker's feeling
    e_mw   = s * v_w / 2 + 0.7 * n_mw                 the accent that voice (face) puts on word w, n_mw ~ N(0, 1)
    x_k(t) = base_k + spread_k * ( 0.6 * speaker_k + level_k * z_m + arousal_k * g
             + 0.5 * d_k * (t / T - 1/2) + 0.8 * AR_k(t) + cue_k * [s < 0]
             + sum_w 0.5 * (up_k * max(e_mw, 0) + down_k * max(-e_mw, 0)) * bump((t - c_w - lag_k) / width_m) )

speaker_k and d_k are N(0, 1), drawn for each speaker and each clip; AR_k is a first-order autoregressive process of
unit variance; bump(u) = exp(-u^2 / 2); cue_k is 0.5 for AU14 (a smirk), else 0. h is 0.8 for the voice and 0 for the
face: as is known of real speakers, a loud high voice may be joy or mere excitement, and the face (lids, lips, jaw)
shows the excitement apart from the joy. So the two together tell more than the sum of what each tells alone. The face
lags the word by about a quarter of a second, the voice by a few hundredths. Every x_k is cut to its physical range
and rounded to 255 steps of it. g, n_m and n_mw are drawn once a clip (and word): however good a network is, a voice
or a face alone cannot tell it more about y than its z_m and e_mw (and the smirk) do.

Lengths know nothing of the label: T = 0.6 s + words / rate, the rate log-normal around 2.6 words per second and drawn
for itself. Words share the time between a lead-in and a lead-out of 0.3 s by their number of letters.

**The second edition** (`Manner`) was set by what was measured on real corpora of voice and face, by summaries alone
(`python -m mgmr_lib calibrate`). There a clip's feeling is not only a level: z_m enters as sqrt(level) * level_k * z_m,
and as sqrt(1 - level) * level_k * z_m * sum_j gesture * w((t - t_j) / lasts), with w(u) = -u exp(1/2 - u^2 / 2) at
random times t_j, whose mean over the clip is taken away: who averages the clip does not see it. Speakers are further
apart, and unlike so from channel to channel; the noise forgets sooner; and some clips have no face at all.

Channels beyond the named ones (the corpora with 74 audio or 709 vision channels) are mixtures: two named channels of
the same modality, in random proportion, with a speaker offset and noise of their own, on a random scale.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

PAUSE = 0.3  # seconds of silence before and after the words
STEPS = 255


@dataclass(frozen=True)
class Channel:
    """One named feature: resting value, spread and range (in unit), what moves it (in spreads), its lag in seconds."""

    name: str
    unit: str
    base: float
    spread: float
    low: float
    high: float
    level: float
    up: float
    down: float
    lag: float
    arousal: float = 0.0


def _unit(name: str, level: float, up: float, down: float, arousal: float = 0.0) -> Channel:
    """A facial action unit: an intensity from 0 to 5, as OpenFace gives it."""
    return Channel(name, "intensity 0-5", 1.2, 0.5, 0.0, 5.0, level, up, down, 0.25, arousal)


VOICE = (
    Channel("pitch", "Hz", 170.0, 32.0, 60.0, 400.0, 0.8, 0.8, -0.5, 0.04),
    Channel("energy", "dB", 62.0, 6.0, 30.0, 90.0, 0.7, 0.9, 0.6, 0.02),
    Channel("voicing", "probability", 0.62, 0.13, 0.0, 1.0, 0.5, 0.3, -0.2, 0.02),
    Channel("spectral tilt", "dB per octave", -11.0, 2.2, -24.0, 2.0, 0.6, 0.4, 0.3, 0.04),
    Channel("jitter", "%", 1.4, 0.4, 0.0, 4.0, -0.5, -0.1, 0.4, 0.06),
)
FACE = (
    _unit("AU01 inner brow raiser", -0.3, 0.1, 0.4),
    _unit("AU02 outer brow raiser", 0.1, 0.4, 0.0, arousal=0.8),
    _unit("AU04 brow lowerer", -0.8, -0.2, 0.9),
    _unit("AU05 upper lid raiser", 0.1, 0.3, 0.2, arousal=1.1),
    _unit("AU06 cheek raiser", 0.9, 0.9, -0.1),
    _unit("AU07 lid tightener", -0.1, 0.1, 0.4),
    _unit("AU09 nose wrinkler", -0.4, 0.0, 0.6),
    _unit("AU10 upper lip raiser", -0.3, 0.0, 0.5),
    _unit("AU12 lip corner puller", 1.0, 1.2, -0.3),
    _unit("AU14 dimpler", 0.0, 0.0, 0.1),
    _unit("AU15 lip corner depressor", -0.7, -0.1, 0.8),
    _unit("AU17 chin raiser", -0.3, 0.0, 0.4),
    _unit("AU20 lip stretcher", -0.1, 0.1, 0.2),
    _unit("AU23 lip tightener", -0.2, 0.0, 0.3),
    _unit("AU25 lips part", 0.2, 0.5, 0.3, arousal=1.0),
    _unit("AU26 jaw drop", 0.1, 0.4, 0.1, arousal=1.1),
    _unit("AU45 blink", 0.0, 0.0, 0.1),
    Channel("head pitch", "degrees", 0.0, 6.0, -45.0, 45.0, 0.3, 0.3, -0.4, 0.2),
    Channel("head yaw", "degrees", 0.0, 9.0, -60.0, 60.0, 0.0, 0.0, 0.2, 0.2),
    Channel("head roll", "degrees", 0.0, 4.0, -30.0, 30.0, 0.0, 0.2, 0.0, 0.2),
)
SARCASM_CUE = "AU14 dimpler"  # a smirk: half a spread higher in sarcastic clips


@dataclass(frozen=True)
class Manner:
    """What the second edition sets apart for each modality (see the end of this file's docstring).

    level: how much of what is shown is a level that lasts for the clip, from 0 to 1 (the rest is gestures); gesture:
    their size; every: seconds from one to the next; lasts: their width in seconds; speaker: how far speakers are apart;
    uneven: how much channels differ in that; memory: of the AR noise, seconds.
    """

    level: float
    gesture: float
    every: float
    lasts: float
    speaker: float
    uneven: float
    memory: float


@dataclass(frozen=True)
class Modality:
    """How one modality is simulated. strength: a_m above; excitable: h_m; accent: a factor on up and
    down; width: of a word's bump, seconds; memory: of the AR noise, seconds; manner: the second edition's settings."""

    channels: tuple[Channel, ...]
    mixtures: "Mixtures"
    frame_rate: float
    max_frames: int
    strength: float
    width: float
    memory: float
    accent: float
    excitable: float
    noise: float = 0.8
    slope: float = 0.5
    manner: Manner | None = None

    @property
    def dim(self) -> int:
        return len(self.channels) + len(self.mixtures.first)

    @property
    def names(self) -> tuple[str, ...]:
        """A name for every channel."""
        return tuple(c.name for c in self.channels) + tuple(f"mixture {i + 1}" for i in range(len(self.mixtures.first)))

    @cached_property
    def ranges(self) -> tuple[np.ndarray, np.ndarray]:
        """The lowest and the highest value of each channel (dim,) float32: the ends of its 255 steps."""
        low, high, m = self.columns["low"], self.columns["high"], self.mixtures
        lowest = np.concatenate((low, m.base - 6 * m.spread))
        highest = np.concatenate((high, m.base + 6 * m.spread))
        return lowest.astype(np.float32), highest.astype(np.float32)

    @cached_property
    def columns(self) -> dict[str, np.ndarray]:
        """The fields of the named channels: {"base": (k,) float64, ...}."""
        names = ("base", "spread", "low", "high", "level", "up", "down", "lag", "arousal")
        return {name: np.array([getattr(c, name) for c in self.channels], dtype=np.float64) for name in names}

    @cached_property
    def speaker(self) -> np.ndarray | float:
        """How far speakers are apart in each channel, in spreads: 0.6 in the first edition, else (dim,)."""
        if self.manner is None:
            return 0.6
        rank = np.random.default_rng(self.dim).permutation(self.dim)
        return self.manner.speaker * np.exp(self.manner.uneven * (2 * (rank + 0.5) / self.dim - 1))

    @cached_property
    def sarcasm(self) -> np.ndarray:
        """What sarcasm adds to each named channel, (k,), in spreads."""
        return np.array([0.5 if c.name == SARCASM_CUE else 0.0 for c in self.channels])

    def frames(self, seconds: float) -> int:
        """The number of frames of a clip."""
        return int(np.clip(round(seconds * self.frame_rate), 1, self.max_frames))


@dataclass(frozen=True)
class Mixtures:
    """The unnamed channels, arrays (k,): base + spread * (w * x_first + sqrt(1 - w^2) * x_second + own noise)."""

    first: np.ndarray
    second: np.ndarray
    weight: np.ndarray
    base: np.ndarray
    spread: np.ndarray

    @classmethod
    def draw(cls, count: int, channels: tuple[Channel, ...], rng: np.random.Generator) -> "Mixtures":
        """Random pairs of channels, proportions and scales, the same for every clip of a corpus."""
        pairs = rng.integers(0, len(channels), (2, count))
        spread = 10.0 ** rng.uniform(-1.5, 1.5, count)
        return cls(pairs[0], pairs[1], rng.uniform(-1, 1, count), spread * rng.normal(0, 2, count), spread)


@dataclass(frozen=True)
class Performance:
    """What voice and face share in a clip. feeling: y / 2; arousal: g; sign: s.

    valence: (words,) v_w / 2; spans: (words, 2), start and end of each word in seconds.
    """

    seconds: float
    feeling: float
    arousal: float
    sign: float
    valence: np.ndarray
    spans: np.ndarray


def clip_seconds(words: int, longest: float, rng: np.random.Generator) -> float:
    """How long the speaker takes: it depends on the number of words and on an own random rate, on nothing else."""
    rate = 2.6 * np.exp(0.15 * rng.standard_normal())
    return float(min(2 * PAUSE + words / rate, longest))


def word_spans(text: str, seconds: float) -> np.ndarray:
    """When each word of the text is spoken: start and end in seconds, (words, 2). Longer words take longer."""
    letters = np.array([len(word) + 1.0 for word in text.split()])
    ends = np.cumsum(letters) / letters.sum() * (seconds - 2 * PAUSE) + PAUSE
    return np.stack([np.concatenate([[PAUSE], ends[:-1]]), ends], axis=1)


def simulate(modality: Modality, clip: Performance, speaker: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The clip's frames in steps of each channel's range: (frames, dim) uint8. speaker: (dim,) offsets, N(0, 1)."""
    k, frames = len(modality.channels), modality.frames(clip.seconds)
    strength, excitable = modality.strength, modality.excitable
    own = np.sqrt(excitable) * clip.arousal + np.sqrt(1 - excitable) * rng.standard_normal()
    shown = clip.sign * strength * clip.feeling + np.sqrt(1 - strength**2) * own
    accents = clip.sign * clip.valence + 0.7 * rng.standard_normal(len(clip.valence))
    time = (np.arange(frames) + 0.5) / modality.frame_rate
    speaker = modality.speaker * speaker
    level = 1.0 if modality.manner is None else np.sqrt(modality.manner.level)
    named = speaker[:k] + modality.columns["level"] * (level * shown) + modality.columns["arousal"] * clip.arousal
    named = named + (time / clip.seconds - 0.5)[:, None] * (modality.slope * rng.standard_normal(k))
    named = named + _accents(modality, clip.spans.mean(axis=1), accents, time)
    if modality.manner is not None:
        named = named + modality.columns["level"] * (shown * _gestures(modality.manner, clip.seconds, time, rng))
    if clip.sign < 0:
        named = named + modality.sarcasm
    noise = modality.noise * _autoregressive(rng.standard_normal((frames, modality.dim)), modality)
    named = named + noise[:, :k]
    m = modality.mixtures
    mixed = m.weight * named[:, m.first] + np.sqrt(1 - m.weight**2) * named[:, m.second]
    mixed = mixed + speaker[k:] + noise[:, k:]
    values = np.concatenate(
        [modality.columns["base"] + modality.columns["spread"] * named, m.base + m.spread * mixed], axis=1
    )
    low, high = (bound.astype(np.float64) for bound in modality.ranges)
    return np.rint((np.clip(values, low, high) - low) * (STEPS / (high - low))).astype(np.uint8)


def _gestures(manner: Manner, seconds: float, time: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The course of a clip's gestures, (frames, 1): each rises and falls below again, so that they add no level."""
    count = max(1, round(seconds / manner.every))
    starts = (np.arange(count) + rng.random(count)) * seconds / count
    u = (time[:, None] - starts[None, :]) / manner.lasts
    course = (-u * np.exp(0.5 - u**2 / 2)).sum(1, keepdims=True)
    return manner.gesture * np.sqrt(1 - manner.level) * (course - course.mean())


def _accents(modality: Modality, centres: np.ndarray, accents: np.ndarray, time: np.ndarray) -> np.ndarray:
    """What the words add to each named channel, (frames, k)."""
    total = np.zeros((len(time), len(modality.channels)))
    up, down = (modality.accent * modality.columns[name] for name in ("up", "down"))
    lags = modality.columns["lag"]
    for lag in np.unique(lags):  # channels with the same lag share their bumps
        mine = lags == lag
        bumps = np.exp(-0.5 * ((time[:, None] - centres[None, :] - lag) / modality.width) ** 2)
        rising, falling = (bumps * np.maximum(accents, 0)).sum(1), (bumps * np.maximum(-accents, 0)).sum(1)
        total[:, mine] = rising[:, None] * up[mine] + falling[:, None] * down[mine]
    return total


def _autoregressive(white: np.ndarray, modality: Modality) -> np.ndarray:
    """Unit-variance noise with a memory, made in place from white noise (frames, dim)."""
    keep = np.exp(-1.0 / (modality.frame_rate * modality.memory))
    white[1:] *= np.sqrt(1 - keep**2)
    for t in range(1, len(white)):
        white[t] += keep * white[t - 1]
    return white


def decode(steps: np.ndarray, modality: Modality) -> np.ndarray:
    """Steps (frames, dim) uint8 back to values in their units, float32."""
    low, high = modality.ranges
    values = steps.astype(np.float32)
    values *= (high - low) / np.float32(STEPS)
    values += low
    return values
