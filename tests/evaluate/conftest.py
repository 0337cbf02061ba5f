"""An untrained model, synthetic clips with transcripts, and where the real metric models are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gpt_sovits.evaluate.item import Item, Sound, read_sound
from gpt_sovits.evaluate.sets import read_listing
from gpt_sovits.models import new_model
from tests.cli.conftest import run as run


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_model(tmp_path_factory.mktemp("models") / "debug", "debug", seed=1).folder


@pytest.fixture(scope="session")
def spoken(clips: Path) -> list[Item]:
    """Ten recordings of two synthetic speakers, each with another of the same voice as its reference."""
    return read_listing(clips / "clips.list")


@pytest.fixture(scope="session")
def sounds(spoken: list[Item]) -> dict[str, Sound]:
    return {item.id: read_sound(item.wav) for item in spoken if item.wav is not None}


@pytest.fixture(scope="session")
def metric_models() -> Path:
    """Folder with whisper-base-ct2 and campplus_cn_en_common.pt; only tests marked `metric_models` ask for it."""
    return Path(os.environ["GPT_SOVITS_METRICS"])
