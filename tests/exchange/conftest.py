"""A model place of its own for every test, and small public files made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.exchange import public_files


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place for models."""
    monkeypatch.setenv("GPT_SOVITS_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "models"


@pytest.fixture(scope="session")
def public(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a GPT and a SoVITS file of v2, and one of v1."""
    folder = tmp_path_factory.mktemp("public")
    public_files.write_s1(folder / "voice-e15.ckpt")
    public_files.write_s2(folder / "voice_e8_s120.pth")
    public_files.write_s2(folder / "old_e8_s96.pth", "s2G_v1_small", plain=True)
    return folder
