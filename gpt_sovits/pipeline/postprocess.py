"""From spoken fragments to one recording."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

SILENT = 0.01
"""Level of a silent frame, in that of the loudest one (-40 dB)."""
FRAME = 0.01
"""Seconds that are silent, or not."""
EDGE = 0.1
"""Seconds of silence that may stay before and after a sound: soft consonants are hardly louder."""
QUIET = 0.002
"""Level of a sound at least, where the loudest frame is not known yet: -40 dB of a usual one."""


def join(fragments: Sequence[Tensor], rate: int, pause: float, silence: float | None = None) -> Tensor:
    """Fragments [w] one after the other, each within full scale and followed by `pause` seconds of silence.

    A fragment louder than full scale is divided by its own peak, as in the public implementation; the pause has
    `int(rate * pause)` samples.

    Args:
        silence: of the fragments themselves, see `shorten_silence`; None: they stay as they are.
    """
    after = torch.zeros(int(rate * pause))
    pieces = []
    for fragment in fragments:
        wave = within_full_scale(fragment.float().cpu())
        pieces += [wave if silence is None else shorten_silence(wave, rate, silence), after]
    return torch.cat(pieces) if pieces else torch.zeros(0)


def shorten_silence(wave: Tensor, rate: int, longest: float) -> Tensor:
    """The wave [w] with `longest` seconds of each silence, and of those at its ends no more than `EDGE`.

    What stays of a silence lies around the sounds beside it.
    """
    loud = _loud(wave, rate)
    if not loud.any():
        return wave
    places, never = torch.arange(len(loud)), 1 << 40
    since = places - torch.where(loud, places, -never).cummax(0).values
    until = torch.where(loud, places, 2 * never).flip(0).cummin(0).values.flip(0) - places
    edge = round(min(EDGE, longest / 2) / FRAME)
    after = torch.where(until < never, round(longest / FRAME) - edge, edge)
    kept = (until <= edge) | (since <= after)
    return wave[kept.repeat_interleave(round(rate * FRAME))[: len(wave)]]


def without_leading_silence(waves: Iterable[Tensor], rate: int) -> Iterator[Tensor]:
    """Pieces [w] of a sentence, the first from a little before its first sound on.

    What is silent is told by what has been heard so far, and by `QUIET`.
    """
    waited: list[Tensor] = []
    waves = iter(waves)
    for wave in waves:
        waited.append(wave)
        whole = torch.cat(waited)
        loud = _loud(whole, rate, QUIET).nonzero()
        if len(loud):
            yield whole[max(0, int(loud[0]) - round(EDGE / FRAME)) * round(rate * FRAME) :]
            yield from waves
            return
    yield from waited


def _loud(wave: Tensor, rate: int, least: float = 0.0) -> Tensor:
    """Which frames [f] of a wave [w] hold sound; the last one may be shorter."""
    size = round(rate * FRAME)
    levels = F.pad(wave, (0, -len(wave) % size)).view(-1, size).square().mean(1).sqrt()
    return levels > (SILENT * levels.max()).clamp(min=least) if len(levels) else levels.bool()


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
