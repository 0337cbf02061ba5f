"""The judge of draws: what it hears in codes, and which it prefers."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from ar.reader import CodeReader, CodeReaderConfig, load_reader, save_reader
from gpt_sovits.core.errors import CheckpointError

SIZES = CodeReaderConfig(codes=12, width=12, phones=10)


def plain_reader() -> CodeReader:
    """Code c says phone c - 1, code 0 nothing, code 11 anything."""
    reader = CodeReader(SIZES).eval()
    with torch.no_grad():
        for parameter in reader.parameters():
            parameter.zero_()
        reader.book.weight.copy_(torch.eye(12))
        reader.phones.weight.copy_(9 * torch.eye(11, 12))
    return reader


def test_the_draw_that_says_the_text_costs_least() -> None:
    reader, text = plain_reader(), torch.tensor([4, 2, 7])
    right, skipped, doubled, other = ([5, 5, 0, 3, 8], [5, 5, 0, 8, 8], [5, 3, 5, 3, 8], [1, 2, 3, 4, 5])
    costs = reader.costs([torch.tensor(draw) for draw in (right, skipped, doubled, other)], text)
    assert costs[0] < 0.1 and min(costs[1:]) > 1


def test_a_draw_costs_the_same_in_any_company() -> None:
    torch.manual_seed(0)
    reader = CodeReader(SIZES).eval()
    draws, text = [torch.randint(12, (n,)) for n in (5, 30)], torch.tensor([4, 2])
    assert reader.costs(draws, text) == [cost for draw in draws for cost in reader.costs([draw], text)]


def test_too_few_codes_say_nothing() -> None:
    assert plain_reader().costs([torch.tensor([5])], torch.tensor([4, 2])) == [math.inf]


def test_a_reader_on_disk_hears_the_same(tmp_path: Path) -> None:
    torch.manual_seed(0)
    reader = CodeReader(SIZES).eval()
    save_reader(tmp_path / "reader.safetensors", reader, {"from": "here"})
    draws = [torch.randint(12, (9,))]
    assert load_reader(tmp_path / "reader.safetensors").costs(draws, torch.tensor([1])) == reader.costs(
        draws, torch.tensor([1])
    )
    with pytest.raises(CheckpointError, match="does not exist"):
        load_reader(tmp_path / "other.safetensors")
