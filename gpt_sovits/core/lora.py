"""Adapters: small files that change a network's layers, on the disk and in a network that speaks.

A layer's change is B A times the scale. Names are those of peft: `<layer>.lora_A.weight`, `<layer>.lora_B.weight`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from gpt_sovits.core.checkpoint import load_checkpoint, save_checkpoint
from gpt_sovits.core.config import parse_config
from gpt_sovits.core.errors import CheckpointError
from gpt_sovits.core.tuning import LoraConfig

DOWN, UP = ".lora_A.weight", ".lora_B.weight"
Stage = Literal["s1", "s2"]


@dataclass(frozen=True, slots=True)
class Adapter:
    """One adapter in memory."""

    origin: str
    config: LoraConfig
    down: Mapping[str, Tensor]
    """[r, in] or [r, in, kernel], by layer."""
    up: Mapping[str, Tensor]
    """[out, r] or [out, r, 1]."""

    def change(self, layer: str) -> Tensor:
        """What is added to the weight of a layer, in full precision; convolutions as [out, in * kernel]."""
        return self.up[layer].float().flatten(1) @ self.down[layer].float().flatten(1) * self.config.scale


def save_adapter(path: Path, stage: Stage, adapter: Adapter, info: dict[str, Any]) -> None:
    """Write an adapter in half precision."""
    tensors = {name + DOWN: tensor for name, tensor in adapter.down.items()}
    tensors.update({name + UP: tensor for name, tensor in adapter.up.items()})
    save_checkpoint(path, f"{stage}_lora", adapter.config, tensors, info, torch.float16)


def load_adapter(path: Path, stage: Stage) -> Adapter:
    """Read an adapter of a stage.

    Raises:
        CheckpointError: missing, damaged, of the other stage, or incomplete.
    """
    file = load_checkpoint(path, f"{stage}_lora")
    down = {name.removesuffix(DOWN): tensor for name, tensor in file.tensors.items() if name.endswith(DOWN)}
    up = {name.removesuffix(UP): tensor for name, tensor in file.tensors.items() if name.endswith(UP)}
    if not down or down.keys() != up.keys() or len(file.tensors) != len(down) + len(up):
        raise CheckpointError(f"{path} is not a whole adapter: some layers have one half only")
    return Adapter(str(path), parse_config(LoraConfig, file.config, str(path)), down, up)


def merge_adapter(network: nn.Module, adapter: Adapter) -> None:
    """Add an adapter to the weights for good."""
    for name, weight in _changed(network, adapter).items():
        _write(network.get_submodule(name), weight)


class Switch:
    """A network whose adapter can be changed while it is loaded.

    Weights are changed where they are, so that what holds their addresses goes on. The plain weights of the layers that
    ever had an adapter are kept: taking one off gives them back bit for bit.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self.plain: dict[str, Tensor] = {}

    def use(self, adapter: Adapter | None) -> None:
        """Put an adapter in the place of the present one; None: the plain network.

        Raises:
            CheckpointError: it does not fit; the network is then plain.
        """
        for name, weight in self.plain.items():
            _write(self.network.get_submodule(name), weight)
        if adapter is None:
            return
        changed = _changed(self.network, adapter)
        for name, weight in changed.items():
            module = self.network.get_submodule(name)
            if name not in self.plain:
                self.plain[name] = _weight(module).clone()
            _write(module, weight)


def _changed(network: nn.Module, adapter: Adapter) -> dict[str, Tensor]:
    """The new weights by layer, all checked before any is written."""
    made = {}
    for name in adapter.down:
        try:
            weight = _weight(network.get_submodule(name))
            change = adapter.change(name).to(weight.device).view_as(weight)
        except (AttributeError, RuntimeError) as error:
            raise CheckpointError(
                f"{adapter.origin} was made for another model: its layer {name} does not fit ({error})"
            ) from error
        made[name] = (weight.float() + change).to(weight.dtype)
    return made


def _weight(module: nn.Module) -> Tensor:
    weight = module.weight
    if not isinstance(weight, Tensor):
        raise AttributeError("it has no weight")
    return weight.detach()


@torch.no_grad()
def _write(module: nn.Module, weight: Tensor) -> None:
    if is_parametrized(module, "weight"):
        module.weight = weight  # weight norm finds direction and length
    else:
        assert isinstance(module.weight, Tensor)
        module.weight.copy_(weight)
