"""From logits to the next code. Pure functions; their order is behaviour."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from gpt_sovits.core.config import Strict


class GenerateOptions(Strict):
    """How to draw codes and when to stop; the defaults are the public ones."""

    top_k: int | None = Field(default=15, ge=1)
    top_p: float = Field(default=1.0, gt=0, le=1)
    temperature: float = Field(default=1.0, ge=0)
    repetition_penalty: float = Field(default=1.35, gt=0)
    max_new_tokens: int = Field(default=1500, ge=1)
    seed: int | None = None
    """None: a fresh one each time."""
    eos_free_steps: int = Field(default=11, ge=0)
    """During so many first steps the end mark cannot be drawn."""


def penalize_repeats(logits: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """Make codes already said less likely (Keskar et al. 2019), once per distinct code.

    Args:
        logits: [b, v].
        seen: [b, v], True where the code occurs in the prompt or in what was generated.
    """
    if penalty == 1.0:
        return logits
    return torch.where(seen, torch.where(logits < 0, logits * penalty, logits / penalty), logits)


def keep_top_p(logits: Tensor, p: float) -> Tensor:
    """Nucleus filter: the code whose cumulated probability crosses `p` goes too; the likeliest always stays."""
    if p >= 1:
        return logits
    ordered, order = logits.sort(-1, descending=True)
    drop = ordered.softmax(-1).cumsum(-1) > p
    drop[..., 0] = False
    return logits.masked_fill(drop.scatter(-1, order, drop), -torch.inf)


def keep_top_k(logits: Tensor, k: int | None) -> Tensor:
    """Keep everything at least as likely as the k-th."""
    if k is None or k >= logits.shape[-1]:
        return logits
    return logits.masked_fill(logits < logits.topk(k, -1).values[..., -1:], -torch.inf)


def probabilities(penalized: Tensor, options: GenerateOptions) -> Tensor:
    """Distribution over [b, v] after the penalty: top-p comes before the temperature, top-k after it."""
    logits = keep_top_p(penalized, options.top_p) / max(options.temperature, 1e-5)
    return keep_top_k(logits, options.top_k).softmax(-1)


def draw(penalized: Tensor, options: GenerateOptions, noise: Tensor | None) -> Tensor:
    """Draw [b] codes by exponential races; without noise, the likeliest."""
    if noise is None:
        return penalized.argmax(-1)
    return (probabilities(penalized, options) / noise).argmax(-1)


def sample(logits: Tensor, seen: Tensor, options: GenerateOptions, noise: Tensor | None) -> Tensor:
    """The next code of each row.

    Args:
        logits: [b, v].
        seen: [b, v] bool, see penalize_repeats.
        noise: [b, v] draws of Exponential(1); None: greedy, which top-p, temperature and top-k cannot change.

    Returns:
        [b] codes.
    """
    return draw(penalize_repeats(logits, seen, options.repetition_penalty), options, noise)
