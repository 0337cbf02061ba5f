"""Atomic writing, also on a disk that is full."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gpt_sovits.core.errors import StorageError
from gpt_sovits.core.files import atomic_path, write_text

FULL_DISK = """
import resource, sys
from pathlib import Path

import torch

from feature_extractor.audio import save_audio
from gpt_sovits.core.checkpoint import save_checkpoint
from gpt_sovits.core.errors import StorageError
from gpt_sovits.core.files import write_text
from gpt_sovits.core.store import write_tensor

resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
path = Path(sys.argv[1])
for write in (
    lambda: write_text(path, "x" * 200000),
    lambda: write_tensor(path, torch.zeros(50000)),
    lambda: save_checkpoint(path, "s1", {}, {"a": torch.zeros(50000)}),
    lambda: save_audio(path, torch.zeros(100000), 32000),
):
    try:
        write()
    except StorageError as error:
        print(error)
"""
KILLED = """
import os, signal, sys
from pathlib import Path

from gpt_sovits.core.files import atomic_path

with atomic_path(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def run(script: str, path: Path) -> subprocess.CompletedProcess[str]:
    """Run `script` on `path` in a process of its own."""
    return subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=False)


def listed(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_a_new_file_appears_whole_with_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c.txt"
    write_text(path, "中文\n")
    assert path.read_text(encoding="utf8") == "中文\n"
    assert path.stat().st_mode & 0o777 == 0o644
    assert listed(path.parent) == ["c.txt"]


def test_an_error_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(ZeroDivisionError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "old" and listed(tmp_path) == ["a.txt"]


def test_nothing_is_visible_before_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with atomic_path(path) as temporary:
        temporary.write_text("new")
        assert not path.exists() and temporary.parent == tmp_path
    assert path.read_text() == "new"


@pytest.mark.parametrize("name", ["长" * 80 + ".pt", "n" * 250 + ".pt"])
def test_the_longest_names_work(tmp_path: Path, name: str) -> None:
    write_text(tmp_path / name, "x")
    assert listed(tmp_path) == [name]


def test_a_full_disk_is_one_sentence_and_keeps_the_old_file(tmp_path: Path) -> None:
    """A limit on the size of files stands for the full disk; it fails at the same place with the same kind of error."""
    path = tmp_path / "result.wav"
    path.write_text("old")
    done = run(FULL_DISK, path)
    assert done.stdout == f"cannot write {path}: File too large\n" * 4, done.stderr
    assert path.read_text() == "old" and listed(tmp_path) == ["result.wav"]


def test_a_killed_writer_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    assert run(KILLED, path).returncode == -signal.SIGKILL
    assert path.read_text() == "old"


def test_a_place_that_is_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(StorageError, match=r"cannot write .*taken"):
        write_text(tmp_path / "taken" / "a.txt", "x")


def test_a_folder_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt" / "b").mkdir(parents=True)
    with pytest.raises(StorageError, match=r"cannot write .*a\.txt"):
        write_text(tmp_path / "a.txt", "x")
    assert listed(tmp_path) == ["a.txt"]
