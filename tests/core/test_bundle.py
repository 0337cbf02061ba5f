"""Voice models as folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpt_sovits.core.bundle import find_model
from gpt_sovits.core.errors import CheckpointError, ConfigError

MANIFEST = "name: small\nlanguages: [en]\nhubert: hubert.safetensors\ns1: s1.safetensors\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model.yaml").write_text(MANIFEST)
    (tmp_path / "hubert.safetensors").touch()
    return tmp_path


def test_a_folder_is_a_model(folder: Path) -> None:
    bundle = find_model(folder)
    assert (bundle.manifest.name, bundle.manifest.languages, bundle.manifest.symbols) == ("small", ("en",), "v2")
    assert bundle.need("hubert") == folder / "hubert.safetensors"
    assert find_model(str(folder)) == bundle


def test_absent_parts(folder: Path) -> None:
    bundle = find_model(folder)
    assert bundle.part("bert") is None
    with pytest.raises(CheckpointError, match=r"small .*has no s2 part"):
        bundle.need("s2")
    with pytest.raises(CheckpointError, match=r"names s1: .*s1\.safetensors, which does not exist"):
        bundle.part("s1")


def test_an_unknown_model_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no model .*give a folder with model\.yaml, or one of: "):
        find_model(tmp_path / "absent")


def test_a_typo_in_the_manifest_is_an_error(folder: Path) -> None:
    (folder / "model.yaml").write_text(MANIFEST + "speeker: x\n")
    with pytest.raises(ConfigError, match="speeker"):
        find_model(folder)
