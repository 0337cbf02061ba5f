"""What is drawn at random for a batch, and the batch in pieces that memory holds."""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

import torch
from torch import Tensor

from gpt_sovits.core import replicas
from gpt_sovits.core.device import generator
from gpt_sovits.core.health import slices
from sovits.batch import Batch


@dataclass(frozen=True, slots=True)
class Draws:
    """Noise and places of the segments, and the size of what one step learns from.

    Attributes:
        noise: [b, c, f].
        start: [b].
        rows, frames: of the batches of all processes.
    """

    noise: Tensor
    start: Tensor
    rows: float
    frames: float


@dataclass(frozen=True, slots=True)
class Piece:
    """Some utterances of a batch.

    Attributes:
        share, frame_share: of the utterances, and of the frames, that one step learns from.
        alone: the batch is in one piece.
    """

    batch: Batch
    noise: Tensor
    start: Tensor
    share: float
    frame_share: float
    alone: bool


def draw(batch: Batch, channels: int) -> Draws:
    """Draw for each utterance alone: what it gets depends on no neighbour, and so not on how batches are divided.

    One number of the common generator makes them differ from step to step. Processes with other numbers than 0 then
    leave the common path, so that their dropout is their own.
    """
    base, device = int(torch.randint(2**62, ())), batch.spec.device
    if replicas.rank():
        torch.manual_seed((base + replicas.rank()) % 2**63)
    sources = [generator(base ^ crc32(name.encode()), device) for name in batch.names]
    start = torch.stack([torch.rand((), generator=source, device=device) for source in sources])
    noise = torch.zeros(len(sources), channels, batch.spec.shape[-1], device=device)
    lengths = batch.spec_lengths.tolist()
    for row, length, source in zip(noise, lengths, sources, strict=True):
        row[:, :length] = torch.randn(channels, length, generator=source, device=device)
    rows, frames = replicas.totals([len(sources), sum(lengths)], device)
    return Draws(noise, start, rows, frames)


def cut(batch: Batch, draws: Draws, pieces: int) -> list[Piece]:
    """The batch in so many pieces, all as wide as the whole."""
    alone, cuts = pieces == 1, []
    for rows in slices(len(batch.names), pieces):
        part = batch if alone else batch.part(rows)
        share, frames = len(part.names) / draws.rows, int(part.spec_lengths.sum()) / draws.frames
        cuts.append(Piece(part, draws.noise[rows], draws.start[rows], share, frames, alone))
    return cuts
