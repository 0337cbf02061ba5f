"""One thing to be judged, and what a measure sees of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

import soundfile
from pydantic import Field
from torch import Tensor

from feature_extractor.audio import HUBERT_RATE, load_audio, resample
from gpt_sovits.core.config import Strict

HEARING_RATE = HUBERT_RATE
"""What every metric model listens to, in Hz."""
Value = float | str | None


class Item(Strict):
    """A sentence somebody says."""

    id: str = Field(min_length=1)
    language: str
    text: str
    wav: Path | None = None
    """What is judged; None until it has been spoken."""
    reference: Path | None = None
    """The voice it should have."""
    reference_text: str | None = None
    reference_language: str | None = None
    speaker: str | None = None
    recording: Path | None = None
    """The speaker's own recording of the same text, where there is one."""


@dataclass(frozen=True)
class Sound:
    """A recording at its own rate, channels averaged."""

    path: Path
    wave: Tensor
    rate: int

    @property
    def seconds(self) -> float:
        return self.wave.shape[-1] / self.rate

    @cached_property
    def heard(self) -> Tensor:
        """[w] at 16 kHz, as the metric models want it."""
        return resample(self.wave, self.rate, HEARING_RATE)


def read_sound(path: Path) -> Sound:
    """Read any audio file.

    Raises:
        AudioError: it is missing, empty or no audio.
    """
    load_audio(path, HEARING_RATE)  # its errors are sentences; soundfile's are not
    with path.open("rb") as file:
        rate = int(soundfile.info(file).samplerate)
    return Sound(path, load_audio(path, rate), rate)


@dataclass
class Clip:
    """An item whose recording could be read, and what earlier measures found out about it."""

    item: Item
    sound: Sound
    values: dict[str, Value] = field(default_factory=dict)

    @cached_property
    def reference(self) -> Sound | None:
        return None if self.item.reference is None else read_sound(self.item.reference)

    @cached_property
    def recording(self) -> Sound | None:
        return None if self.item.recording is None else read_sound(self.item.recording)


class Card(Strict):
    """What measured: enough to repeat it."""

    measure: str
    model: str
    """`-`: arithmetic only."""
    version: str
    sha256: str | None = None
    settings: dict[str, str | int | float | bool] = Field(default_factory=dict)


class Measure(Protocol):
    """One view of a recording."""

    @property
    def card(self) -> Card: ...

    def score(self, clip: Clip) -> dict[str, Value]:
        """Columns of this clip; empty when the measure does not apply to it.

        Raises:
            GPTSoVITSError: it applies and could not be taken; the text says why.
        """
        ...

    def failed(self, item: Item) -> dict[str, Value]:
        """Columns of an item that could not be spoken or read: the worst value of each."""
        ...
