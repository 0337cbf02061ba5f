"""From logits to the next code. Pure functions; their order is behaviour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
    max_seconds: float | None = Field(default=None, gt=0)
    """A second limit, at 25 codes per second."""
    seed: int | None = None
    """None: a fresh one each time."""
    eos_free_steps: int = Field(default=11, ge=0)
    """During so many first steps the end mark cannot be drawn."""
    repeat_window: int | None = Field(default=None, ge=1, le=64)
    """Repetition-aware sampling (Chen et al. 2024): a code that fills more than `repeat_share` of the last so many is
    drawn again from the whole distribution; None: never. 10 is usual."""
    repeat_share: float = Field(default=0.1, ge=0, le=1)

    @property
    def limit(self) -> int:
        """New codes after which to give up."""
        if self.max_seconds is None:
            return self.max_new_tokens
        return max(1, min(self.max_new_tokens, int(self.max_seconds * CODES_PER_SECOND)))

    @property
    def greedy(self) -> bool:
        return self.top_k == 1 or self.temperature == 0


CODES_PER_SECOND = 25


def penalize_repeats(logits: Tensor, seen: Tensor, penalty: float | Tensor) -> Tensor:
    """Make codes already said less likely (Keskar et al. 2019), once per distinct code.

    Args:
        logits: [b, v].
        seen: [b, v], True where the code occurs in the prompt or in what was generated.
        penalty: one for all, or [b, 1].
    """
    if isinstance(penalty, float) and penalty == 1.0:
        return logits
    return torch.where(seen, torch.where(logits < 0, logits * penalty, logits / penalty), logits)


def keep_top_p(logits: Tensor, p: float | Tensor) -> Tensor:
    """Nucleus filter: the code whose cumulated probability crosses `p` goes too; the likeliest always stays.

    Args:
        p: one for all, or [b, 1]; a row with 1 or more keeps everything.
    """
    if isinstance(p, float) and p >= 1:
        return logits
    ordered, order = logits.sort(-1, descending=True)
    drop = ordered.softmax(-1).cumsum(-1) > p
    if isinstance(p, Tensor):
        drop &= p < 1
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


@dataclass(slots=True)
class RowOptions:
    """Options of each row as tensors on the device, for rows that differ; `sample_rows` reads them.

    The host's flags say which steps no row needs, so that they are not computed at all.
    """

    penalty: Tensor
    top_p: Tensor
    temperature: Tensor
    top_k: Tensor
    eos_free: Tensor
    greedy: Tensor
    window: Tensor
    share: Tensor
    most_k: int
    """The largest top-k among rows that have one; 0: none has."""
    any_p: bool
    any_noise: bool
    any_window: bool

    @staticmethod
    def of(rows: Sequence[GenerateOptions], codes: int, device: torch.device | str) -> RowOptions:
        """Args: codes: size of the vocabulary, from which on a top-k keeps everything."""

        def column(values: list[float], dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.tensor(values, dtype=dtype).to(device)[:, None]

        top_k = [0 if row.top_k is None or row.top_k >= codes else row.top_k for row in rows]
        return RowOptions(
            penalty=column([row.repetition_penalty for row in rows]),
            top_p=column([row.top_p for row in rows]),
            temperature=column([max(row.temperature, 1e-5) for row in rows]),
            top_k=column(list(top_k), torch.long),
            eos_free=column([row.eos_free_steps for row in rows], torch.long),
            greedy=column([row.greedy for row in rows], torch.bool),
            window=column([row.repeat_window or 0 for row in rows], torch.long),
            share=column([row.repeat_share for row in rows]),
            most_k=max((k for k, row in zip(top_k, rows, strict=True) if not row.greedy), default=0),
            any_p=any(row.top_p < 1 and not row.greedy for row in rows),
            any_noise=not all(row.greedy for row in rows),
            any_window=any(row.repeat_window and not row.greedy for row in rows),
        )


@dataclass(frozen=True, slots=True)
class Drawn:
    """Codes [b], and whether each row has ended [b]."""

    tokens: Tensor
    ended: Tensor


def sample_rows(
    logits: Tensor, seen: Tensor, recent: Tensor, age: Tensor, options: RowOptions, noise: Tensor, eos: int
) -> Drawn:
    """`sample` with options per row, the ban of the end mark and the rule of when a row ends. No host round trip.

    Args:
        logits: [b, v].
        seen: [b, v] bool, see penalize_repeats.
        recent: [b, w] the last codes, that of age a at place a % w; only repetition-aware rows read it.
        age: [b], new codes each row has.
        noise: [2, b, v] draws of Exponential(1), the second for repetition-aware rows; [0] may be missing.
        eos: the end mark.
    """
    logits = logits.float()
    age = age[:, None]
    banned = (torch.arange(logits.shape[1], device=logits.device) == eos) & (age < options.eos_free)
    penalized = penalize_repeats(logits.masked_fill(banned, -torch.inf), seen, options.penalty)
    likeliest = penalized.argmax(-1)
    tokens = likeliest
    if options.any_noise:
        kept = keep_top_p(penalized, options.top_p) if options.any_p else penalized
        kept = kept / options.temperature
        if options.most_k:
            ranked = kept.topk(options.most_k, -1).values
            lowest = ranked.gather(1, (options.top_k - 1).clamp(0, options.most_k - 1))
            kept = kept.masked_fill((kept < lowest) & (options.top_k > 0), -torch.inf)
        drawn = (kept.softmax(-1) / noise[0]).argmax(-1)
        if options.any_window:
            drawn = _again(drawn, penalized, recent, age, options, noise[1])
        tokens = torch.where(options.greedy[:, 0], likeliest, drawn)
    # The public rule: a row also ends when the end mark is the likeliest, whatever was drawn.
    return Drawn(tokens, (tokens == eos) | (likeliest == eos))


def _again(drawn: Tensor, penalized: Tensor, recent: Tensor, age: Tensor, options: RowOptions, noise: Tensor) -> Tensor:
    """Repetition-aware sampling: replace what has been said too often lately by a draw from everything."""
    size = recent.shape[1]
    back = (age - 1 - torch.arange(size, device=recent.device)) % size + 1
    counted = (back <= options.window) & (back <= age)
    often = ((recent == drawn[:, None]) & counted).sum(1, keepdim=True)
    repeats = (options.window > 0) & (often > options.share * options.window)
    other = ((penalized / options.temperature).softmax(-1) / noise).argmax(-1)
    return torch.where(repeats[:, 0], other, drawn)
