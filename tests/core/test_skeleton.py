"""Networks made without drawing initial values."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from gpt_sovits.core.config import load_config
from gpt_sovits.core.skeleton import skeleton
from sovits.config import SynthesizerConfig
from sovits.model import Synthesizer


def test_nothing_is_drawn() -> None:
    before = torch.get_rng_state()
    with skeleton():
        nn.Linear(64, 64)
        nn.Embedding(64, 64)
        nn.MultiheadAttention(64, 2)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("config", ["model/tiny", "debug/s2"])
def test_what_lies_in_memory_does_not_matter(config: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An initialiser that draws until its values please it would never return."""
    values, plain = load_config(SynthesizerConfig, config), torch.empty
    monkeypatch.setattr(torch, "empty", lambda *size, **options: plain(*size, **options).fill_(9.0))
    with skeleton():
        Synthesizer(values)


def test_no_room_uses_an_initialiser_that_draws_until_it_fits(repository: Path) -> None:
    for room in ("ar", "sovits", "feature_extractor", "gpt_sovits"):
        for path in (repository / room).rglob("*.py"):
            assert not re.search(r"\btrunc_normal_\(", path.read_text(encoding="utf8")), path
