"""What one training pass of stage 2 makes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorOutput:
    """What codes and text tell of the latent."""

    z: Tensor | None
    """The posterior's sample in prior space [b, c, f]; None for a network without one."""
    mean: Tensor
    log_deviation: Tensor
    commitment: Tensor
    """Quantizer loss, 0 when the quantizer is frozen."""
    quantized: Tensor
    """Code vectors, one per frame [b, c, f]."""


@dataclass(frozen=True, slots=True)
class SpokenOutput:
    """What the first utterances of a batch become when they are spoken, each in the voice of one of the batch."""

    mel: Tensor
    """[r, m, f]"""
    pitch: Tensor
    """[r, 2, f], told by codes, text and that voice."""
    voices: Tensor
    """Whose voice it is, by place in the batch [r]."""
    rise: Tensor
    """How much higher than the utterance's own that voice is [r], in log frequency as `sovits.pitch` counts."""

    def wanted_pitch(self, recorded: Tensor) -> Tensor:
        """What `pitch` should be: that of the batch's recordings [b, 2, f], as high as the voices are."""
        value, voiced = recorded[: len(self.rise)].chunk(2, dim=1)
        return torch.cat((value + self.rise[:, None, None] * voiced, voiced), dim=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOutput:
    """What the losses need from one forward pass; what is not learned is None."""

    wave: Tensor | None
    """Generated segments [b, 1, w]; None as well where a vocoder makes them."""
    mel: Tensor | None
    """What that vocoder is given for whole utterances [b, m, f], told from the prior's mean; None for other
    generators."""
    pitch: Tensor | None
    """What codes and voice tell of the pitch [b, 2, f], for a generator that is told it."""
    told_pitch: Tensor | None
    """What the generator was told in its place: that of the recordings."""
    start: Tensor
    """First frame of each segment [b]."""
    mask: Tensor
    """[b, 1, f]"""
    z: Tensor | None
    """Posterior sample [b, c, f]; None, and the next two, for a network without a posterior."""
    posterior_mean: Tensor | None
    posterior_log: Tensor | None
    prior: PriorOutput | None
    spoken: SpokenOutput | None = None
    """None: not asked for."""
    wanted: Tensor | None = None
    """What `mel` should be."""
