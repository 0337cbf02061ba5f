"""Training checkpoints of the public first stage, so that a training begun there goes on here, optimiser included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ar.convert import from_public
from ar.model import Text2SemanticDecoder
from ar.optim import SIZE_PERIOD, ScaledAdam
from gpt_sovits.core.checkpoint import load_weights
from gpt_sovits.core.errors import CheckpointError
from gpt_sovits.core.foreign import read_foreign, state_dict
from gpt_sovits.core.foreign.training import OptimizerState, optimizer_state, whole_number

_HISTORY = ("norms", "threshold")
"""What the optimiser knows of the gradients of all parameters together."""


@dataclass(frozen=True, slots=True)
class TrainingState:
    """Where a training of the first stage stands."""

    origin: str
    weights: dict[str, Tensor]
    """Under our names."""
    steps: int
    """Optimiser steps already taken."""
    epochs: int
    moments: dict[str, dict[str, Any]] = field(default_factory=dict)
    """State of `ScaledAdam` by parameter; empty where the file holds weights only."""

    def load(self, model: Text2SemanticDecoder) -> None:
        """Give a model the weights.

        Raises:
            CheckpointError: it is of another shape.
        """
        load_weights(model, self.weights, self.origin)

    def restore(self, model: Text2SemanticDecoder, optimizer: torch.optim.Optimizer) -> None:
        """Give the optimiser of `model` what it knew.

        Raises:
            CheckpointError: it is another optimiser.
        """
        if not self.moments:
            return
        if not isinstance(optimizer, ScaledAdam):
            raise CheckpointError(
                f"{self.origin} holds the state of a ScaledAdam, but the recipe asks for {type(optimizer).__name__}: "
                "use optimizer.kind=scaled_adam, or start from the weights alone"
            )
        entries = [(p, _like(self.moments[n], p)) for n, p in model.named_parameters() if n in self.moments]
        history: dict[str, Any] = {}
        for parameter, entry in entries:
            optimizer.state[parameter] = entry
            history.update({part: entry.pop(part) for part in _HISTORY if part in entry})
        period, known = optimizer.clipping_update_period, len(history.get("norms", ()))
        if (known != period and self.steps > 1) or (self.steps > period and "threshold" not in history):
            raise CheckpointError(
                f"{self.origin} remembers {known} gradients, but the recipe asks for {period}: set "
                f"optimizer.clipping_update_period={known or period}, or start from the weights alone"
            )
        entries[0][1].update(history)  # ours keeps it under its first parameter


def read_training_state(path: str | Path) -> TrainingState:
    """Read a Lightning checkpoint `epoch=…-step=….ckpt`, or a file of weights, from which a new training starts.

    Raises:
        CheckpointError: missing, damaged, of another model, or with an optimiser that is not the public one.
    """
    origin, tree = str(path), read_foreign(path).tree
    public = state_dict(tree, origin)
    weights = from_public(public)
    if not isinstance(tree, Mapping) or "optimizer_states" not in tree:
        return TrainingState(origin, weights, 0, 0)
    states = tree["optimizer_states"]
    if not isinstance(states, list) or len(states) != 1:
        raise CheckpointError(f"{origin} holds {len(states)} optimizers; the first stage is trained with one")
    moments = _unstack(optimizer_state(states[0], origin), list(weights.items()), origin)
    steps = max((entry["step"] for entry in moments.values()), default=0)
    return TrainingState(origin, weights, steps, whole_number(tree, "epoch", origin), moments)


def _unstack(stored: OptimizerState, parameters: list[tuple[str, Tensor]], origin: str) -> dict[str, dict[str, Any]]:
    """State by parameter from the public optimiser's.

    That one joins parameters of equal shape to one tensor; what it knows of all of them is filed under the first.
    """
    if stored.count != len(parameters):
        raise CheckpointError(
            f"{origin} has an optimizer of {stored.count} parameters and a model of {len(parameters)}: it is damaged"
        )
    stacks: dict[tuple[int, ...], list[int]] = {}
    for number, (_, tensor) in enumerate(parameters):
        stacks.setdefault(tuple(tensor.shape), []).append(number)
    found: dict[str, dict[str, Any]] = {}
    for shape, members in stacks.items():
        entry = stored.state.get(members[0])
        if entry is None:
            continue
        for row, number in enumerate(members):
            found[parameters[number][0]] = _row(entry, row, len(members), shape, origin)
        first = found[parameters[members[0]][0]]
        if isinstance(entry.get("model_norms"), Tensor):
            first["norms"] = entry["model_norms"].float().flatten().clone()
            if isinstance(entry.get("model_norm_threshold"), (int, float)):
                first["threshold"] = float(entry["model_norm_threshold"])
    return found


def _row(entry: dict[str, Any], row: int, count: int, shape: tuple[int, ...], origin: str) -> dict[str, Any]:
    """What is known of one of `count` parameters joined to one."""
    try:
        made: dict[str, Any] = {"step": int(entry["step"])}
        for ours, theirs in (("delta", "delta"), ("square", "exp_avg_sq")):
            made[ours] = entry[theirs].reshape(count, *shape)[row].float().clone()
        if made["delta"].numel() > 1:
            for ours, theirs in (("size", "param_rms"), ("size_square", "scale_exp_avg_sq")):
                made[ours] = entry[theirs].reshape(count)[row].float().clone()
            made["size_grads"] = entry["scale_grads"].reshape(SIZE_PERIOD, count)[:, row].float().clone()
    except (KeyError, RuntimeError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(
            f"{origin} holds another optimizer's state than the public ScaledAdam's ({error}): start from the weights "
            "alone"
        ) from error
    return made


def _like(entry: dict[str, Any], parameter: Tensor) -> dict[str, Any]:
    """A copy of an optimiser's entry, on the parameter's device."""
    return {
        name: value.to(parameter.device, torch.float32, copy=True) if isinstance(value, Tensor) else value
        for name, value in entry.items()
    }
