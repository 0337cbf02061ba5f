"""From spoken fragments to one recording."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F


def join(fragments: Sequence[Tensor], rate: int, pause: float) -> Tensor:
    """Fragments [w] one after the other, each within full scale and followed by `pause` seconds of silence.

    A fragment louder than full scale is divided by its own peak, as in the public implementation; the pause has
    `int(rate * pause)` samples.
    """
    silence = torch.zeros(int(rate * pause))
    pieces = [piece for fragment in fragments for piece in (within_full_scale(fragment.float().cpu()), silence)]
    return torch.cat(pieces) if pieces else torch.zeros(0)


def join_at_best_fit(tail: Tensor, wave: Tensor, search: int = 320) -> Tensor:
    """Lay `wave` over the `tail` it shares with what was heard before, where the two are most alike.

    Synchronised overlap-add (Roucos and Wilgus, 1985): of the first `search` offsets into `wave` the one with the
    highest normalised correlation is taken; there the two are cross-faded along a Hann window.

    Args:
        tail: [k] samples held back from the piece before.
        wave: [w] the piece that begins with the same sounds.

    Returns:
        [w - offset] what follows the piece before, without its tail.
    """
    k = tail.shape[-1]
    if wave.shape[-1] <= k:
        return wave
    head = wave[: k + search].view(1, 1, -1)
    likeness = F.conv1d(head, tail.view(1, 1, -1)) / (F.conv1d(head.square(), torch.ones(1, 1, k)) + 1e-8).sqrt()
    joined = wave[int(likeness.argmax()) :].clone()
    window = torch.hann_window(2 * k)
    n = min(k, joined.shape[-1])
    joined[:n] = window[:n] * joined[:n] + window[k : k + n] * tail[:n]
    return joined


def within_full_scale(wave: Tensor) -> Tensor:
    """The wave, divided by its peak when that exceeds 1."""
    peak = wave.abs().max().item() if wave.numel() else 0.0
    return wave / peak if peak > 1 else wave


def to_int16(wave: NDArray[np.float32]) -> NDArray[np.int16]:
    """Truncate `wave * 32768` towards zero; +1.0, which has no 16-bit value, becomes 32767 instead of wrapping."""
    return np.clip(np.trunc(wave * np.float32(32768)), -32768, 32767).astype(np.int16)
