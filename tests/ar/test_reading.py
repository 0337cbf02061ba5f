"""What the reading heads tell of codes: a straight reading is cheap, a skipped or repeated passage is not."""

from __future__ import annotations

import math

import pytest
import torch

from ar import Item, Text2SemanticConfig, Text2SemanticDecoder
from ar.alignment import text_attention, watch_attention
from ar.loss import Batch, teacher_forced
from ar.reading import path_cost, reading_costs


def attention(path: list[int], phones: int) -> torch.Tensor:
    """[1, t, n]: looking at these phones, one after the other, and a little at all others."""
    weights = torch.full((len(path), phones), 0.02)
    weights[torch.arange(len(path)), torch.tensor(path)] = 1.0
    return (weights / weights.sum(-1, keepdim=True)).log()[None]


def test_a_straight_reading_costs_least() -> None:
    straight = path_cost(attention([0, 0, 1, 1, 2, 2, 3, 3, 4, 4], 5))
    skipped = path_cost(attention([0, 0, 0, 1, 1, 1, 4, 4, 4, 4], 5))
    repeated = path_cost(attention([0, 1, 2, 3, 1, 2, 3, 4, 4, 4], 5))
    early = path_cost(attention([0, 0, 0, 0, 1, 1, 1, 2, 2, 2], 5))
    assert straight < min(skipped, repeated, early) - 0.3
    assert path_cost(attention([0, 1], 5)) == math.inf


def model(**settings: object) -> Text2SemanticDecoder:
    torch.manual_seed(0)
    values = {"width": 16, "heads": 2, "layers": 3, "feed_forward": 32, "phones": 20, "codes": 32, "eos": 31}
    return Text2SemanticDecoder(Text2SemanticConfig.model_validate({**values, "bert_width": None, **settings})).eval()


@torch.inference_mode()
def test_only_the_new_text_and_the_new_codes_count() -> None:
    reader = model(reading_layers=(1, 2), reading_head=1)
    source = torch.Generator().manual_seed(1)
    prompts, news, said, wanted = [3, 5], [9, 12], [4, 6], [5, 3]
    items, codes, expected = [], [], []
    for p, t, m, n in zip(prompts, news, said, wanted, strict=True):
        phones = torch.randint(0, 20, (m + n,), generator=source)
        prompt, new = (torch.randint(0, 31, (k,), generator=source) for k in (p, t))
        items.append(Item(phones, prompt=prompt))
        codes.append(new)
        alone = Batch(phones[None], torch.tensor([m + n]), torch.cat((prompt, new))[None], torch.tensor([p + t]))
        with watch_attention(reader, (1, 2)) as seen:
            teacher_forced(reader, alone)
        maps = torch.cat([text_attention(a, x, alone, 1) for a, x in seen])
        expected.append(path_cost(maps[:, p:, m:]))
    assert reading_costs(reader, items, codes, said) == pytest.approx(expected, rel=1e-4)


def test_a_model_without_reading_heads_tells_nothing() -> None:
    item = Item(torch.tensor([1, 2]))
    assert reading_costs(model(), [item], [torch.tensor([3, 4])], [0]) == [0.0]
