"""Which utterances make up which batch: neighbours in length, in an order that the seed and the epoch alone decide."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import Sampler

from gpt_sovits.core.device import generator

PUBLIC_BOUNDARIES = (32, *range(300, 2000, 100))
"""Bucket edges in spectrogram frames of the public GPT-SoVITS for decoders that train on segments."""


class BucketSampler(Sampler[list[int]]):
    """Batches of utterances of similar length, so that little of a batch is padding.

    An epoch holds every utterance exactly once; only one batch of an epoch can be smaller. Several replicas share each
    batch of so many times the size, so that a step learns from what one process would; a batch of fewer utterances
    than replicas is filled up with others.

    Args:
        lengths: frames of every utterance.
        batch_size: utterances in a batch, per replica.
        seed: with the epoch, the only thing the order depends on.
        bucket: utterances whose lengths differ by less than this many frames are shuffled with each other.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        batch_size: int,
        seed: int = 1234,
        bucket: int = 100,
        replicas: int = 1,
        rank: int = 0,
    ) -> None:
        self.lengths = list(lengths)
        self.batch_size = batch_size
        self.seed = seed
        self.bucket = bucket
        self.replicas = replicas
        self.rank = rank
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-len(self.lengths) // (self.batch_size * self.replicas))

    def __iter__(self) -> Iterator[list[int]]:
        random = generator((self.seed * 1_000_003 + self.epoch) % 2**63)
        shuffled = torch.randperm(len(self.lengths), generator=random).tolist()
        # The edges move from epoch to epoch: else an utterance would meet the same neighbours for ever.
        offset = int(torch.randint(self.bucket, (1,), generator=random))
        shuffled.sort(key=lambda index: (self.lengths[index] + offset) // self.bucket)
        size = self.batch_size * self.replicas
        batches = [shuffled[i : i + size] for i in range(0, len(shuffled), size)]
        if len(batches[-1]) < self.replicas:
            batches[-1] += shuffled[: self.replicas - len(batches[-1])]
        batches = [batches[i] for i in torch.randperm(len(batches), generator=random).tolist()]
        return iter([batch[self.rank :: self.replicas] for batch in batches])


class PublicBucketSampler(Sampler[list[int]]):
    """The bucket sampler of the public GPT-SoVITS (from VITS, Kim et al. 2021), index for index.

    Every bucket is filled up to whole batches with repeats of its own utterances, which makes a lone utterance of
    unusual length a batch of copies of itself; utterances outside the outermost edges are never seen. Kept for
    comparison with published training runs; new training uses `BucketSampler`.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        batch_size: int,
        boundaries: Sequence[int] = PUBLIC_BOUNDARIES,
        replicas: int = 1,
        rank: int = 0,
    ) -> None:
        self.batch_size = batch_size
        self.replicas = replicas
        self.rank = rank
        self.epoch = 0
        self.buckets = _public_buckets(lengths, boundaries)

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        group = self.batch_size * self.replicas
        return sum(-(-len(bucket) // group) for bucket in self.buckets)

    def __iter__(self) -> Iterator[list[int]]:
        random = generator(self.epoch)
        orders = [torch.randperm(len(bucket), generator=random).tolist() for bucket in self.buckets]
        batches: list[list[int]] = []
        for bucket, order in zip(self.buckets, orders, strict=True):
            short = -len(order) % (self.batch_size * self.replicas)
            order = order + order * (short // len(order)) + order[: short % len(order)]
            order = order[self.rank :: self.replicas]
            batches += [
                [bucket[i] for i in order[at : at + self.batch_size]] for at in range(0, len(order), self.batch_size)
            ]
        return iter([batches[i] for i in torch.randperm(len(batches), generator=random).tolist()])


def _public_buckets(lengths: Sequence[int], boundaries: Sequence[int]) -> list[list[int]]:
    """Indices by half-open interval (low, high]; empty intervals are left out."""
    buckets: list[list[int]] = [[] for _ in range(len(boundaries) - 1)]
    for index, length in enumerate(lengths):
        place = bisect.bisect_left(boundaries, length) - 1
        if 0 <= place < len(buckets):
            buckets[place].append(index)
    return [bucket for bucket in buckets if bucket]
