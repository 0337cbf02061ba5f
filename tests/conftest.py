"""What every test shares: one torch thread (the suite runs in parallel processes) and the repository's paths."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

REPOSITORY = Path(__file__).resolve().parents[1]


def pytest_configure(config: pytest.Config) -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def clips() -> Path:
    """Folder with ten short synthetic clips and `clips.list`."""
    return REPOSITORY / "tests" / "data" / "clips"
