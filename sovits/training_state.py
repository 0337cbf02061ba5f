"""Training checkpoints of the public second stage (`G_….pth`, `D_….pth`) and its pretrained pairs, to go on from."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gpt_sovits.core.checkpoint import load_weights
from gpt_sovits.core.errors import CheckpointError
from gpt_sovits.core.foreign import read_foreign, state_dict
from gpt_sovits.core.foreign.training import OptimizerState, optimizer_state, whole_number
from sovits.convert import discriminator_from_public, from_public

_TEXT = ("enc_p.text_embedding.", "enc_p.encoder_text.", "enc_p.mrte.")
"""What the public generator's optimiser has in groups of its own, in this order, after all the rest."""
_BUFFERS = "quantizer."
_FROZEN = "ssl_proj."
_MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True, slots=True)
class NetworkState:
    """Where the training of one network stands."""

    origin: str
    weights: dict[str, Tensor]
    """Under our names."""
    epochs: int = 0
    """Epochs already finished."""
    moments: dict[str, dict[str, Any]] = field(default_factory=dict)
    """State of AdamW by parameter, under our names; empty where the file holds weights only."""

    def load(self, network: nn.Module) -> None:
        """Give a network the weights.

        Raises:
            CheckpointError: it is of another shape.
        """
        load_weights(network, self.weights, self.origin)

    def restore(self, network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Give the AdamW of `network` what it knew; parameters it does not train are passed over."""
        trained = {id(p) for group in optimizer.param_groups for p in group["params"]}
        for name, parameter in network.named_parameters():
            if name in self.moments and id(parameter) in trained:
                entry = self.moments[name]
                found = {part: entry[part].to(parameter.device, torch.float32, copy=True) for part in _MOMENTS}
                optimizer.state[parameter] = {"step": torch.tensor(float(entry["step"])), **found}


def read_generator_state(path: str | Path) -> NetworkState:
    """Read `G_….pth`, or a pretrained generator (`s2G….pth`), which starts a new training.

    Raises:
        CheckpointError: missing, damaged, of another network, or without the part that only training needs.
    """
    return _read(path, from_public, _generator_order)


def read_discriminator_state(path: str | Path) -> NetworkState:
    """Read `D_….pth`, or pretrained discriminators (`s2D….pth`).

    Raises:
        CheckpointError: missing, damaged or of another network.
    """
    return _read(path, discriminator_from_public, lambda names, stored, origin: list(names))


def find_discriminator(generator: str | Path) -> Path | None:
    """The discriminators that belong to a generator's file, by the public naming, if they lie beside it."""
    path = Path(generator)
    for pattern, replacement in ((r"^G_", "D_"), (r"s2G", "s2D")):
        name = re.sub(pattern, replacement, path.name)
        if name != path.name and path.with_name(name).is_file():
            return path.with_name(name)
    return None


_Order = Callable[[Iterable[str], OptimizerState, str], list[str]]


def _read(path: str | Path, rename: Callable[[dict[str, Tensor]], dict[str, Tensor]], order: _Order) -> NetworkState:
    origin, tree = str(path), read_foreign(path).tree
    public = state_dict(tree, origin)
    if any(name.startswith("cfm.") for name in public):
        raise CheckpointError(f"{origin} is a training of v3 or v4, whose decoder this version does not train")
    weights = rename(public)
    epochs = whole_number(tree, "iteration", origin)
    if tree.get("optimizer") is None:
        return NetworkState(origin, weights, epochs)
    stored = optimizer_state(tree["optimizer"], origin)
    names = order(public, stored, origin)
    moments = _moments(stored, [(name, public[name]) for name in names], origin)
    renamed = dict(zip(rename({name: public[name] for name in names}), moments, strict=True))
    known = {name: entry for name, entry in renamed.items() if entry}
    return NetworkState(origin, weights, epochs, known)


def _generator_order(names: Iterable[str], stored: OptimizerState, origin: str) -> list[str]:
    """Parameters in the order in which the public optimiser numbers them.

    What its training keeps frozen is not among them. A state dict lists parameters in the order of the network.
    """
    parameters = [name for name in names if not name.startswith(_BUFFERS)]
    text = [name for part in _TEXT for name in parameters if name.startswith(part)]
    rest = [name for name in parameters if not name.startswith(_TEXT)]
    if stored.count == len(rest) + len(text):
        return rest + text
    return [name for name in rest if not name.startswith(_FROZEN)] + text


def _moments(stored: OptimizerState, parameters: list[tuple[str, Tensor]], origin: str) -> list[dict[str, Any]]:
    """The state of each parameter, empty where there is none.

    Raises:
        CheckpointError: it does not belong to these parameters.
    """
    if stored.count != len(parameters):
        raise CheckpointError(
            f"{origin} has an optimizer of {stored.count} parameters and a network of {len(parameters)} trained ones: "
            "it is of another version; start from its weights alone"
        )
    numbers = [number for group in stored.groups for number in group]
    found = []
    for number, (name, tensor) in zip(numbers, parameters, strict=True):
        entry = stored.state.get(number, {})
        shapes = [entry[part].shape for part in _MOMENTS if isinstance(entry.get(part), Tensor)]
        if entry and (shapes != [tensor.shape] * 2 or "step" not in entry):
            raise CheckpointError(f"{origin} has an optimizer state that does not fit {name}: it is damaged")
        found.append(entry)
    return found
