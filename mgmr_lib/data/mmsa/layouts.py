"""Other people's names for what MMSA's layout holds: MulT's dumps and files that people make by hand.

Only what can mean one thing is renamed; `convert` handles the rest.
"""

import numpy as np

SPLIT_NAMES = {"val": "valid", "dev": "valid", "validation": "valid", "training": "train", "testing": "test"}
KEY_NAMES = {
    "ids": "id", "video_id": "id", "segment": "id", "raw_texts": "raw_text", "sentence": "raw_text",
    "sentences": "raw_text", "video": "vision", "visual": "vision", "face": "vision", "acoustic": "audio",
    "speech": "audio", "covarep": "audio", "label": "regression_labels", "labels": "regression_labels",
    "y": "regression_labels", "facet": "vision", "openface": "vision", "opensmile": "audio", "voice": "audio",
    "glove": "text", "language": "text", "words": "text",
    "video_lengths": "vision_lengths", "visual_lengths": "vision_lengths", "acoustic_lengths": "audio_lengths",
}  # fmt: skip


def renamed(data: dict) -> dict:
    """{split: {key: value}} with MMSA's names, where the file has others and MMSA's own is free."""
    out = _renamed(data, SPLIT_NAMES)
    return {k: _split(v) if type(v) is dict and k in ("train", "valid", "test") else v for k, v in out.items()}


def _renamed(values: dict, names: dict) -> dict:
    lower = {k: k.lower() if type(k) is str else k for k in values}
    wanted = {k: names.get(low, low if low in names.values() else k) for k, low in lower.items()}
    return {(wanted[k] if wanted[k] not in values else k): v for k, v in values.items()}


def _split(part: dict) -> dict:
    out = _renamed(part, KEY_NAMES)
    if "regression_labels" in out:
        out["regression_labels"] = one_column(out["regression_labels"])
    if isinstance(out.get("id"), np.ndarray) and out["id"].ndim == 2 and out["id"].shape[1] > 1:
        out["id"] = ["$_$".join(_word(v) for v in row) for row in out["id"]]  # MulT: video, start, end
    if is_words(out.get("text")):
        text = out.pop("text")
        out.setdefault("raw_text", text)
    return out


def one_column(labels):
    """Labels (n, 1) or (n, 1, 1) as (n,); others as they are."""
    if isinstance(labels, np.ndarray):
        single = labels.ndim > 1 and labels.size == len(labels) and labels.dtype.kind in "biuf"
        return labels.reshape(-1) if single else labels
    if not isinstance(labels, (list, tuple)):
        return labels
    column = [_single(_single(v)) for v in labels]
    return column if all(isinstance(v, (bool, int, float, np.number)) for v in column) else labels


def _single(value):
    """The one item of a list or array with one, else `value`."""
    if isinstance(value, np.ndarray):
        return value.reshape(-1)[0] if value.size == 1 else value
    return value[0] if isinstance(value, (list, tuple)) and len(value) == 1 else value


def is_words(value) -> bool:
    """Whether a 'text' key holds sentences, not features."""
    if isinstance(value, np.ndarray):
        return value.ndim == 1 and (value.dtype.kind in "US" or len(value) > 0 and isinstance(value[0], str))
    return isinstance(value, (list, tuple)) and len(value) > 0 and all(isinstance(v, str) for v in value)


def _word(value) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
