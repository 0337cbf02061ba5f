"""Sources of ours, compiled once."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpt_sovits.core import compiled
from gpt_sovits.core.compiled import library


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "seven.c"
    path.write_text("int seven(void) { return 7; }\n")
    return path


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Path]:
    """What is built, into a cache of its own."""
    made: list[Path] = []
    plain = compiled._build

    def counted(program: str, source: Path, target: Path) -> bool:
        made.append(target)
        return plain(program, source, target)

    monkeypatch.setattr(compiled, "_build", counted)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    compiled._own_folder.cache_clear()
    return made


def test_what_is_built_is_found_again(source: Path, builds: list[Path]) -> None:
    for _ in range(2):
        built = library(source)
        assert built is not None and built.seven() == 7
    assert len(builds) == 1 and builds[0].is_relative_to(source.parent / "cache")
    source.write_text("int seven(void) { return 3 + 4 + 0; }\n")
    assert library(source) is not None and len(builds) == 2


def test_where_the_cache_cannot_be_written_a_process_builds_once(source: Path, builds: list[Path]) -> None:
    """A file stands where the folder should be."""
    (source.parent / "cache").write_text("")
    for _ in range(2):
        built = library(source)
        assert built is not None and built.seven() == 7
    assert len(builds) == 1 and not builds[0].is_relative_to(source.parent)


def test_a_folder_that_others_can_write_to_is_not_trusted(source: Path, builds: list[Path]) -> None:
    folder = source.parent / "cache" / "gpt-sovits" / "kernels"
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    assert library(source) is not None
    assert not list(folder.iterdir()) and len(builds) == 1
