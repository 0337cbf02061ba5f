"""Where the metric models are: a folder the user names, else `gpt-sovits/metrics` in the user's cache."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from gpt_sovits.core.errors import CheckpointError

VARIABLE = "GPT_SOVITS_METRICS"
"""Environment variable that the command line reads in place of `--models`."""


def default_folder() -> Path:
    """The folder that is used when none is named."""
    return Path.home() / ".cache" / "gpt-sovits" / "metrics"


def find(names: Sequence[str], folder: Path | None, what: str) -> Path:
    """The first of these files or folders; patterns such as `campplus*.pt` may be given.

    Raises:
        CheckpointError: none is there.
    """
    place = folder or default_folder()
    for name in names:
        found = sorted(place.glob(name)) if place.is_dir() else []
        if found:
            return found[0]
    raise CheckpointError(f"{what} was not found: put {names[0]} into {place}, or name its folder with --models")


def checksum(path: Path) -> str:
    """SHA-256 of a file; of a folder, that of its largest file, which is the weights."""
    if path.is_dir():
        path = max((p for p in path.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
