"""Where the files that travel with the code are: `configs/`, `res/`, `pretrained_models/`.

In a checkout they stand beside the packages; a wheel carries them inside `gpt_sovits/_data`.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def resource_root() -> Path:
    """The folder that holds `configs`, `res` and `pretrained_models`."""
    bundled = _PACKAGE / "_data"
    return bundled if bundled.is_dir() else _PACKAGE.parent


def resource(*parts: str) -> Path:
    """Path of a shipped file or folder, existing or not."""
    return resource_root().joinpath(*parts)
