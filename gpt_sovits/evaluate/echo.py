"""Phrases said twice, found in the sound itself: recognisers tend to write down once what they hear twice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gpt_sovits.evaluate.item import Sound
from gpt_sovits.evaluate.pitch import Frames
from gpt_sovits.evaluate.prosody import cepstra

STEP = 2
"""Frames of 10 ms that are taken together."""
SHORTEST, LONGEST = 0.4, 2.5
"""Seconds from the start of a phrase to the start of its repetition."""
SHIFT = 3
"""Steps by which the second time may run ahead or behind: it is not said at exactly the same speed."""
COVERED = 0.8
"""Share of the time between both starts over which they must be alike."""
SPOKEN = 0.7
"""Share of those frames that must be speech, both times."""
VOICED = 0.1
"""Share that must be voiced."""
Array = NDArray[np.float64]


def echo(sound: Sound, frames: Frames) -> float:
    """How unlike the two most alike neighbouring stretches are, against any two frames of this speech.

    0: the same sound twice; around 0.7: speech that repeats nothing; 1 for speech too short to hold a phrase twice.
    """
    spectra = cepstra(sound)
    count = min(len(spectra), len(frames.level)) // STEP
    x = spectra[: count * STEP].reshape(count, STEP, -1).mean(axis=1)
    spoken = _in_steps(frames.level > frames.loud - 30, count)
    voiced = _in_steps(frames.voiced, count)
    heard = x[spoken > 0]
    shortest = int(SHORTEST * 100 / STEP)
    if len(heard) < 2 * shortest:
        return 1.0
    x = (x - heard.mean(axis=0)) / (heard.std(axis=0) + 1e-9)
    usual = _usual(x[spoken > 0])
    best = 1.0
    for lag in range(shortest, min(int(LONGEST * 100 / STEP), count - shortest) + 1):
        both = spoken[:-lag] * spoken[lag:]
        window = int(COVERED * lag)
        if len(both) < window:
            break
        weight = _sums(both, window)
        gap = _sums(_gaps(x, lag) * both, window)
        # steady noise is like itself a moment later, and nothing is said twice in it
        sung = np.minimum(_sums(voiced[:-lag], window), _sums(voiced[lag:], window))
        enough = (weight >= SPOKEN * window) & (sung >= VOICED * window)
        if enough.any():
            best = min(best, float((gap[enough] / weight[enough]).min()) / usual)
    return best


def _in_steps(frames: NDArray[np.bool_], count: int) -> Array:
    """1 where half of a step's frames are."""
    return (frames[: count * STEP].reshape(count, STEP).mean(axis=1) >= 0.5).astype(np.float64)


def _gaps(x: Array, lag: int) -> Array:
    """Distance of every frame to the nearest of those around one lag later."""
    here = x[: len(x) - lag]
    found = np.full(len(here), np.inf)
    for shift in range(-SHIFT, SHIFT + 1):
        places = np.clip(np.arange(len(here)) + lag + shift, 0, len(x) - 1)
        found = np.minimum(found, np.linalg.norm(here - x[places], axis=1))
    return found


def _usual(x: Array) -> float:
    """Mean distance of frames that have nothing to do with each other, the nearest of as many tried."""
    random = np.random.default_rng(0)
    places = random.integers(0, len(x), (500, 2 * SHIFT + 2))
    gaps = np.linalg.norm(x[places[:, :1]] - x[places[:, 1:]], axis=2)
    return float(gaps.min(axis=1).mean())


def _sums(values: Array, window: int) -> Array:
    total = np.concatenate(([0.0], np.cumsum(values)))
    return total[window:] - total[:-window]
