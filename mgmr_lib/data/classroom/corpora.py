"""The classroom corpora: real rated sentences with a **simulated** voice and face (equations: classroom_features.py).

A corpus lies in data/corpora/NAME.safetensors: token ids, labels, lengths and the valid frames in 255 steps of each
channel's range, and beside it NAME.json with its SHA-256. The same seed gives the same bytes.
"""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from mgmr_lib.data.classroom import features
from mgmr_lib.data.classroom.ratings import SETS, RatedSentence, read_lexicon, word_valence
from mgmr_lib.data.classroom.splits import Clip, draw_splits, held
from mgmr_lib.data.compact import CodedRagged
from mgmr_lib.data.corpus import SPLITS, Corpus, Ragged, Split
from mgmr_lib.data.download.sources import disk_errors, file_sha256, progress_bar
from mgmr_lib.data.wordpiece import load_tokenizer, tokenize
from mgmr_lib.errors import CourseError
from mgmr_lib.files import put_in_place, system_error, write_json
from mgmr_lib.paths import corpora_dir

VERSION = 1  # of the generator: a stored corpus of another version is built again
SARCASTIC = 0.1
LARGEST_DECODED = 100_000_000  # bytes of a file; decoded, it takes four times as much memory (classroom-mosei: 1.2 GB)


@dataclass(frozen=True)
class ClassroomSpec:
    """What one classroom corpus holds. sizes: train, valid, test; audio, vision: (longest clip in frames, width);
    voice, face, faceless: the second edition's manner of each, and its share of clips without a face; apart: no
    sentence that results are read on stands in it (DEVELOPMENT)."""

    name: str
    family: str
    sets: tuple[str, ...]
    sizes: tuple[int, int, int]
    audio: tuple[int, int]
    vision: tuple[int, int]
    text: int
    seconds: float
    seed: int
    voice_strength: float = 0.47
    face_strength: float = 0.285
    voice_excitable: float = 0.8
    voice: features.Manner | None = None
    face: features.Manner | None = None
    faceless: float = 0.0
    apart: bool = False

    @property
    def label_scale(self) -> float:
        """A rating in [-4, 4] times this is a label."""
        return 0.25 if self.family == "sims" else 0.75

    def made_from(self) -> dict:
        """Everything that decides the bytes, as JSON gives it back: the settings that its edition has."""
        settings = {k: v for k, v in asdict(self).items() if k not in ("voice", "face", "faceless", "apart") or v}
        return json.loads(json.dumps({"version": VERSION, **settings}))

    def modalities(self) -> dict[str, features.Modality]:
        """How voice and face are simulated here; the mixtures are drawn from the corpus's seed."""
        rng = np.random.default_rng([self.seed, 1])
        found = {}
        for name, (frames, dim), channels, strength, excitable, width, memory, manner in (
            ("audio", self.audio, features.VOICE, self.voice_strength, self.voice_excitable, 0.15, 0.25, self.voice),
            ("vision", self.vision, features.FACE, self.face_strength, 0.0, 0.30, 0.50, self.face),
        ):
            memory = memory if manner is None else manner.memory
            mixtures = features.Mixtures.draw(dim - len(channels), channels, rng)
            rate = frames / self.seconds
            sizes = (rate, frames, strength, width, memory, 0.5, excitable)
            found[name] = features.Modality(channels, mixtures, *sizes, manner=manner)
        return found


FIRST = {
    spec.name: spec
    for spec in (
        ClassroomSpec(
            "classroom-mosi", "mosi", SETS[:1], (1284, 229, 686), (375, 5), (500, 20), 50, seconds=30.0, seed=2015
        ),
        ClassroomSpec(
            "classroom-mosei", "mosei", SETS, (16326, 1871, 4659), (500, 74), (500, 35), 50, seconds=30.0, seed=2016
        ),
        ClassroomSpec(
            "classroom-sims", "sims", SETS, (1368, 456, 457), (400, 33), (55, 709), 39, seconds=12.0, seed=2017
        ),
    )
}


SECOND: dict[str, Any] = {
    "voice": features.Manner(level=0.5, gesture=1.9, every=1.5, lasts=0.4, speaker=0.9, uneven=0.9, memory=0.05),
    "face": features.Manner(level=0.2, gesture=1.7, every=1.5, lasts=0.4, speaker=0.6, uneven=0.6, memory=0.4),
    "faceless": 0.15,
}
# Where settings are chosen (experiments/tuning.py): like classroom-mosi@2, of other sentences.
DEVELOPMENT = replace(
    FIRST["classroom-mosi"], name="classroom-dev", sizes=(640, 320, 160), seed=2018, apart=True, **SECOND
)
# By the names that records have. The first editions keep theirs; a later one has its number behind it.
SPECS = FIRST | {f"{n}@2": replace(FIRST[n], name=f"{n}@2", **SECOND) for n in FIRST} | {DEVELOPMENT.name: DEVELOPMENT}
EDITION = 1  # the one that a name without a number means


def recorded_name(name: str) -> str:
    """What records and files call a corpus that somebody names: "classroom-mosi", its edition behind an @ or not."""
    plain, _, edition = name.partition("@")
    if plain in FIRST and edition == "1":
        return plain
    return f"{plain}@{EDITION}" if f"{plain}@{EDITION}" in SPECS and not edition else name


def exact_name(recorded: str) -> str:
    """The inverse: the name that means this edition, whichever is the usual one."""
    return f"{recorded}@1" if recorded in FIRST else recorded


def corpus_path(name: str) -> Path:
    """Where a built corpus lies."""
    return corpora_dir() / f"{name}.safetensors"


def manifest_path(name: str) -> Path:
    """Where the hash of a built corpus lies."""
    return corpora_dir() / f"{name}.json"


def is_built(spec: ClassroomSpec) -> bool:
    """Whether the corpus is there, in its full size and made by this version of the generator."""
    manifest = read_manifest(spec.name)
    path = corpus_path(spec.name)
    return (
        manifest.get("made_from") == spec.made_from()
        and path.is_file()
        and path.stat().st_size == manifest.get("bytes")
    )


def read_manifest(name: str) -> dict:
    """What is known about a built corpus; empty where there is none."""
    try:
        manifest = json.loads(manifest_path(name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) else {}


# ------------------------------------------------------------------------------------------------------------- building


def build(spec: ClassroomSpec, say: Callable[[str], None] = print, progress: bool = True) -> Path:
    """Build a corpus and its manifest; return its path. Call it under `sources.prepare_lock`."""
    tensors: dict[str, np.ndarray] = {}
    splits = splits_of(spec)
    title = f"{spec.name} (simulated voice and face)"
    with progress_bar(total=sum(spec.sizes), desc=title, unit="clip", disable=not progress) as bar:
        for code, (split, clips) in enumerate(splits.items()):
            for key, value in _build_split(spec, clips, [spec.seed, 2, code], bar).items():
                tensors[f"{split}/{key}"] = value
    path, temporary = corpus_path(spec.name), corpus_path(spec.name).with_suffix(f".{os.getpid()}.tmp")
    with disk_errors():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            save_file(tensors, temporary)
            temporary.chmod(0o644)  # safetensors gives the file to its owner alone
            manifest = {
                "bytes": temporary.stat().st_size,
                "sha256": file_sha256(temporary),
                "made_from": spec.made_from(),
            }
            put_in_place(temporary, path)
            write_json(manifest_path(spec.name), manifest)
        except SafetensorError as error:
            raise system_error(error) from error
        finally:
            temporary.unlink(missing_ok=True)
    return path


def splits_of(spec: ClassroomSpec) -> dict[str, list[Clip]]:
    """The clips of each split. Where `spec.apart`, none has a sentence (editorial, product) of classroom-mosi or
    -sims, nor of what classroom-mosei is validated and tested on; its three splits hold nearly every sentence."""
    taken: set[str] = set()
    for other in FIRST.values() if spec.apart else ():
        splits = draw_splits(other.sets, other.sizes, other.seed)
        taken |= held(splits if other.family != "mosei" else {k: v for k, v in splits.items() if k != "train"})
    return draw_splits(spec.sets, spec.sizes, spec.seed, taken)


def simulate_clips(
    spec: ClassroomSpec, clips: list[Clip], seed: list[int]
) -> Iterator[tuple[features.Performance, dict[str, np.ndarray]]]:
    """For each clip what was performed, and its voice and face {modality: (frames, dim) uint8, in steps of each
    channel's range}; no frames of a face where it has none. seed: of speakers and noise."""
    modalities, lexicon = spec.modalities(), read_lexicon()
    videos = sorted({clip.video for clip in clips})
    speakers = {
        m: dict(zip(videos, _speakers(len(videos), modalities[m].dim, [*seed, i]), strict=True))
        for i, m in enumerate(modalities)
    }
    for row, clip in enumerate(clips):
        rng = np.random.default_rng([*seed, 9, row])
        shown = _perform(spec, clip.sentence, lexicon, rng)
        found = {m: features.simulate(x, shown, speakers[m][clip.video], rng) for m, x in modalities.items()}
        if spec.faceless and rng.random() < spec.faceless:
            found["vision"] = found["vision"][:0]
        yield shown, found


def _build_split(spec: ClassroomSpec, clips: list[Clip], seed: list[int], bar) -> dict[str, np.ndarray]:
    frames: dict[str, list[np.ndarray]] = {"audio": [], "vision": []}
    sarcastic, seconds = [], []
    for shown, simulated in simulate_clips(spec, clips, seed):
        for name, values in simulated.items():
            frames[name].append(values)
        sarcastic.append(shown.sign < 0)
        seconds.append(shown.seconds)
        bar.update()
    sentences = [clip.sentence for clip in clips]
    ids, lengths = tokenize(load_tokenizer("minilm"), [s.text for s in sentences], spec.text)
    columns = {
        "ids": [f"video{clip.video:04d}$_${clip.number}" for clip in clips],
        "raw_text": [s.text for s in sentences],
        "origin": [s.origin for s in sentences],
    }
    return {
        "strings": np.frombuffer(json.dumps(columns, ensure_ascii=False).encode(), dtype=np.uint8),
        "token_ids": ids.astype(np.uint16),
        "token_lengths": lengths.astype(np.uint16),
        "labels": np.array([s.rating * spec.label_scale for s in sentences], dtype=np.float32),
        "sarcastic": np.array(sarcastic, dtype=np.uint8),
        "seconds": np.array(seconds, dtype=np.float32),
        **{name: np.concatenate(f) for name, f in frames.items()},
        **{f"{name}_lengths": np.array([len(x) for x in f], dtype=np.uint16) for name, f in frames.items()},
    }


def _speakers(count: int, dim: int, seed: list[int]) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, dim))


def _perform(spec: ClassroomSpec, sentence: RatedSentence, lexicon: dict, rng) -> features.Performance:
    words = sentence.text.split()
    seconds = features.clip_seconds(len(words), spec.seconds, rng)
    sign = -1.0 if rng.random() < SARCASTIC else 1.0
    valence = np.array([word_valence(word, lexicon) for word in words]) / 2
    return features.Performance(
        seconds, sentence.rating / 2, rng.standard_normal(), sign, valence, features.word_spans(sentence.text, seconds)
    )


# -------------------------------------------------------------------------------------------------------------- reading


def read(spec: ClassroomSpec) -> Corpus:
    """A built corpus in memory (its voice and face are simulated)."""
    path = corpus_path(spec.name)
    try:
        with safe_open(path, framework="numpy") as file:
            coded = path.stat().st_size > LARGEST_DECODED
            splits = {split: _read_split(spec, file, split, coded) for split in SPLITS}
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise CourseError(
            f"{path} is damaged: delete it and run `python -m mgmr_lib data prepare --corpus {spec.name}`"
        ) from error
    reason = f"{spec.name} is built in the layout of {spec.family.upper()}; its voice and face are simulated"
    return Corpus(spec.name, spec.family, reason, splits, str(path))


def _read_split(spec: ClassroomSpec, file, split: str, coded: bool) -> Split:
    get = lambda key: file.get_tensor(f"{split}/{key}")  # noqa: E731
    strings = json.loads(get("strings").tobytes())
    ragged: dict[str, Ragged] = {}
    for name, modality in spec.modalities().items():
        lengths, decode = get(f"{name}_lengths").astype(np.int64), partial(features.decode, modality=modality)
        frames = CodedRagged(get(name), decode, lengths, modality.max_frames)
        ragged[name] = frames if coded else Ragged(decode(frames.steps), lengths, modality.max_frames)
    return Split(
        tuple(strings["ids"]),
        tuple(strings["raw_text"]),
        get("token_ids").astype(np.int64),
        get("token_lengths").astype(np.int64),
        ragged["audio"],
        ragged["vision"],
        get("labels"),
        {"sarcastic": get("sarcastic").astype(bool), "seconds": get("seconds"), "origin": np.array(strings["origin"])},
    )
