"""Pieces of a running stream against the public generator's."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from ar import GenerateOptions, Item, Text2SemanticDecoder
from ar.chunks import ChunkRule, chunks, silence_similarity
from ar.compat import public_limit
from ar.decode import stream
from tests.golden_data import float32, golden_json, unit

SIMILARITY = float32(unit("s1/sim", (1025,)) * 0.5)
RULES = {
    "matrix_thr0_len16": ChunkRule(16, SIMILARITY, 0.0),
    "matrix_default_len8": ChunkRule(8, SIMILARITY),
    "fixed_len10": ChunkRule(10),
}


def _pieces(model: Text2SemanticDecoder, item: Item, rule: ChunkRule) -> list[list[Any]]:
    options = GenerateOptions(top_k=1, max_new_tokens=public_limit(60))
    codes = (emission.token for emission in stream(model, [item], options) if emission.token is not None)
    return [[piece, last] for piece, last in chunks(codes, rule)]


@pytest.mark.parametrize("name", list(RULES))
def test_pieces_equal_the_public_ones(model: Text2SemanticDecoder, items: list[Item], name: str) -> None:
    assert _pieces(model, items[0], RULES[name]) == golden_json("s1_small_stream")[name]


def test_fixed_pieces_of_16(model: Text2SemanticDecoder, items: list[Item], inference: dict[str, Any]) -> None:
    assert _pieces(model, items[0], ChunkRule(16)) == inference["naive_streaming_chunk16"]


def test_a_perturbed_threshold_is_noticed(model: Text2SemanticDecoder, items: list[Item]) -> None:
    pieces = _pieces(model, items[0], ChunkRule(16, SIMILARITY, 0.6))
    assert pieces != golden_json("s1_small_stream")["matrix_thr0_len16"]


def test_pieces_come_before_the_stream_ends() -> None:
    def codes() -> Any:
        yield from range(4)
        raise AssertionError("asked for more than the piece needs")

    assert next(chunks(codes(), ChunkRule(4))) == ([0, 1, 2, 3], False)


def test_silence_similarity(model: Text2SemanticDecoder) -> None:
    similarity = silence_similarity(model)
    assert similarity.shape == (1025,) and similarity[486] == pytest.approx(1)
    a, b = model.code_embedding.weight[7], model.code_embedding.weight[486]
    assert similarity[7].item() == pytest.approx((a @ b / (a.norm() * b.norm())).item(), abs=1e-6)
    assert torch.all(similarity <= 1.0001)
