"""A training-time guide for stage 2: one head of the cross attention is taught to find what each frame says.

Without it a model trained on few hours learns to do without the text, and speaks as unclearly as its codes are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from gpt_sovits.core.alignment import diagonal_prior, forward_sum
from sovits.prior import CrossAttention


@contextmanager
def watch_cross_attention(attention: CrossAttention) -> Iterator[list[tuple[Tensor, Tensor, Tensor]]]:
    """Collect what it is given (frames [b, c, f], phones [b, c, n], mask of the phones [b, 1, n]) in forward passes."""
    seen: list[tuple[Tensor, Tensor, Tensor]] = []

    def keep(_: nn.Module, inputs: tuple[Any, ...]) -> None:
        seen.append((inputs[0], inputs[1], inputs[2]))

    handle = attention.register_forward_pre_hook(keep)
    try:
        yield seen
    finally:
        handle.remove()


def alignment_loss(
    log_attention: Tensor, frame_lengths: Tensor, phone_lengths: Tensor, spread: float | None = None
) -> Tensor:
    """Forward-sum loss of attention [b, f, n] over whole utterances, in nats per phone.

    Args:
        spread: width of a diagonal prior, in shares of the text; None: no prior.
    """
    if spread is not None:
        f, n = log_attention.shape[1:]
        log_attention = log_attention + diagonal_prior((f, n), frame_lengths, phone_lengths, spread)
    return forward_sum(log_attention, frame_lengths, phone_lengths)
