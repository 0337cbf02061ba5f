"""Damaged containers are read or refused in a sentence; nothing else is opened, imported or started meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.core.foreign import fuzz
from tests.core.foreign.watch import watch

CHANGES = st.builds(
    fuzz.Change,
    st.sampled_from(fuzz.KINDS),
    st.floats(0, 1, exclude_max=True),
    st.integers(0, 2**32 - 1),
    st.booleans(),
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fuzz")
    fuzz.prepare(folder)
    return folder / "case.pth"


def test_the_bases_are_good(path: Path) -> None:
    for number, base in enumerate(fuzz.bases()):
        path.write_bytes(base.data)
        outcome, events = watch().read(path)
        assert (outcome == "read" or "holds no weights" in outcome) and events == [], (number, outcome)


@settings(max_examples=1500, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
@given(
    base=st.integers(0, len(fuzz.bases()) - 1),
    other=st.integers(0, len(fuzz.bases()) - 1),
    changes=st.lists(CHANGES, min_size=1, max_size=6),
)
def test_damaged_files(path: Path, base: int, other: int, changes: list[fuzz.Change]) -> None:
    data = fuzz.damaged(fuzz.bases()[base], changes, fuzz.bases()[other].data)
    assert fuzz.fault(path, data) is None
