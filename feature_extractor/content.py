"""Content encoders: speech to features of what is said, 50 a second, which stage 2's quantizer makes codes of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from gpt_sovits.core.checkpoint import load_checkpoint


class ContentEncoder(nn.Module, ABC):
    """Raw 16 kHz waveform in, features out."""

    @property
    @abstractmethod
    def width(self) -> int:
        """Channels of the features."""

    @property
    @abstractmethod
    def shortest(self) -> int:
        """Samples that make one frame."""

    @abstractmethod
    def forward(self, wave: Tensor) -> Tensor:
        """Features [b, c, t] of waves [b, w] of one common length.

        Raises:
            AudioError: too short for a single frame.
        """

    def each(self, waves: Sequence[Tensor]) -> list[Tensor]:
        """Features [c, t] of every wave [w], exactly as if each were alone.

        Padding would not be exact: the encoders look at the whole time axis, so padding changes every frame. Only
        waves of one length therefore share a pass.
        """
        places: dict[int, list[int]] = {}
        for place, wave in enumerate(waves):
            places.setdefault(wave.shape[-1], []).append(place)
        found: dict[int, Tensor] = {}
        for group in places.values():
            features = self(torch.stack([waves[place] for place in group]))
            found.update(zip(group, features, strict=True))
        return [found[place] for place in range(len(waves))]

    @property
    def dtype(self) -> torch.dtype:
        return next(self.parameters()).dtype


def load_content(path: str | Path) -> ContentEncoder:
    """A trained encoder of either shape in evaluation mode; published files are HuBERT's, see `load_hubert`.

    Raises:
        CheckpointError: missing, foreign, damaged, or not fitting its own configuration.
    """
    from feature_extractor.hubert import load_hubert
    from feature_extractor.whisper import KIND, load_whisper

    path = Path(path)
    if path.suffix == ".safetensors" and load_checkpoint(path).kind == KIND:
        return load_whisper(path)
    return load_hubert(path)
