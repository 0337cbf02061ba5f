"""The `pretrained_models` folder of the public GPT-SoVITS, taken in as it is."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from gpt_sovits.core.bundle import Bundle, PartName, import_place, read_model
from gpt_sovits.core.checkpoint import load_checkpoint
from gpt_sovits.core.errors import CheckpointError
from gpt_sovits.core.foreign.folder import WEIGHTS, cache_of
from gpt_sovits.exchange.importing import Imported, build_model, check_name, still_missing
from gpt_sovits.exchange.recognise import Recognised, recognise
from gpt_sovits.exchange.shared import take_in_polyphones, take_in_shared
from gpt_sovits.exchange.weights import NAMES, take_in

_SUFFIXES = {".pth", ".ckpt", ".pt", ".bin", ".safetensors"}


def import_pretrained(
    folder: str | Path, place: Path | None = None, report: Callable[[str], None] = lambda line: None
) -> Imported:
    """Take in every model, encoder and vocoder of a folder; what is there already stays.

    A stage 2 file becomes a model named after its family. Its stage 1 is the one beside it, else the one in the nearest
    folder above it with the same phone table, as the public project pairs them.

    Args:
        report: is told one line for every file.

    Raises:
        CheckpointError: there is no model in the folder, or a file with a model's name is damaged.
    """
    root, home = Path(folder), place or import_place()
    if not root.is_dir():
        raise CheckpointError(f"{root} is not a folder: name the public pretrained_models folder")
    files, notes, shared = [], [], []
    for path in _candidates(root):
        if (path / "g2pW.onnx").is_file():
            shared.append(take_in_polyphones(path, home)[0])
            report(f"{path.relative_to(root)}: {shared[-1].name}")
            continue
        try:
            _check_place(path, root)
            found = recognise(path)
        except CheckpointError as error:
            notes.append(f"left out: {error}")
            continue
        if found.stage in NAMES:
            files.append(found)
        elif found.container != "ours":
            shared.append(take_in_shared(found, home)[0])
            report(f"{path.relative_to(root)}: shared part {shared[-1].stem}")
    models = _models(root, files, home, report)
    if not models and not shared:
        raise CheckpointError(f"{root} holds no model of GPT-SoVITS: name the public pretrained_models folder")
    missing = [note for bundle in models for note in still_missing(bundle)]
    return Imported(tuple(models), tuple(shared), (*notes, *missing))


def _candidates(root: Path) -> Iterator[Path]:
    """Hugging Face folders and files that could be weights, in a fixed order."""
    for base, folders, names in os.walk(root):
        folders.sort()
        here = Path(base)
        if ("config.json" in names and any(name in names for name in WEIGHTS)) or "g2pW.onnx" in names:
            folders.clear()
            yield here
            continue
        yield from (here / name for name in sorted(names) if Path(name).suffix in _SUFFIXES)


def _check_place(path: Path, root: Path) -> None:
    """Make sure that a link leads to a file of the folder itself, or of the cache that it was downloaded to.

    Raises:
        CheckpointError: it leads elsewhere.
    """
    real, home = path.resolve(), root.resolve()
    if home not in (real, *real.parents) and real.parent != cache_of(path.parent.resolve()):
        raise CheckpointError(f"{path} is a link that leads out of its folder, to {real}: put the file itself there")


def _models(root: Path, files: list[Recognised], home: Path, report: Callable[[str], None]) -> list[Bundle]:
    stages_1 = [found for found in files if found.stage == "s1"]
    models: list[Bundle] = []
    for found in (found for found in files if found.stage == "s2"):
        taken = {bundle.manifest.name for bundle in models}
        name = found.family if found.family and found.family not in taken else found.path.stem
        check_name(name)
        if (home / name).exists():
            models.append(read_model(home / name))
            report(f"{found.path.relative_to(root)}: the model {name} is there already")
            continue
        first = nearest(found, stages_1)
        chosen = {"s2": found}
        judges = _discriminator_of(found, files)
        if judges is not None:
            chosen["s2_discriminator"] = judges
        references: dict[PartName, str] = {"s1": f"shared:{_stage_1(first, home)}"} if first is not None else {}
        models.append(build_model(chosen, name, home, references=references)[0])
        report(f"{found.path.relative_to(root)}: model {name}")
    return models


def nearest(found: Recognised, stages_1: list[Recognised]) -> Recognised | None:
    """The stage 1 of the same phone table in the closest folder at or above the stage 2 file's."""
    fitting = [other for other in stages_1 if other.symbols == found.symbols]
    for folder in found.path.parents:
        beside = sorted((other for other in fitting if other.path.parent == folder), key=lambda other: other.path.name)
        if beside:
            return beside[0]
    return None


def _discriminator_of(found: Recognised, files: list[Recognised]) -> Recognised | None:
    """The public project names the two files alike: s2G… and s2D…"""
    wanted = found.path.with_name(found.path.name.replace("s2G", "s2D"))
    return next((f for f in files if f.stage == "s2_discriminator" and f.path == wanted), None)


def _stage_1(found: Recognised, home: Path) -> str:
    """Store a stage 1 that several models use; its shared name."""
    stem = found.path.stem
    name = stem if re.fullmatch(r"\w{1,24}", stem) else f"s1-{found.symbols}-{found.sha256[:8]}"
    target = home / "shared" / f"{name}.safetensors"
    if target.exists():
        if load_checkpoint(target, "s1").info.get("public", {}).get("sha256") != found.sha256:
            raise CheckpointError(f"{target} is of another file than {found.path}: remove it first, or rename the file")
        return name
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".") as folder:
        take_in(found, Path(folder)).replace(target)
    return name
