"""Beginning a run where a training in the public project stopped, or from its pretrained files."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from torch import nn

from ar.model import Text2SemanticDecoder
from ar.training_state import TrainingState, read_training_state
from gpt_sovits.core.errors import CheckpointError, ConfigError
from gpt_sovits.core.tuning import Tuning
from sovits.training_state import (
    NetworkState,
    find_discriminator,
    read_discriminator_state,
    read_generator_state,
)

logger = logging.getLogger(__name__)


def check_begin(files: Sequence[str | Path], tuning: Tuning) -> None:
    """A training of the public project goes on with the whole network, as it was begun.

    Raises:
        ConfigError: the recipe trains parts of it, or adapters.
    """
    if files and (tuning.freeze or tuning.rates or tuning.lora):
        raise ConfigError(
            "a training of the public project goes on with its optimizer of the whole network: leave out freeze, rates "
            "and lora, or import its files as a model and start from that"
        )


def begin_s1(files: Sequence[str | Path], network: Text2SemanticDecoder) -> TrainingState | None:
    """Give the network what a Lightning checkpoint or a weights file holds; None where no file is given.

    Raises:
        CheckpointError: more than one file, a damaged one, or one of another model.
    """
    if not files:
        return None
    if len(files) > 1:
        raise CheckpointError(f"the first stage goes on from one file; {len(files)} were given: {files[1]} is too many")
    state = read_training_state(files[0])
    state.load(network)
    logger.info("%s", _told(state.origin, f"after {state.steps} steps", bool(state.moments)))
    return state


def begin_s2(files: Sequence[str | Path], network: nn.Module, judges: nn.Module) -> tuple[NetworkState, ...]:
    """Give generator and discriminators what `G_….pth` and `D_….pth`, or a pretrained pair, hold.

    Args:
        files: the generator's, and the discriminators' unless they lie beside it under their public name; without them
            the discriminators stay as they are.

    Raises:
        CheckpointError: more than two files, a damaged one, or one of another model.
    """
    if not files:
        return ()
    if len(files) > 2:
        raise CheckpointError(
            f"the second stage goes on from a G and a D file; {len(files)} were given: leave some out"
        )
    generator = read_generator_state(files[0])
    if not any(name.startswith("posterior.") for name in generator.weights):
        raise CheckpointError(
            f"{generator.origin} was exported for speaking only and lacks the posterior encoder that training needs: "
            "use a G_….pth or s2G….pth file"
        )
    generator.load(network)
    logger.info("%s", _told(generator.origin, f"after {generator.epochs} epochs", bool(generator.moments)))
    path = files[1] if len(files) == 2 else find_discriminator(files[0])
    if path is None:
        logger.warning("no discriminators lie beside %s: give the D file as well, or training begins harder", files[0])
        return (generator,)
    discriminator = read_discriminator_state(path)
    discriminator.load(judges)
    logger.info("%s", _told(discriminator.origin, f"after {discriminator.epochs} epochs", bool(discriminator.moments)))
    return generator, discriminator


def _told(origin: str, place: str, optimizer: bool) -> str:
    return (
        f"going on from {origin} {place}, optimizer included" if optimizer else f"starting from the weights in {origin}"
    )
