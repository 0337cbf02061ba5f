"""Making a voice model of public files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from gpt_sovits.core.bundle import (
    MANIFEST,
    SHARED,
    Bundle,
    BundleManifest,
    PartName,
    find_model,
    import_place,
    installed,
    read_model,
)
from gpt_sovits.core.errors import CheckpointError
from gpt_sovits.core.files import write_text
from gpt_sovits.exchange.families import LANGUAGES, SPEAKING
from gpt_sovits.exchange.recognise import Recognised, recognise
from gpt_sovits.exchange.shared import BERT, HUBERT, SPEAKER, building, take_in_shared
from gpt_sovits.exchange.weights import NAMES, take_in

_STAGES = ("s1", "s2", "s2_discriminator")


@dataclass(frozen=True, slots=True)
class Imported:
    """What importing came to."""

    models: tuple[Bundle, ...] = ()
    shared: tuple[Path, ...] = ()
    notes: tuple[str, ...] = field(default_factory=tuple)
    """Sentences about what is still missing, or could not be told."""


def import_files(
    paths: Sequence[str | Path], name: str | None = None, base: str | None = None, place: Path | None = None
) -> Imported:
    """Take in one stage 1 file, one stage 2 file, or both as a voice model; encoders become shared parts.

    Nothing is overwritten, and a failure leaves nothing behind.

    Args:
        name: of the model; None: after the stage 2 file.
        base: the model that gives the stage the files do not hold; None: the imported model of the same family, if any.
        place: folder of models; None: where `gpt-sovits models path` says.

    Raises:
        CheckpointError: a file is no model or damaged, the files do not fit each other, or the name is taken.
    """
    home = place or import_place()
    files = [recognise(path) for path in paths]
    chosen = _by_stage(files)
    encoders = [found for found in files if found.stage not in _STAGES]
    if any(found.container == "ours" for found in files):
        raise CheckpointError("a file of this project is a part already: put its folder beside the other models")
    if name is not None and len(encoders) > 1:
        raise CheckpointError("--name names one part: import the encoders one by one, or leave it out")
    shared = [take_in_shared(found, home, name if not chosen else None) for found in encoders]
    if not chosen:
        return Imported(shared=tuple(path for path, _ in shared))
    bundle, notes = build_model(chosen, name or _name_of(chosen), home, _base(chosen, base))
    if "s2" in chosen and chosen["s2"].lora and bundle.manifest.base is None:
        family = bundle.manifest.family
        notes = (
            *notes,
            f"{chosen['s2'].path} is a LoRA: import the {family} model too, then this file with --base {family}",
        )
    return Imported((bundle,), tuple(path for path, _ in shared), (*notes, *still_missing(bundle)))


def build_model(
    chosen: dict[str, Recognised],
    name: str,
    home: Path,
    base: Bundle | None = None,
    references: dict[PartName, str] | None = None,
) -> tuple[Bundle, tuple[str, ...]]:
    """Write a model of recognised files, whole or not at all.

    Args:
        references: parts that are named rather than written.
    """
    check_name(name)
    manifest = _manifest(chosen, name, base, references or {})
    target = home / name
    with building(target) as folder:
        for found in chosen.values():
            take_in(found, folder)
        values = manifest.model_dump(mode="json", exclude_none=True)
        text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
        write_text(folder / MANIFEST, text)
    return read_model(target), tuple(note for found in chosen.values() for note in found.notes if found.stage == "s2")


def check_name(name: str) -> None:
    """Make sure that a model of this name can be found again.

    Raises:
        CheckpointError: it could be taken for a path or a reference.
    """
    if not re.fullmatch(r"\w[\w .+=-]{0,99}", name) or name == SHARED or name.endswith("."):
        raise CheckpointError(
            f"{name!r} cannot be the name of a model: use letters, digits, - and _, and give it with --name"
        )


def still_missing(bundle: Bundle) -> list[str]:
    """Sentences about what the model needs before it can speak."""
    from gpt_sovits.core.bundle import HOW_TO_ADD

    notes, manifest = [], bundle.manifest
    for stage, what in (("s1", "a GPT .ckpt"), ("s2", "a SoVITS .pth")):
        if getattr(manifest, stage) is None:
            notes.append(
                f"{manifest.name} has no {stage} yet: import it again together with {what}, or with --base NAME"
            )
    if manifest.family not in SPEAKING and manifest.family is not None:
        notes.append(f"{manifest.name} is kept, but v3 and v4 models can not be spoken with yet")
    elif bundle.missing():
        notes.append(f"{manifest.name} still needs {', '.join(bundle.missing())}, {HOW_TO_ADD}")
    return notes


def _by_stage(files: Sequence[Recognised]) -> dict[str, Recognised]:
    chosen: dict[str, Recognised] = {}
    for found in files:
        if found.stage not in _STAGES:
            continue
        if found.stage in chosen:
            raise CheckpointError(
                f"{chosen[found.stage].path} and {found.path} are both {found.stage}: import them as two models"
            )
        chosen[found.stage] = found
    s1, s2 = chosen.get("s1"), chosen.get("s2")
    if s1 and s2 and s1.symbols != s2.symbols:
        raise CheckpointError(
            f"{s1.path} knows the phones of {s1.symbols} and {s2.path} those of {s2.symbols}: they cannot be one model"
        )
    if "s2_discriminator" in chosen and s2 is None:
        raise CheckpointError("discriminators serve a stage 2 in training: import them together with its s2G file")
    return chosen


def _base(chosen: dict[str, Recognised], name: str | None) -> Bundle | None:
    """The model that completes the files."""
    s1, s2 = chosen.get("s1"), chosen.get("s2")
    base: Bundle | None = None
    if name is not None:
        base = find_model(name)
    elif s2 is not None and (s1 is None or s2.lora):
        same = [
            bundle for bundle in installed() if bundle.manifest.family == s2.family and bundle.manifest.base is None
        ]
        base = next((b for b in same if b.manifest.name == s2.family), same[0] if len(same) == 1 else None)
    known = s1 or s2
    if base is not None and known is not None and base.manifest.symbols != known.symbols:
        raise CheckpointError(
            f"{known.path} knows the phones of {known.symbols}, the model {base.manifest.name} those of "
            f"{base.manifest.symbols}: give another --base"
        )
    if s2 is not None and s2.lora and base is not None and base.manifest.family != s2.family:
        raise CheckpointError(
            f"{s2.path} is a LoRA over {s2.family}, but {base.manifest.name} is {base.manifest.family}: "
            "give another --base"
        )
    return base


def _manifest(
    chosen: dict[str, Recognised], name: str, base: Bundle | None, references: dict[PartName, str]
) -> BundleManifest:
    s1, s2 = chosen.get("s1"), chosen.get("s2")
    known = s2 or s1
    assert known is not None
    family = known.family if s2 is not None else base.manifest.family if base is not None else None
    symbols = known.symbols or "v2"
    values: dict[str, object] = {
        "name": name,
        "symbols": symbols,
        "languages": LANGUAGES[symbols],
        "hubert": f"shared:{HUBERT}",
        "bert": f"shared:{BERT}",
        "speaker": f"shared:{SPEAKER}" if family in ("v2Pro", "v2ProPlus") else None,
        "family": family,
        "base": base.manifest.name if base is not None and s2 is not None and s2.lora else None,
        "front_end": "public",
        "source": "imported from " + ", ".join(found.path.name for found in chosen.values()),
    }
    for stage in ("s1", "s2"):
        if stage in chosen:
            values[stage] = NAMES[stage]
        elif base is not None:
            values[stage] = _reference(base, stage)  # type: ignore[arg-type]
    return BundleManifest.model_validate({**values, **references})


def _reference(base: Bundle, part: PartName) -> str | None:
    """How another model names a part of `base`."""
    known: str | None = getattr(base.manifest, part)
    if known is None or known.startswith(("shared:", "model:")):
        return known
    return f"model:{base.manifest.name}"


def _name_of(chosen: dict[str, Recognised]) -> str:
    """The experiment's name, without epochs and steps."""
    found = chosen.get("s2") or chosen["s1"]
    name = re.sub(r"([_-]e\d+)?(_s\d+)?(_l\d+)?$", "", found.path.stem)
    return re.sub(r"[^\w .+=-]", "_", name).lstrip("_ .+=-")[:100] or "model"
