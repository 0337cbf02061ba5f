"""Order of training items: neighbours in length share a batch, batches come in random order."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence

from torch.utils.data import Sampler


class BucketSampler(Sampler[int]):
    """Indices of one replica for one epoch; a function of the lengths, the seed and the epoch alone.

    Args:
        lengths: seconds of each item, or a function that tells them for an epoch (their number must not change).
        batch_size: items per batch and replica.
        width: seconds per bucket.
        stepwise: at most one new bucket per item, as in the public sampler: behind a gap in the lengths, items then
            lie in buckets for shorter ones.
    """

    def __init__(
        self,
        lengths: Sequence[float] | Callable[[int], Sequence[float]],
        batch_size: int,
        width: float = 2.0,
        seed: int = 0,
        replicas: int = 1,
        rank: int = 0,
        shuffle: bool = True,
        stepwise: bool = False,
    ) -> None:
        self.batch_size = batch_size
        self.seed = seed
        self.replicas = replicas
        self.rank = rank
        self.shuffle = shuffle
        self.epoch = 0
        self.lengths: Callable[[int], Sequence[float]] = lengths if callable(lengths) else lambda _: lengths
        self.width = width
        self.stepwise = stepwise
        self.size = math.ceil(len(self.lengths(0)) / replicas)

    @property
    def buckets(self) -> list[list[int]]:
        """This epoch's items, grouped by length."""
        lengths = self.lengths(self.epoch)
        ordered = sorted(range(len(lengths)), key=lambda index: lengths[index])
        return (_stepwise if self.stepwise else _by_width)(ordered, lengths, self.width)

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[int]:
        flat = self._shuffled() if self.shuffle else sorted(i for bucket in self.buckets for i in bucket)
        total = self.size * self.replicas
        flat += (flat * math.ceil((total - len(flat)) / max(1, len(flat))))[: total - len(flat)]
        return iter(flat[self.rank : total : self.replicas])

    def _shuffled(self) -> list[int]:
        """Random within each bucket, then in random order of whole batches (of all replicas)."""
        source = random.Random(self.epoch + self.seed)  # noqa: S311 - an order, not a secret
        flat: list[int] = []
        for bucket in self.buckets:
            row = list(bucket)
            source.shuffle(row)
            flat += row
        width = self.batch_size * self.replicas
        groups = [flat[start : start + width] for start in range(0, len(flat), width)]
        source.shuffle(groups)
        return [index for group in groups for index in group]


def _by_width(ordered: list[int], lengths: Sequence[float], width: float) -> list[list[int]]:
    buckets: dict[int, list[int]] = {}
    for index in ordered:
        buckets.setdefault(int(lengths[index] // width), []).append(index)
    return list(buckets.values())


def _stepwise(ordered: list[int], lengths: Sequence[float], width: float) -> list[list[int]]:
    buckets: list[list[int]] = [[]]
    for index in ordered:
        if lengths[index] > width * len(buckets):
            buckets.append([])
        buckets[-1].append(index)
    return buckets
