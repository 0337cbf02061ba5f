"""Settings of dataset preparation (`configs/prep.yaml`)."""

from __future__ import annotations

from pydantic import Field, model_validator

from gpt_sovits.core.config import Strict


class Limits(Strict):
    """What a recording must satisfy to be trained on."""

    min_seconds: float = Field(default=0.6, ge=0)
    max_seconds: float = Field(default=54.0, gt=0)
    """The public training code drops recordings outside 0.6 to 54 seconds without a word."""
    silence_db: float = Field(default=-55.0, lt=0)
    """Level that the loudest 50 ms must exceed, in dB below full scale."""
    clipped_share: float = Field(default=0.01, gt=0, le=1)
    """Largest share of samples that may sit flat at full scale."""


class SliceConfig(Strict):
    """Cutting long recordings at silences; defaults of the public web page."""

    threshold_db: float = -34.0
    """A frame quieter than this is silence."""
    min_length_ms: int = Field(default=4000, gt=0)
    min_interval_ms: int = Field(default=300, gt=0)
    hop_ms: int = Field(default=10, gt=0)
    max_silence_kept_ms: int = Field(default=500, ge=0)
    peak: float = Field(default=0.9, gt=0, le=1)
    mix: float = Field(default=0.25, ge=0, le=1)


class VaryConfig(Strict):
    """Copies of recordings that sound like other speakers: played slower or faster, in percent (first and last)."""

    slower: tuple[int, int] = (84, 94)
    faster: tuple[int, int] = (107, 120)
    seed: int = 1234

    @model_validator(mode="after")
    def _apart(self) -> VaryConfig:
        if not 50 <= self.slower[0] <= self.slower[1] < 100 < self.faster[0] <= self.faster[1] <= 200:
            raise ValueError("slower must lie from 50 to 99 percent, faster from 101 to 200, the lower number first")
        return self


class PrepConfig(Strict):
    """Everything that `prep` can be told."""

    workers: int | None = Field(default=None, ge=1)
    """Processes; None: one per core, at most 8, when there is enough to do."""
    batch: int = Field(default=8, ge=1)
    """On a GPU: recordings handed to the content encoder together where their lengths are equal."""
    limits: Limits = Limits()
    slice: SliceConfig = SliceConfig()
    vary: VaryConfig = VaryConfig()
