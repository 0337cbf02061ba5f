"""What one training pass of stage 2 makes."""

from __future__ import annotations

from dataclasses import dataclass

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
    spoken: Tensor | None = None
    """`mel` of the first rows as it will be when speaking, at `pitch`; None: not asked for."""
    wanted: Tensor | None = None
    """What `mel` should be."""
