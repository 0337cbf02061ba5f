"""Training-time guides that teach an attention head to read a text once, from left to right.

A small model trained on few hours finds which phone belongs to which moment late, if at all. The forward-sum objective
(Badlani et al. 2022, "One TTS alignment to rule them all") asks that a head's attention over the phones admit a
monotonic path through all of them; a diagonal prior (Tachibana et al. 2018) helps it to start. Nothing changes at
inference.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

OUTSIDE = -1e4
"""Log-weight of what is beyond the end of a text."""
BLANK = -8.0
"""Log-weight of the path's blank before normalisation: rarely taken."""


def diagonal_prior(shape: tuple[int, int], lengths: Tensor, phone_lengths: Tensor, spread: float) -> Tensor:
    """Log-prior [b, t, n] that falls off away from the diagonal.

    Args:
        shape: t and n.
        lengths: real moments [b].
        phone_lengths: real phones [b].
        spread: in shares of the text.
    """
    column = torch.arange(shape[1], device=lengths.device) / phone_lengths[:, None]
    row = torch.arange(shape[0], device=lengths.device) / lengths[:, None]
    return -((row[:, :, None] - column[:, None]) ** 2) / (2 * spread**2)


def forward_sum(log_attention: Tensor, lengths: Tensor, phone_lengths: Tensor) -> Tensor:
    """Mean over the batch of the negative log-likelihood, per phone, of all monotonic paths through the text.

    Args:
        log_attention: [b, t, n].
        lengths: real moments [b].
        phone_lengths: real phones [b]; a row with fewer moments than phones has no path and counts as 0.
    """
    frames = F.pad(log_attention, (1, 0), value=BLANK).log_softmax(-1).transpose(0, 1)
    steps = torch.arange(1, frames.shape[-1], device=frames.device).expand(frames.shape[1], -1)
    return F.ctc_loss(frames, steps, lengths, phone_lengths, blank=0, zero_infinity=True)
