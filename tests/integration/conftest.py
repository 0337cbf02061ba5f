"""One debug-size model and one prepared folder, shared by the tests of the whole way."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpt_sovits.models import new_model
from prep.run import prepare


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model of debug size."""
    return new_model(tmp_path_factory.mktemp("model") / "debug", "debug", seed=0).folder


@pytest.fixture(scope="session")
def experiment(tmp_path_factory: pytest.TempPathFactory, clips: Path, model: Path) -> Path:
    """The ten clips, prepared without interruption."""
    folder = tmp_path_factory.mktemp("experiment") / "two_voices"
    report = prepare(clips / "clips.list", folder, model)
    assert report.failures == []
    return folder
