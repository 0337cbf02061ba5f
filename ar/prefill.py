"""Everything before the first new code of one request; with a recorder, in a graph per bucket of lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ar.cache import KeyValueCache
from ar.items import Item, collate
from ar.model import Prefix, Text2SemanticDecoder
from ar.steps import Step
from gpt_sovits.core.graph import Graphed, LastUsed, Recorder

BUCKET = 64


@dataclass(eq=False, slots=True)
class Room:
    """The inputs of one pair of lengths, at fixed addresses."""

    prefix: Prefix


@dataclass(frozen=True, slots=True)
class Prefilled:
    """The first logits [v] of a request, and where its keys and values are until the next prefill."""

    logits: Tensor
    cache: KeyValueCache
    parts: tuple[slice, ...]
    """The slots that hold something real, in order."""
    mark: object = field(default_factory=object)
    """Tells rows that begin with it."""


class Prefill:
    """Prefills requests one at a time: in company one might round differently from alone.

    Draws of one sentence begin with the same phones and codes; off a GPU those are computed once.

    With a recorder, phones and codes are padded to multiples of `bucket`, each pair of lengths runs at fixed addresses
    and is recorded once; what is padding is masked. Without one, as off a GPU, every call is the plain one.
    """

    def __init__(
        self, model: Text2SemanticDecoder, step: Step, recorder: Recorder | None = None, bucket: int = BUCKET
    ) -> None:
        self._model, self._step, self._bucket = model, step, bucket
        self._graph = None if recorder is None else Graphed(self._compute, recorder)
        self._rooms: LastUsed[tuple[int, int], Room] = LastUsed(lambda key: self._new_room(*key))
        self._room: Room | None = None
        self._cache = self._new_cache(0)
        self._logits = torch.zeros(1, model.config.codes, device=model.head.weight.device)
        self._kept: list[tuple[Item, Prefilled]] = []

    def __call__(self, item: Item, waiting: Sequence[Item] = ()) -> Prefilled:
        """Args: waiting: requests to come; what those begin with is kept, on a CPU."""
        if self._graph is not None:
            return self._compute_at_once(item)
        found = next((ready for other, ready in self._kept if other.begins_like(item)), None)
        self._kept = [kept for kept in self._kept if any(kept[0].begins_like(other) for other in waiting)]
        if found is None:
            found = self._compute_at_once(item)
            if any(item.begins_like(other) for other in waiting):
                self._kept.append((item, found))
        return found

    def _compute_at_once(self, item: Item) -> Prefilled:
        prefix = collate(self._model, [item])
        n, t = prefix.phones.shape[1], prefix.codes.shape[1]
        if self._graph is None:
            logits, cache = self._step.prefill(prefix)
            return Prefilled(logits[0], cache, (slice(0, n + t),))
        key = self._size(n), self._size(t)
        if sum(key) > self._cache.capacity:
            self._cache = self._new_cache(sum(key))
            self._graph.forget()
        self._room = self._rooms(key)
        _fill(self._room.prefix, prefix)
        self._graph(self._room)
        return Prefilled(self._logits[0], self._cache, (slice(0, n), slice(key[0], key[0] + t)))

    def _compute(self) -> None:
        assert self._room is not None
        logits, _ = self._step.prefill(self._room.prefix, self._cache)
        self._logits.copy_(logits)

    def _size(self, length: int) -> int:
        return max(length, min(-(-length // self._bucket) * self._bucket, self._model.config.max_positions))

    def _new_cache(self, slots: int) -> KeyValueCache:
        weight = self._model.head.weight
        return KeyValueCache(self._model.config, 1, slots, weight.dtype, weight.device)

    def _new_room(self, n: int, t: int) -> Room:
        weight, width = self._model.head.weight, self._model.config.bert_width

        def numbers(*shape: int) -> Tensor:
            return torch.zeros(*shape, dtype=torch.long, device=weight.device)

        prefix = Prefix(
            phones=numbers(1, n),
            phone_lengths=numbers(1),
            codes=numbers(1, t),
            code_lengths=numbers(1),
            bert=None if width is None else torch.zeros(1, width, n, dtype=weight.dtype, device=weight.device),
        )
        return Room(prefix)


def _fill(room: Prefix, prefix: Prefix) -> None:
    """Bring `prefix` and padding into the room."""
    for target, source in ((room.phones, prefix.phones), (room.codes, prefix.codes), (room.bert, prefix.bert)):
        if target is not None:
            target.zero_()  # absent features count as features of zeros
            if source is not None:
                target[..., : source.shape[-1]] = source
    room.phone_lengths.copy_(prefix.phone_lengths)
    room.code_lengths.copy_(prefix.code_lengths)
