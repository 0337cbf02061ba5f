"""One public weights file to one of ours: the same numbers under our names, its configuration and note kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from ar.convert import from_public as s1_from_public
from ar.convert import public_config as s1_public_config
from ar.model import Text2SemanticDecoder
from gpt_sovits.core.checkpoint import FLOW_KIND, check_fit, save_checkpoint
from gpt_sovits.core.errors import CheckpointError
from gpt_sovits.core.public import Release, read_release
from gpt_sovits.core.skeleton import skeleton
from gpt_sovits.exchange.recognise import Recognised, bare
from sovits.config import DiscriminatorConfig, SynthesizerConfig
from sovits.convert import config_from_public, discriminator_from_public, from_public
from sovits.discriminator import Discriminator
from sovits.model import Synthesizer

PERIODS = {6: (2, 3, 5, 7, 11), 8: (2, 3, 5, 7, 11, 17, 23)}
"""Periods of the public discriminators, by their number; one of them looks at the plain wave."""
NAMES = {"s1": "s1.safetensors", "s2": "s2.safetensors", "s2_discriminator": "s2_discriminator.safetensors"}


def take_in(found: Recognised, folder: Path) -> Path:
    """Write a stage 1, stage 2 or discriminator file as ours.

    The number format stays as it is. Configuration, note and head are kept beside the weights, so that exporting gives
    back what came in.

    Returns:
        The file written.

    Raises:
        CheckpointError: tensors are missing, of other shapes than its configuration says, or not finite.
    """
    release = read_release(found.path)
    target = folder / NAMES[found.stage]
    _WRITERS[found.stage](found, release, target)
    return target


def origin(found: Recognised, release: Release) -> dict[str, Any]:
    """What our file remembers of the public one."""
    values = {
        "file": found.path.name,
        "sha256": found.sha256,
        "family": found.family,
        "symbols": found.symbols,
        "head": found.head,
        "config": release.config,
        "info": release.info,
        "content": found.content,
        "lora_rank": found.rank,
        "parts": list(found.parts),
    }
    return {"public": {name: value for name, value in values.items() if value is not None}}


def _s1(found: Recognised, release: Release, target: Path) -> None:
    tensors = s1_from_public(release.tensors)
    config = s1_public_config(release.model, tensors)
    with skeleton():
        network: nn.Module = Text2SemanticDecoder(config)
    check_fit(network, tensors, str(found.path))
    save_checkpoint(target, "s1", config, tensors, origin(found, release))


def _s2(found: Recognised, release: Release, target: Path) -> None:
    if any(name.startswith("cfm.") for name in release.tensors):
        info = origin(found, release)
        info["public"]["order"] = list(release.tensors)
        save_checkpoint(target, FLOW_KIND, release.config, release.tensors, info)
        return
    tensors = from_public(release.tensors)
    config: SynthesizerConfig = config_from_public(release.model, release.tensors)
    with skeleton():
        network = Synthesizer(config, posterior=any(name.startswith("posterior.") for name in tensors))
    check_fit(network, tensors, str(found.path))
    save_checkpoint(target, "s2", config, tensors, origin(found, release))


def _discriminator(found: Recognised, release: Release, target: Path) -> None:
    tensors = discriminator_from_public(bare(release.tensors))
    count = len({name.split(".")[1] for name in tensors})
    if count not in PERIODS:
        raise CheckpointError(f"{found.path} has {count} discriminators; the public ones have 6 or 8")
    config = DiscriminatorConfig(periods=PERIODS[count])
    with skeleton():
        network = Discriminator(config)
    check_fit(network, tensors, str(found.path))
    save_checkpoint(target, "s2d", config, tensors, origin(found, release))


_WRITERS = {"s1": _s1, "s2": _s2, "s2_discriminator": _discriminator}
