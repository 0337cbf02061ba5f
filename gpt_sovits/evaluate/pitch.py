"""Fundamental frequency by YIN (de Cheveigné and Kawahara 2002): where a voice is periodic and how high it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpt_sovits.evaluate.item import HEARING_RATE

HOP = HEARING_RATE // 100
"""Samples between frames: 10 ms."""
WINDOW = 512
LOWEST, HIGHEST = 55.0, 500.0
VOICED_BELOW = 0.2
"""A frame is voiced where the normalised difference function falls below this."""
QUIET = -35.0
"""... and where it is no more than so many dB below the loud frames."""
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Frames:
    """A recording every 10 ms."""

    level: Array
    """[f] dB of full scale."""
    f0: Array
    """[f] Hz; zero where unvoiced."""
    loud: float
    """The level that the loudest 5 % of frames exceed."""

    @property
    def voiced(self) -> NDArray[np.bool_]:
        return self.f0 > 0

    @property
    def spoken(self) -> NDArray[np.bool_]:
        """Frames in which something is said: voiced sound and what lies within 0.15 s of it."""
        return np.convolve(self.voiced & (self.level > self.loud - 30), np.ones(31), mode="same") > 0


def track(wave: NDArray[np.float32]) -> Frames:
    """Levels and fundamental frequency of a wave [w] at 16 kHz."""
    longest = int(HEARING_RATE / LOWEST) + 1
    span = WINDOW + longest
    padded = np.pad(wave.astype(np.float64), (span // 2, span))
    count = max(1, len(wave) // HOP)
    view = np.lib.stride_tricks.sliding_window_view(padded, span)[: count * HOP : HOP]
    level = 10 * np.log10(np.square(view[:, longest // 2 : longest // 2 + WINDOW]).mean(axis=1) + 1e-12)
    loud = float(np.percentile(level, 95))
    f0 = np.zeros(count)
    heard = np.flatnonzero(level > max(loud + QUIET, -70.0))
    for start in range(0, len(heard), 512):
        places = heard[start : start + 512]
        f0[places] = _yin(view[places], longest)
    return Frames(level, _without_specks(f0), loud)


def _yin(frames: Array, longest: int) -> Array:
    """Frequencies of frames [n, WINDOW + longest]; zero where not periodic."""
    size = 2048
    head = frames[:, :WINDOW]
    product = np.fft.irfft(np.conj(np.fft.rfft(head, size)) * np.fft.rfft(frames, size), size)[:, : longest + 1]
    energy = np.cumsum(np.pad(np.square(frames), ((0, 0), (1, 0))), axis=1)
    moving = energy[:, WINDOW : WINDOW + longest + 1] - energy[:, : longest + 1]
    difference = np.maximum(moving[:, :1] + moving - 2 * product, 0)
    lags = np.arange(1, longest + 1)
    normal = np.ones_like(difference)
    normal[:, 1:] = difference[:, 1:] * lags / np.maximum(np.cumsum(difference[:, 1:], axis=1), 1e-12)
    shortest = int(HEARING_RATE / HIGHEST)
    found = np.zeros(len(frames))
    for i, row in enumerate(normal):
        below = np.flatnonzero(row[shortest:longest] < VOICED_BELOW)
        if len(below):
            lag = shortest + below[0]
            while lag + 1 < longest and row[lag + 1] < row[lag]:
                lag += 1
            found[i] = HEARING_RATE / _parabola(row, lag)
    return found


def _parabola(row: Array, lag: int) -> float:
    """Minimum between samples."""
    left, middle, right = row[lag - 1], row[lag], row[lag + 1]
    bend = left - 2 * middle + right
    return lag + (0.5 * (left - right) / bend if bend > 0 else 0.0)


def _without_specks(f0: Array, shortest: int = 3) -> Array:
    """Voiced stretches of under 30 ms are chance."""
    edges = np.flatnonzero(np.diff(np.pad(f0 > 0, 1).astype(int)))
    kept = f0.copy()
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        if end - start < shortest:
            kept[start:end] = 0
    return kept
