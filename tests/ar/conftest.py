"""The small public model with its deterministic weights, and the inputs of its golden cases."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from ar import Batch, Item, Text2SemanticConfig, Text2SemanticDecoder
from ar.convert import from_public, public_config
from gpt_sovits.core.checkpoint import load_weights
from tests import golden_data


def small_model(mask: str = "right") -> Text2SemanticDecoder:
    """A fresh copy, for tests that change it."""
    public = json.loads((golden_data.ROOT / "keys" / "s1_small.json").read_text())["config"]["model"]
    config = public_config(public).model_copy(update={"mask": mask})
    model = Text2SemanticDecoder(config)
    load_weights(model, from_public(golden_data.weights("s1_small")), "the golden weights")
    return model.eval()


@pytest.fixture(scope="session")
def model() -> Text2SemanticDecoder:
    return small_model()


@pytest.fixture(scope="session")
def forward() -> dict[str, Any]:
    return {key: torch.from_numpy(value) for key, value in golden_data.golden("s1_small_forward").items()}


@pytest.fixture(scope="session")
def inference() -> dict[str, Any]:
    cases: dict[str, Any] = golden_data.golden_json("s1_small_infer")
    return cases


@pytest.fixture(scope="session")
def batch(forward: dict[str, Any]) -> Batch:
    return Batch(
        forward["phoneme_ids"],
        forward["phoneme_lens"],
        forward["semantic_ids"],
        forward["semantic_lens"],
        forward["bert"],
    )


@pytest.fixture(scope="session")
def items(batch: Batch, inference: dict[str, Any]) -> list[Item]:
    assert batch.bert is not None
    return [
        Item(phones[:n], bert[:, :n], torch.tensor(prompt))
        for phones, bert, n, prompt in zip(
            batch.phones, batch.bert, batch.phone_lengths.tolist(), inference["prompts"], strict=True
        )
    ]


@pytest.fixture
def tiny() -> Text2SemanticDecoder:
    """An untrained model without a BERT projection."""
    torch.manual_seed(0)
    return Text2SemanticDecoder(
        Text2SemanticConfig(width=16, heads=2, layers=2, feed_forward=32, phones=20, codes=65, eos=64, bert_width=None)
    ).eval()
