"""A training-time guide: some attention heads are taught to read the text from left to right.

A small decoder-only model trained on few hours finds the alignment of codes and phones late, if at all. The
forward-sum objective (Badlani et al. 2022, "One TTS alignment to rule them all") asks that a head's attention over
the phones admit a monotonic path through all of them; a diagonal prior (Tachibana et al. 2018) helps it to start.
Nothing changes at inference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ar.attention import SelfAttention
from ar.config import AlignmentConfig
from ar.loss import Batch, TrainingOutput, training_loss
from ar.model import Text2SemanticDecoder, filled

OUTSIDE = -1e4
BLANK = -8.0
"""Log-weight of the path's blank before normalisation: rarely taken."""


@contextmanager
def watch_attention(model: Text2SemanticDecoder, layers: Sequence[int]) -> Iterator[list[tuple[SelfAttention, Tensor]]]:
    """Collect the input [b, n+t, c] of these layers' attention during one forward pass."""
    seen: list[tuple[SelfAttention, Tensor]] = []

    def keep(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        assert isinstance(module, SelfAttention)
        seen.append((module, inputs[0]))

    modules: list[Any] = [model.layers[i] for i in layers]
    handles = [module.attention.register_forward_pre_hook(keep) for module in modules]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def text_attention(attention: SelfAttention, x: Tensor, batch: Batch, head: int = 0) -> Tensor:
    """Log-attention of every predicting position over the phones alone.

    Args:
        x: [b, n+t, c] input of the attention, text first.

    Returns:
        [b, t, n]; row t is the position that has just read code t.
    """
    n, width = batch.phones.shape[1], x.shape[2] // attention.heads
    weight = attention.input.weight.view(3, attention.heads, width, -1)[:, head]
    bias = attention.input.bias.view(3, attention.heads, width)[:, head]
    query = F.linear(x[:, n:], weight[0], bias[0])
    key = F.linear(x[:, :n], weight[1], bias[1])
    scores = (query @ key.mT).float() * width**-0.5
    return scores.masked_fill(~filled(batch.phone_lengths, n)[:, None], OUTSIDE).log_softmax(-1)


def diagonal_prior(batch: Batch, spread: float) -> Tensor:
    """Log-prior [b, t, n] that falls off away from the diagonal; `spread` in shares of the text."""
    n, t = batch.phones.shape[1], batch.codes.shape[1]
    column = torch.arange(n, device=batch.phones.device) / batch.phone_lengths[:, None]
    row = torch.arange(t, device=batch.phones.device) / batch.code_lengths[:, None]
    return -((row[:, :, None] - column[:, None]) ** 2) / (2 * spread**2)


def forward_sum(log_attention: Tensor, batch: Batch) -> Tensor:
    """Mean over the batch of the negative log-likelihood, per phone, of all monotonic paths through the text."""
    frames = F.pad(log_attention, (1, 0), value=BLANK).log_softmax(-1).transpose(0, 1)
    steps = torch.arange(1, frames.shape[-1], device=frames.device).expand(frames.shape[1], -1)
    return F.ctc_loss(frames, steps, batch.code_lengths, batch.phone_lengths, blank=0, zero_infinity=True)


def alignment_loss(
    seen: Sequence[tuple[SelfAttention, Tensor]], batch: Batch, head: int = 0, spread: float = 0.15
) -> Tensor:
    """Mean forward-sum loss of the watched layers."""
    prior = diagonal_prior(batch, spread)
    return torch.stack([forward_sum(text_attention(a, x, batch, head) + prior, batch) for a, x in seen]).mean()


def guided_loss(
    model: Text2SemanticDecoder, batch: Batch, config: AlignmentConfig, heard: Tensor | None = None
) -> TrainingOutput:
    """The usual training loss plus the guide, weighed against the loss per code; `heard` as in `teacher_forced`."""
    with watch_attention(model, config.layers) as seen:
        output = training_loss(model, batch, heard)
    guide = alignment_loss(seen, batch, config.head, config.spread)
    targets = output.count if batch.whole is None else batch.whole.targets
    return replace(output, loss=output.loss + config.weight * batch.share * guide * targets)
