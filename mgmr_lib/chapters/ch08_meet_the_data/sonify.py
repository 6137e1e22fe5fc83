"""A voice made audible: the pitch and the energy of a clip's frames as a tone. No words can be heard, and nobody was
recorded."""

import base64
import io
import wave

import numpy as np

from mgmr_lib.errors import CourseError

SAMPLE_RATE = (
    4000  # samples per second: low, so that the sound of a short clip takes a few kB; browsers play 3000 and more
)
OVERTONES = (1.0, 0.5, 0.25)  # sizes of the tone and of its overtones, which make it sound less like a whistle
FADE = 0.02  # seconds; without it both ends click


def tone(pitch, energy, frame_rate: float, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """A tone that follows pitch and energy: samples (round(l / frame_rate * sample_rate),) uint8, silence is 128.

    pitch: (l) in Hz, 0 or less where there is no voice; energy: (l) in dB, the loudest frame gets the full size;
    frame_rate: frames per second. Raises CourseError for values that are not finite, lengths that differ, a pitch too
    high for sample_rate.
    """
    pitch, energy = np.asarray(pitch, dtype=np.float64), np.asarray(energy, dtype=np.float64)
    if pitch.ndim != 1 or pitch.shape != energy.shape or not len(pitch):
        raise CourseError(
            f"pitch and energy need one number a frame each, not the shapes {pitch.shape} and {energy.shape}"
        )
    if not (np.isfinite(pitch).all() and np.isfinite(energy).all()):
        raise CourseError("pitch and energy must be finite: set -inf and NaN to 0 first")
    if 2 * pitch.max() >= sample_rate:
        raise CourseError(
            f"a pitch of {pitch.max():g} Hz needs more than {2 * pitch.max():g} samples a second, not {sample_rate}"
        )
    frames, count = (np.arange(len(pitch)) + 0.5) / frame_rate, round(len(pitch) / frame_rate * sample_rate)
    time = (np.arange(count) + 0.5) / sample_rate
    voiced = np.interp(time, frames, (pitch > 0).astype(float))
    size = voiced * np.interp(time, frames, 10.0 ** ((energy - energy.max()) / 20))
    phase = 2 * np.pi * np.cumsum(np.interp(time, frames, np.maximum(pitch, 0))) / sample_rate
    parts = [(k, s) for k, s in enumerate(OVERTONES, 1) if 2 * k * pitch.max() < sample_rate]
    sound = size * sum(s * np.sin(k * phase) for k, s in parts) / sum(s for _, s in parts)
    sound *= np.clip(np.minimum(time, time[::-1]) / FADE, 0, 1)
    return np.rint(128 + 127 * sound).astype(np.uint8)


def wav(samples: np.ndarray, sample_rate: int = SAMPLE_RATE) -> bytes:
    """The samples as a WAV file: one channel, 8 bits."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(sample_rate)
        file.writeframes(samples.tobytes())
    return buffer.getvalue()


def play(samples: np.ndarray, caption: str, sample_rate: int = SAMPLE_RATE) -> None:
    """Show a player, which starts only when it is asked to, with `caption` below it; elsewhere than in a notebook,
    print the caption."""
    from IPython import get_ipython
    from IPython.display import Audio, display

    if get_ipython() is None:
        print(f"Sound: {caption}")
        return
    data = wav(samples, sample_rate)
    player = Audio(data, autoplay=False)._repr_html_().replace(base64.b64encode(data).decode(), "DATA")
    html = " ".join(player.split()).replace("DATA", base64.b64encode(data).decode())
    display({"text/html": html, "text/plain": f"Sound: {caption}"}, raw=True)
    display({"text/markdown": f"*Sound: {caption}*", "text/plain": f"Sound: {caption}"}, raw=True)
