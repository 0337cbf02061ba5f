"""What speaking yields."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from gpt_sovits.pipeline.postprocess import to_int16


@dataclass(frozen=True, slots=True)
class Audio:
    """One spoken recording and how it came about."""

    samples: NDArray[np.float32]
    """[w] within -1..1."""
    rate: int
    """Samples per second."""
    seed: int
    """The seed that gives this recording again."""
    timings: dict[str, float] = field(default_factory=dict)
    """Seconds spent on: reference, text, codes, wave, total."""
    warnings: tuple[str, ...] = ()
    """Sentences about what did not go as it should, such as a sentence that had to be drawn again."""
    codes: tuple[tuple[int, ...], ...] = ()
    """Semantic codes of every sentence, 25 a second."""

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate

    @property
    def rtf(self) -> float:
        """Real-time factor: seconds of work per second of sound."""
        return self.timings.get("total", 0.0) / self.seconds if self.seconds else float("inf")

    @property
    def int16(self) -> NDArray[np.int16]:
        return to_int16(self.samples)

    def save(self, path: str | Path) -> Path:
        """Write a wav, flac or ogg file, by suffix, with 16 bits a sample.

        Raises:
            StorageError: the file cannot be written.
        """
        from feature_extractor.audio import save_audio

        target = Path(path)
        save_audio(target, torch.from_numpy(self.int16), self.rate)
        return target
