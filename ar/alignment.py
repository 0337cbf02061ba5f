"""The guide of stage 1 training, see `gpt_sovits.core.alignment`: some attention heads are taught to read the text."""

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
from gpt_sovits.core.alignment import OUTSIDE, diagonal_prior, forward_sum


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


def alignment_loss(
    seen: Sequence[tuple[SelfAttention, Tensor]], batch: Batch, head: int = 0, spread: float = 0.15
) -> Tensor:
    """Mean forward-sum loss of the watched layers."""
    lengths, shape = (batch.code_lengths, batch.phone_lengths), (batch.codes.shape[1], batch.phones.shape[1])
    prior = diagonal_prior(shape, *lengths, spread)
    return torch.stack([forward_sum(text_attention(a, x, batch, head) + prior, *lengths) for a, x in seen]).mean()


def guided_loss(
    model: Text2SemanticDecoder, batch: Batch, config: AlignmentConfig, heard: Tensor | None = None
) -> TrainingOutput:
    """The usual training loss plus the guide, weighed against the loss per code; `heard` as in `teacher_forced`."""
    with watch_attention(model, config.layers) as seen:
        output = training_loss(model, batch, heard)
    guide = alignment_loss(seen, batch, config.head, config.spread)
    targets = output.count if batch.whole is None else batch.whole.targets
    return replace(output, loss=output.loss + config.weight * batch.share * guide * targets)
