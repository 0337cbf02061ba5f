"""What can be read off the wave: level, clipping, silence, bandwidth, pitch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gpt_sovits.evaluate.item import Card, Clip, Item, Value
from gpt_sovits.evaluate.pitch import Frames, track

SILENT = -40.0
"""dB below the loud frames."""
FLAT = 4
"""Samples of one value in a row, near the peak, that make a flat top."""


class Signal:
    """Arithmetic on the samples at the recording's own rate."""

    card = Card(measure="signal", model="-", version="1")

    def score(self, clip: Clip) -> dict[str, Value]:
        wave = clip.sound.wave.numpy()
        frames = track(clip.sound.heard.numpy())
        voiced = frames.f0[frames.voiced]
        return {
            "loudness": frames_loudness(frames),
            "clipping": clipped_share(wave),
            "silence": float(np.mean(frames.level < frames.loud + SILENT)),
            "bandwidth": bandwidth(wave, clip.sound.rate),
            "pitch": float(np.median(voiced)) if len(voiced) else None,
        }

    def failed(self, item: Item) -> dict[str, Value]:
        return {}


def frames_loudness(frames: Frames) -> float:
    """Mean power of the frames within 30 dB of the loud ones, in dB of full scale."""
    active = frames.level[frames.level > frames.loud - 30]
    return float(10 * np.log10(np.mean(10 ** (active / 10)))) if len(active) else -120.0


def clipped_share(wave: NDArray[np.float32]) -> float:
    """Share of samples in flat tops: four or more in a row of one value, at nine tenths of the peak or above."""
    peak = float(np.abs(wave).max(initial=0.0))
    if peak == 0:
        return 0.0
    step = np.abs(np.diff(wave, prepend=0.0))
    flat = (step <= max(1e-4 * peak, 1.01 / 32768)) & (np.abs(wave) >= 0.9 * peak)
    edges = np.flatnonzero(np.diff(np.pad(flat, 1).astype(int)))
    lengths = edges[1::2] - edges[::2]
    return float(lengths[lengths >= FLAT - 1].sum() / len(wave))


def bandwidth(wave: NDArray[np.float32], rate: int) -> float:
    """Frequency in Hz up to which the long-term spectrum stays within 60 dB of its strongest third of an octave."""
    size = 1024
    if len(wave) < size:
        return 0.0
    window = np.hanning(size)
    view = np.lib.stride_tricks.sliding_window_view(wave, size)[:: size // 2]
    power = np.mean([np.square(np.abs(np.fft.rfft(part * window))) for part in view], axis=0)
    smooth = np.convolve(power, np.ones(9) / 9, mode="same")
    strong = np.flatnonzero(smooth > smooth.max() * 1e-6)
    return float(strong[-1] * rate / size) if len(strong) else 0.0
