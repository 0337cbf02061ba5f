"""NISQA (Mittag et al. 2021): five ratings of speech, where the user has its weights; torchmetrics has the network."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from feature_extractor.audio import resample
from feature_extractor.spectral import MelConfig, mel_filters
from gpt_sovits.core.errors import AudioError, CheckpointError, MissingExtraError
from gpt_sovits.core.foreign import read_foreign
from gpt_sovits.evaluate.item import Card, Clip, Item, Value
from gpt_sovits.evaluate.locate import checksum, find

FILES = ("nisqa.tar", "nisqa*.tar")
COLUMNS = ("nisqa", "nisqa_noisiness", "nisqa_discontinuity", "nisqa_coloration", "nisqa_loudness")
RATE = 48000
QUIETEST, RANGE = 1e-4, 80.0
"""Least magnitude, and dB below the loudest band that count."""


class Nisqa:
    """Ratings from 1 to 5: overall, and how free of noise, breaks, colour and wrong loudness."""

    def __init__(self, path: Path) -> None:
        try:
            from torchmetrics.functional.audio.nisqa import _NISQADIM, _segment_specs
        except ImportError as error:
            raise MissingExtraError("torchmetrics", "eval", "NISQA") from error
        tree = read_foreign(path).tree
        try:
            self._options: dict[str, Any] = dict(tree["args"])
            self._network = _NISQADIM(self._options)
            self._network.load_state_dict(dict(tree["model_state_dict"]))
            self._mel = _mel_config(self._options)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(f"{path} holds no NISQA weights: {error}") from error
        self._network.eval()
        self._segment = _segment_specs
        self.card = Card(
            measure="nisqa",
            model=path.name,
            version=f"torchmetrics {version('torchmetrics')}, {RATE} Hz",
            sha256=checksum(path),
        )

    def score(self, clip: Clip) -> dict[str, Value]:
        bands = decibels(resample(clip.sound.wave, clip.sound.rate, RATE), self._mel)
        try:
            windows, count = self._segment(bands[None], self._options)
        except RuntimeError as error:
            raise AudioError(f"{clip.sound.path}: NISQA cannot rate {clip.sound.seconds:.2f} s: {error}") from error
        with torch.inference_mode():
            ratings = self._network(windows, count.expand(1))[0]
        return {name: float(value) for name, value in zip(COLUMNS, ratings, strict=True)}

    def failed(self, item: Item) -> dict[str, Value]:
        return dict.fromkeys(COLUMNS, 1.0)


def decibels(wave: Tensor, config: MelConfig) -> Tensor:
    """Mel magnitudes of a wave [w] in dB, no more than 80 below the loudest: [bands, f]."""
    window = torch.hann_window(config.window)
    framed = torch.stft(
        wave, config.n_fft, config.hop, config.window, window, center=True, pad_mode="reflect", return_complex=True
    )
    level = 20 * (mel_filters(config) @ framed.abs()).clamp(min=QUIETEST).log10()
    return level.clamp(min=float(level.max()) - RANGE)


def _mel_config(options: dict[str, Any]) -> MelConfig:
    return MelConfig(
        rate=RATE,
        n_fft=int(options["ms_n_fft"]),
        hop=int(RATE * options["ms_hop_length"]),
        window=int(RATE * options["ms_win_length"]),
        bands=int(options["ms_n_mels"]),
        high=float(options["ms_fmax"]),
    )


def find_nisqa(folder: Path | None) -> Path:
    """Its weights among the metric models.

    Raises:
        CheckpointError: they are not there.
    """
    return find(FILES, folder, "NISQA")
