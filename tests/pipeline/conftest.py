"""An untrained debug model and two voices."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpt_sovits.models import new_model
from gpt_sovits.pipeline import TTS


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_model(tmp_path_factory.mktemp("models") / "debug", "debug", seed=1).folder


@pytest.fixture
def tts(model_folder: Path) -> TTS:
    return TTS(model_folder, "cpu")


@pytest.fixture(scope="session")
def ada(clips: Path) -> Path:
    return clips / "ada_zh_1.ogg"


@pytest.fixture(scope="session")
def ben(clips: Path) -> Path:
    return clips / "ben_en_1.ogg"
