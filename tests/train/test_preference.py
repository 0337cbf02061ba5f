"""Preference pairs of a model's own samples, and training on them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from ar.alignment import text_attention, watch_attention
from ar.convert import load_text2semantic
from ar.data import Collate, Utterance
from ar.loss import dpo_loss, teacher_forced, training_loss
from ar.model import Text2SemanticDecoder
from ar.preference import (
    PairCollate,
    PreferenceConfig,
    make_pair,
    misalignment,
    read_pairs,
    reading_heads,
    said,
)
from gpt_sovits.cli import app
from gpt_sovits.core.bundle import Bundle
from gpt_sovits.core.errors import ConfigError, DatasetError
from tests.train.test_train import equal, run, weights

COLLATE = Collate(None)


@pytest.fixture(scope="module")
def network(model: Bundle) -> Text2SemanticDecoder:
    return load_text2semantic(model.need("s1"))


def utterance(codes: int = 24) -> Utterance:
    return Utterance("a", [3, 5, 8, 13, 21], [i % 30 for i in range(codes)])


def best_path(network: Text2SemanticDecoder, item: Utterance, layer: int, head: int) -> float:
    """The cost by hand: over all ways to stand still, step to the next phone or pass a code by, in the log domain."""
    batch = COLLATE([item])
    with watch_attention(network, [layer]) as seen:
        teacher_forced(network, batch)
    attention = text_attention(*seen[0], batch, head)[0]
    rows = torch.nn.functional.pad(attention, (1, 0), value=-8.0).log_softmax(-1).tolist()
    n = len(item.phones)
    states = [0 if i % 2 == 0 else i // 2 + 1 for i in range(2 * n + 1)]  # blank, first phone, blank, second phone …
    reached = [-math.inf] * len(states)
    reached[0], reached[1] = rows[0][0], rows[0][1]
    for row in rows[1:]:
        previous, reached = reached, []
        for i, symbol in enumerate(states):
            ways = [previous[j] for j in (i, i - 1) if j >= 0]
            if i % 2 == 1 and i >= 2:
                ways.append(previous[i - 2])
            top = max(ways)
            total = top if top == -math.inf else top + math.log(sum(math.exp(way - top) for way in ways))
            reached.append(total + row[symbol])
    top = max(reached[-2:])
    return -(top + math.log(sum(math.exp(end - top) for end in reached[-2:]))) / len(item.codes)


def test_misalignment_is_the_forward_sum_of_each_row(network: Text2SemanticDecoder) -> None:
    """Rows of a padded batch, by hand."""
    items = [utterance(24), Utterance("b", [7, 9], [1, 2, 3, 4])]
    heads = [(0, 0), (1, 1)]
    costs = misalignment(network, COLLATE(items), heads)
    for item, row in zip(items, costs, strict=True):
        assert row == pytest.approx([best_path(network, item, *place) for place in heads], rel=1e-4)
    assert misalignment(network, COLLATE([said(utterance(), [1, 2])]), heads) == [[math.inf, math.inf]]


def test_the_heads_that_read_are_found(network: Text2SemanticDecoder) -> None:
    items = [utterance(24), utterance(30)]
    everyone = [(layer, head) for layer in range(network.config.layers) for head in range(network.config.heads)]
    costs = torch.tensor([misalignment(network, COLLATE([item]), everyone)[0] for item in items]).mean(0)
    assert reading_heads(network, COLLATE, items, 1) == [everyone[int(costs.argmin())]]


def test_a_pair_is_the_cheapest_and_the_dearest(network: Text2SemanticDecoder) -> None:
    config = PreferenceConfig(samples=5, margin=1e-6, alignment_weight=0.5, length_weight=2.0, temperature=2.0)
    item = utterance()
    pair = make_pair(network, COLLATE, item, [(0, 0)], config)
    assert pair is not None and pair.costs[0] < pair.costs[1]
    for codes, cost in zip((pair.chosen, pair.rejected), pair.costs, strict=True):
        (nats,) = misalignment(network, COLLATE([said(item, codes)]), [(0, 0)])[0]
        assert cost == pytest.approx(2 * abs(math.log(len(codes) / len(item.codes))) + 0.5 * nats, rel=1e-4)
    assert make_pair(network, COLLATE, item, [(0, 0)], config) == pair
    assert make_pair(network, COLLATE, item, [(0, 0)], config.model_copy(update={"margin": 1e3})) is None


def test_the_command_and_a_training_on_its_pairs(experiment: Path, model: Bundle, tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    words = ["train", "preferences", str(experiment), "--model", str(model.folder), "--out", str(file)]
    more = ["--set", "margin=0.001", "--set", "samples=3", "--limit", "6", "--device", "cpu"]
    result = CliRunner().invoke(app, [*words, *more])
    assert result.exit_code == 0, result.output
    pairs = read_pairs(file)
    assert 0 < len(pairs) <= 6 and f"{len(pairs)} pairs of 6 texts" in result.output
    chosen = [f"preferences={file}", "data.batch_size=2", "accumulate=1"]
    run("s1", experiment, model.folder, tmp_path / "voice", *chosen, max_steps=2)
    assert not equal(weights("s1", tmp_path / "voice"), weights("s1", model.folder))
    with pytest.raises(ConfigError, match="goes with neither"):
        run("s1", experiment, model.folder, tmp_path / "no", *chosen, "preference=true", max_steps=1)


def test_steps_on_pairs_widen_their_margin(network: Text2SemanticDecoder) -> None:
    item = utterance()
    pair = make_pair(network, COLLATE, item, [(0, 0)], PreferenceConfig(samples=5, margin=1e-6, temperature=2.0))
    assert pair is not None
    batch = PairCollate(COLLATE, {"a": pair})([item])
    rejected = batch.rejected
    assert rejected is not None and batch.codes[0].tolist() == list(pair.chosen)

    def margin() -> float:
        with torch.no_grad():
            losses = [training_loss(network, side).loss.item() for side in (batch, rejected)]
        return losses[1] - losses[0]

    before, optimizer = margin(), torch.optim.SGD(network.parameters(), lr=1e-3)
    for _ in range(3):
        optimizer.zero_grad()
        dpo_loss(network, batch, rejected).loss.backward()
        optimizer.step()
    assert margin() > before


def test_a_damaged_file_is_an_error_in_words(experiment: Path, model: Bundle, tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    for text, told in (
        ("no json", "line 1"),
        (json.dumps({"name": "x", "chosen": [], "rejected": [1], "costs": [0, 1]}), "line 1"),
        (json.dumps({"name": "x", "chosen": [1], "rejected": [2], "costs": [0, 1]}), "no pair of an utterance"),
    ):
        file.write_text(text, encoding="utf8")
        with pytest.raises(DatasetError, match=told):
            run("s1", experiment, model.folder, tmp_path / "out", f"preferences={file}", max_steps=1)
    with pytest.raises(DatasetError, match="cannot be read"):
        run("s1", experiment, model.folder, tmp_path / "out", "preferences=nowhere.jsonl", max_steps=1)
