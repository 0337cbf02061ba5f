"""One small public network per version, read-only."""

from __future__ import annotations

import pytest

from sovits.model import Synthesizer
from tests.sovits.public import VERSIONS, small_model


@pytest.fixture(scope="session", params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    """Each version in turn."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def public_model(version: str) -> Synthesizer:
    """The version's small network; tests that change it take `small_model(version)` instead."""
    return small_model(version)
