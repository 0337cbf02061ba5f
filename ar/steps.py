"""What a decoder asks of a decode step, and the plain form of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from ar.cache import KeyValueCache
from ar.model import Prefix, Text2SemanticDecoder
from ar.rows import Rows


class Step(Protocol):
    """A decode step whose results for a row do not depend on the other rows."""

    cache_dtype: torch.dtype

    def prefill(self, prefix: Prefix, cache: KeyValueCache | None = None) -> tuple[Tensor, KeyValueCache]:
        """What `Text2SemanticDecoder.prefill` computes."""
        ...

    def current(self, model: Text2SemanticDecoder) -> bool:
        """Whether it computes with the model's present weights."""
        ...


class RowStep(Step, Protocol):
    """For a CPU: computes the rows it is asked for."""

    def __call__(self, tokens: Tensor, rows: Sequence[int], cache: KeyValueCache, filled: Sequence[int]) -> Tensor:
        """Append `tokens` [r] to `rows`, which hold `filled` slots -> logits [r, v]; ends are the caller's business."""
        ...


class WholeStep(Step, Protocol):
    """For a GPU: computes all rows."""

    counts_noise: bool
    """Whether `draw` makes its noise itself, so that nobody need make it ahead."""

    def whole(self, tokens: Tensor, cache: KeyValueCache) -> Tensor:
        """Append `tokens` [b] to every row -> logits [b, v]; moves ends and positions on."""
        ...

    def draw(self, rows: Rows) -> None:
        """What `Rows.draw` does."""
        ...


class PlainStep:
    """The model's own step, row after row: a matrix product of several rows may round differently from one's."""

    counts_noise = False

    def __init__(self, model: Text2SemanticDecoder) -> None:
        self.model = model
        self.cache_dtype = model.head.weight.dtype

    def prefill(self, prefix: Prefix, cache: KeyValueCache | None = None) -> tuple[Tensor, KeyValueCache]:
        return self.model.prefill(prefix, cache=cache)

    def __call__(self, tokens: Tensor, rows: Sequence[int], cache: KeyValueCache, filled: Sequence[int]) -> Tensor:
        logits = []
        for place, (row, count) in enumerate(zip(rows, filled, strict=True)):
            view = cache.row(row, count + 1)
            logits.append(self.model.step(tokens[place : place + 1], view))
            view.end.sub_(1)
            view.position.sub_(1)
        return torch.cat(logits)

    def whole(self, tokens: Tensor, cache: KeyValueCache) -> Tensor:
        return self.model.step(tokens, cache)

    def draw(self, rows: Rows) -> None:
        rows.draw()

    def current(self, model: Text2SemanticDecoder) -> bool:
        return model is self.model
