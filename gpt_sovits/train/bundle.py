"""Making the folder a training writes to a voice model of its own."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Literal

import yaml

from gpt_sovits.core.bundle import MANIFEST, PARTS, Bundle, BundleManifest, PartName, find_model, read_model
from gpt_sovits.core.errors import CheckpointError, StorageError
from gpt_sovits.core.files import write_text
from gpt_sovits.core.lora import Adapter, save_adapter


def install_part(out: Path, source: Bundle, part: Literal["s1", "s2"]) -> Bundle:
    """Complete `out`, which holds `<part>.safetensors`, with the other parts of `source`.

    A stage trained into `out` before stays; whatever else `source` has is linked, or copied where links cannot be.

    Raises:
        StorageError: the folder cannot be written.
    """
    known = find_model(out) if (out / MANIFEST).is_file() else source
    # Weights of a stage that was an adapter so far hold what it had learned.
    names: dict[str, str | None] = {part: f"{part}.safetensors", f"{part}_adapter": None}
    for other in (name for name in PARTS if name not in names):
        home = known if getattr(known.manifest, other) is not None or other.endswith("_adapter") else source
        path = home.part(other)
        if path is not None:
            names[other] = _bring(path, out)
    _write(out, known.manifest, names, f"{part} trained from {source.manifest.name}")
    return find_model(out)


def install_adapter(
    out: Path, source: Bundle, stage: Literal["s1", "s2"], adapter: Adapter, info: dict[str, object]
) -> Path:
    """Write an adapter into `out` and make that a voice model over `source`, whose weights it then refers to.

    A stage trained into `out` before stays.

    Raises:
        StorageError: the folder cannot be written.
    """
    path = out / f"{stage}_adapter.safetensors"
    save_adapter(path, stage, adapter, info)
    known = read_model(out) if (out / MANIFEST).is_file() else None
    names: dict[str, str | None] = {part: refer(source, part, out) for part in PARTS}
    if known is not None:
        mine = {part: getattr(known.manifest, part) for part in PARTS if part not in (stage, f"{stage}_adapter")}
        names.update({part: name for part, name in mine.items() if name is not None or part.endswith("_adapter")})
    names[f"{stage}_adapter"] = path.name
    base = source.manifest if known is None else known.manifest
    _write(out, base, names, f"an adapter of {stage} trained from {source.manifest.name}")
    return path


def name_part(bundle: Bundle, part: PartName, file: str) -> None:
    """Enter a part, which lies in the model's folder, into its manifest."""
    values = bundle.manifest.model_copy(update={part: file}).model_dump(mode="json", exclude_none=True)
    write_text(bundle.folder / MANIFEST, yaml.safe_dump(values, sort_keys=False, allow_unicode=True))


def refer(source: Bundle, part: PartName, out: Path) -> str | None:
    """How the model in `out` names a part of `source` without a copy of it."""
    name: str | None = getattr(source.manifest, part)
    if name is None or name.startswith(("shared:", "model:")) or source.folder.resolve() == out.resolve():
        return name
    try:
        by_name = find_model(source.folder.name).folder.samefile(source.folder)
    except CheckpointError:
        by_name = False
    return f"model:{source.folder.name if by_name else source.folder.resolve()}"


def _write(out: Path, manifest: BundleManifest, names: dict[str, str | None], told: str) -> None:
    changed = manifest.model_copy(update={**names, "name": out.resolve().name, "source": told})
    values = changed.model_dump(mode="json", exclude_none=True)
    write_text(out / MANIFEST, yaml.safe_dump(values, sort_keys=False, allow_unicode=True))


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
