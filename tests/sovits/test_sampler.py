"""Batches of the second stage: golden equality of the public sampler, and the properties of the default one."""

from __future__ import annotations

import pytest

from sovits.sampler import BucketSampler, PublicBucketSampler
from tests.golden_data import golden_json

CASE = golden_json("s2_bucket_sampler")


@pytest.mark.parametrize(
    ("replicas", "rank", "batch", "epoch"), [(1, 0, 4, 1), (1, 0, 4, 2), (2, 0, 3, 1), (2, 1, 3, 1)]
)
def test_the_public_sampler_gives_the_public_batches(replicas: int, rank: int, batch: int, epoch: int) -> None:
    sampler = PublicBucketSampler(CASE["lengths"], batch, CASE["boundaries"], replicas, rank)
    sampler.set_epoch(epoch)
    name = f"rep{replicas}_rank{rank}_bs{batch}_ep{epoch}"
    assert list(sampler) == CASE["batches"][name]
    assert len(list(sampler)) == CASE["batches"][f"{name}_len"] == len(sampler)


def test_another_epoch_is_another_order() -> None:
    sampler = PublicBucketSampler(CASE["lengths"], 4, CASE["boundaries"])
    sampler.set_epoch(3)
    assert list(sampler) != CASE["batches"]["rep1_rank0_bs4_ep1"]


def test_an_epoch_holds_every_utterance_once() -> None:
    sampler = BucketSampler(CASE["lengths"], 4)
    seen = [index for batch in sampler for index in batch]
    assert sorted(seen) == list(range(len(CASE["lengths"])))
    assert len(list(sampler)) == len(sampler)


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    first, second, other = (BucketSampler(CASE["lengths"], 4, seed) for seed in (5, 5, 6))
    assert list(first) == list(first) == list(second) != list(other)
    second.set_epoch(1)
    assert list(first) != list(second)


def test_replicas_share_an_epoch_in_equal_numbers() -> None:
    parts = [list(BucketSampler(CASE["lengths"], 4, replicas=3, rank=rank)) for rank in range(3)]
    assert len({len(part) for part in parts}) == 1
    assert {i for part in parts for batch in part for i in batch} == set(range(len(CASE["lengths"])))


def test_batches_hold_neighbours_in_length() -> None:
    lengths = CASE["lengths"]
    spread = [max(lengths[i] for i in b) - min(lengths[i] for i in b) for b in BucketSampler(lengths, 4)]
    assert sorted(spread)[len(spread) // 2] < 300
