"""One small model for all preparation tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.prep.material import make_model


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model without BERT and without speaker branch."""
    return make_model(tmp_path_factory.mktemp("models") / "plain")


@pytest.fixture(scope="session")
def full_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with both."""
    return make_model(tmp_path_factory.mktemp("models") / "full", speaker=True, bert=True)
