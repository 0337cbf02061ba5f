"""Making the folder a training writes to a voice model of its own."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Literal

import yaml

from gpt_sovits.core.bundle import MANIFEST, Bundle, find_model
from gpt_sovits.core.errors import StorageError
from gpt_sovits.core.files import write_text


def install_part(out: Path, source: Bundle, part: Literal["s1", "s2"]) -> Bundle:
    """Complete `out`, which holds `<part>.safetensors`, with the other parts of `source`.

    A stage trained into `out` before stays; whatever else `source` has is linked, or copied where links cannot be.

    Raises:
        StorageError: the folder cannot be written.
    """
    known = find_model(out) if (out / MANIFEST).is_file() else source
    names: dict[str, str] = {part: f"{part}.safetensors"}
    for other in ("hubert", "s1", "s2", "bert", "speaker"):
        home = known if getattr(known.manifest, other) is not None else source
        path = home.part(other) if other != part else None
        if path is not None:
            names[other] = _bring(path, out)
    manifest = known.manifest.model_copy(
        update={**names, "name": out.resolve().name, "source": f"{part} trained from {source.manifest.name}"}
    )
    values = manifest.model_dump(mode="json", exclude_none=True)
    write_text(out / MANIFEST, yaml.safe_dump(values, sort_keys=False, allow_unicode=True))
    return find_model(out)


def _bring(path: Path, out: Path) -> str:
    """Have `path` in `out`, whole or not at all; its name there."""
    target = out / path.name
    if target.exists():
        return target.name
    temporary = out / f".{path.name}.part"
    try:
        if path.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
            shutil.copytree(path, temporary, copy_function=_link_or_copy)
        else:
            temporary.unlink(missing_ok=True)
            _link_or_copy(str(path), str(temporary))
        temporary.replace(target)
    except OSError as error:
        raise StorageError(f"cannot copy {path} to {target}: {error.strerror or error}") from error
    return target.name


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
