"""Grouping sentences, against the public implementation's groups."""

from __future__ import annotations

import re

import pytest

from gpt_sovits.pipeline.batching import group
from tests.golden_data import golden_json

LENGTHS = [5, 40, 12, 33, 8, 21, 50, 9, 17]
CASES = golden_json("tts_to_batch")


@pytest.mark.parametrize("case", CASES)
def test_groups_equal_the_public_ones(case: str) -> None:
    by_length, size, threshold = re.fullmatch(r"bucket(\w+)_bs(\d+)_th([\d.]+)", case).groups()
    assert group(LENGTHS, int(size), float(threshold), by_length == "True") == CASES[case]["index"]


def test_threshold_matters() -> None:
    lengths = [1, 2, 3, 100, 110]
    assert group(lengths, 5, 0.0) == [[0, 1, 2, 3, 4]]
    assert group(lengths, 5, 0.9) == [[0, 1, 2], [3, 4]]


@pytest.mark.parametrize("by_length", [True, False])
@pytest.mark.parametrize("size", [1, 2, 4, 100])
def test_every_sentence_once(size: int, by_length: bool) -> None:
    batches = group(LENGTHS, size, 0.75, by_length)
    assert sorted(i for batch in batches for i in batch) == list(range(len(LENGTHS)))
    assert all(1 <= len(batch) <= size for batch in batches)


def test_nothing_to_group() -> None:
    assert group([], 4) == []
