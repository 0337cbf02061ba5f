"""The benchmarks run and report; their figures are not judged here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from ar import GenerateOptions, Item, Text2SemanticConfig, Text2SemanticDecoder, generate
from benchmarks import sampler
from benchmarks.reference import PlainLoop
from benchmarks.sides import compare, markdown
from gpt_sovits.cli import main


def small() -> Text2SemanticDecoder:
    torch.manual_seed(0)
    return Text2SemanticDecoder(Text2SemanticConfig(width=32, heads=2, layers=2, feed_forward=64)).eval()


def test_the_reference_loop_draws_the_same_codes() -> None:
    """What is compared with must itself be right."""
    model = small()
    options = GenerateOptions(top_k=1, max_new_tokens=20, eos_free_steps=20)
    items = [Item(torch.arange(9) + place, None, torch.arange(5)) for place in range(3)]
    loop = PlainLoop(model, items, options)
    columns = list(zip(*(loop.advance() for _ in range(20)), strict=True))
    for item, codes in zip(items, columns, strict=True):
        assert generate(model, item.phones, None, item.prompt, options).tolist() == list(codes)


def test_sides_take_turns() -> None:
    order: list[str] = []
    rows = compare({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 4, "x/s", 2)
    assert order == ["a", "b"] * 3 and rows[0].ratio == 1
    assert markdown(rows).count("\n") == 4


def test_the_command_prints_json_and_writes_a_table(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sampler, "full_size", lambda device: small())
    out = tmp_path / "table.md"
    with pytest.raises(SystemExit) as left:
        main(["bench", "sampler", "--batch", "2", "--new", "4", "--json", "--out", str(out)])
    assert left.value.code == 0
    report = json.loads(capsys.readouterr().out)
    assert report["rows"][0]["what"] == "plain loop, batch 2" and len(report["rows"]) >= 2
    assert all(row["cpu_rate"] > 0 for row in report["rows"])
    assert "| plain loop, batch 2 |" in out.read_text()
