"""Changing the voice of loaded networks by the small adapters of other voices."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from gpt_sovits.core.bundle import PartName, find_model
from gpt_sovits.core.errors import CheckpointError
from gpt_sovits.core.lora import Stage
from gpt_sovits.pipeline.parts import Parts, adapt, fingerprint

WHOLE: tuple[PartName, ...] = ("hubert", "s1", "s2", "bert", "speaker")


def switch_voice(parts: Parts, voice: str | Path) -> Parts:
    """The same networks with the adapters of another voice over the same weights, or of the plain model.

    Raises:
        CheckpointError: the voice has weights of its own, or an adapter that does not fit; what was loaded stays.
    """
    bundle = find_model(voice)
    files = tuple(path for part in WHOLE if (path := bundle.part(part)) is not None)
    strange = [path for path in files if not any(path.samefile(known) for known in parts.files)]
    if strange or len(files) != len(parts.files):
        told = f" such as {strange[0]}" if strange else ""
        raise CheckpointError(
            f"{bundle.manifest.name} is not over the weights of {parts.name} that are loaded: it has others{told}; "
            "load it by itself"
        )
    adapters: dict[Stage, Path | None] = {"s1": bundle.part("s1_adapter"), "s2": bundle.part("s2_adapter")}
    adapt(parts, adapters)
    manifest = bundle.manifest
    return dataclasses.replace(
        parts,
        name=manifest.name,
        languages=manifest.languages,
        prompt_silence=manifest.prompt_silence,
        prompts=manifest.prompts,
        sampling=manifest.sampling,
        fingerprint=fingerprint(manifest, [*files, *(path for path in adapters.values() if path is not None)]),
    )
