"""Pieces of padded batches."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def slice_segments(x: Tensor, start: Tensor, length: int) -> Tensor:
    """Cut `length` positions of [b, c, f] from `start` [b] on; past the end there are zeros."""
    x = F.pad(x, (0, length))
    index = start[:, None, None] + torch.arange(length, device=x.device)
    return x.gather(-1, index.expand(-1, x.shape[1], -1))


def length_mask(lengths: Tensor, size: int) -> Tensor:
    """True at the first `lengths` [b] of `size` positions, as [b, 1, size]."""
    return (torch.arange(size, device=lengths.device) < lengths[:, None])[:, None]


def segment_starts(lengths: Tensor, size: int, draws: Tensor | None) -> Tensor:
    """Where segments of `size` begin in rows of such lengths [b]; `draws` in [0, 1) [b] place them, else chance."""
    draws = torch.rand(lengths.shape, device=lengths.device) if draws is None else draws
    return (draws * (lengths - size + 1).clamp(min=1)).long()
