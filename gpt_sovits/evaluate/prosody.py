"""Melody and timbre against the speaker's own recording of the same text."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray

from feature_extractor.spectral import MelConfig, mel_spectrogram
from gpt_sovits.evaluate.item import HEARING_RATE, Card, Clip, Item, Sound, Value
from gpt_sovits.evaluate.pitch import HOP, track

MEL = MelConfig(rate=HEARING_RATE, n_fft=1024, hop=HOP, window=512, bands=40, low=50.0, high=8000.0)
COEFFICIENTS = 13
MOST_FRAMES = 3000
"""30 s: beyond, the alignment would take too much memory."""
Array = NDArray[np.float64]


class Prosody:
    """F0 and mel-cepstra on frames that dynamic time warping puts side by side."""

    card = Card(measure="prosody", model="-", version="1", settings={"coefficients": COEFFICIENTS})

    def score(self, clip: Clip) -> dict[str, Value]:
        if clip.recording is None:
            return {}
        first, second = cepstra(clip.sound), cepstra(clip.recording)
        if max(len(first), len(second)) > MOST_FRAMES:
            return {}
        places, others = warp(first, second)
        gap = np.square(first[places] - second[others]).sum(axis=1)
        found: dict[str, Value] = {"mcd": float(10 / math.log(10) * np.sqrt(2 * gap).mean())}
        a, b = track(clip.sound.heard.numpy()).f0, track(clip.recording.heard.numpy()).f0
        a, b = a[np.minimum(places, len(a) - 1)], b[np.minimum(others, len(b) - 1)]
        both = (a > 0) & (b > 0)
        if both.sum() >= 20:
            tones, wanted = 12 * np.log2(a[both]), 12 * np.log2(b[both])
            found["pitch_rmse"] = float(np.sqrt(np.square(tones - wanted).mean()))
            if tones.std() > 0 and wanted.std() > 0:
                found["pitch_correlation"] = float(np.corrcoef(tones, wanted)[0, 1])
        return found

    def failed(self, item: Item) -> dict[str, Value]:
        return {}


def cepstra(sound: Sound) -> Array:
    """Mel-cepstral coefficients 1 to 13, [f, 13] every 10 ms: the cosine transform of 40 log-mel bands."""
    bands = mel_spectrogram(sound.heard[None], MEL)[0].double()
    places = torch.arange(MEL.bands, dtype=torch.float64)
    orders = torch.arange(1, COEFFICIENTS + 1, dtype=torch.float64)
    basis = torch.cos(math.pi / MEL.bands * orders[:, None] * (places + 0.5)) * math.sqrt(2 / MEL.bands)
    # scaled to ln|X| = c0 + sum c(n) cos(n w), so that the distance below is one of spectra in dB
    return ((basis @ bands).T * math.sqrt(2 / MEL.bands)).numpy()


def warp(first: Array, second: Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cheapest alignment of two sequences of vectors: places in each, of equal number (Sakoe and Chiba 1978)."""
    cost = np.sqrt(np.maximum(
        np.square(first).sum(1)[:, None] + np.square(second).sum(1)[None] - 2 * first @ second.T, 0
    ))  # fmt: skip
    rows, columns = cost.shape
    total = np.full((rows + 1, columns + 1), np.inf)
    total[0, 0] = 0
    # along anti-diagonals everything needed is known, so that numpy does the inner loop
    for diagonal in range(2, rows + columns + 1):
        i = np.arange(max(1, diagonal - columns), min(rows, diagonal - 1) + 1)
        j = diagonal - i
        before = np.minimum(np.minimum(total[i - 1, j], total[i, j - 1]), total[i - 1, j - 1])
        total[i, j] = cost[i - 1, j - 1] + before
    i, j = rows, columns
    path = []
    while i and j:
        path.append((i - 1, j - 1))
        steps = ((i - 1, j - 1), (i - 1, j), (i, j - 1))
        i, j = min(steps, key=lambda place: total[place])
    places = np.asarray(path[::-1], dtype=np.int64)
    return places[:, 0], places[:, 1]
