"""What of a network learns, how fast, and whether as a small adapter beside it: the same for both stages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import Field
from torch import Tensor, nn

from gpt_sovits.core.config import Strict
from gpt_sovits.core.errors import ConfigError


class LoraConfig(Strict):
    """Low-rank adapters (Hu et al. 2021): the network stays, and small matrices beside its layers learn."""

    rank: int = Field(default=8, gt=0)
    alpha: float | None = Field(default=None, gt=0)
    """What the adapter makes counts alpha / rank times; None: once."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Of what the adapter reads."""
    targets: tuple[str, ...] = ()
    """Parts of the network whose linear layers and one-dimensional convolutions get an adapter, named as in `freeze`;
    none: those that suit the stage (attention and feed-forward of stage 1; prior, flow and posterior of stage 2)."""
    rate: float = Field(default=5.0, gt=0)
    """Factor on the learning rate: adapters begin at nothing and bear larger steps than whole networks."""
    merge: bool = False
    """Add the finished adapter to the weights, which makes an ordinary voice, instead of keeping it as a small file."""

    @property
    def scale(self) -> float:
        return 1.0 if self.alpha is None else self.alpha / self.rank


class Tuning(Strict):
    """Part of the recipes of both stages."""

    freeze: tuple[str, ...] = ()
    """Parts that stay as they are, such as `generator`, `layers.3` or `attention`: a name, or some names after one
    another, out of the full name of a layer."""
    rates: dict[str, float] = Field(default_factory=dict)
    """Factors on the learning rate of parts, named as in `freeze`; of several that fit the longest name counts."""
    lora: LoraConfig | None = None
    blend: float = Field(default=1.0, gt=0, le=1)
    """How much of the way from the weights before to those after the training the finished weights have gone, see
    `gpt_sovits.train.blend`."""
    recompute: bool = False
    """Gradient checkpointing: keep only what enters each block and compute the rest again on the way back.
    For machines with little memory; costs the blocks' forward pass once more, and the gradients are the same."""

    def factor(self, name: str) -> float:
        """On the learning rate of the parameter of this name."""
        fitting = [part for part in self.rates if within(name, part)]
        chosen = self.rates[max(fitting, key=len)] if fitting else 1.0
        return chosen * (self.lora.rate if self.lora is not None and ".lora_" in name else 1.0)


def within(name: str, part: str) -> bool:
    """Whether the words of `part` stand in a dotted name, one after the other."""
    return f".{part}." in f".{name}."


def check_parts(network: nn.Module, parts: Iterable[str], what: str) -> None:
    """Make sure that each name is one of the network.

    Raises:
        ConfigError: one is not.
    """
    names = [name for name, _ in network.named_parameters()]
    for part in parts:
        if not any(within(name, part) for name in names):
            known = ", ".join(sorted({name.split(".")[0] for name in names}))
            raise ConfigError(f"{what} names {part!r}, which is no part of the network; it has {known} and their parts")


def parameter_groups(named: Iterable[tuple[str, Tensor]], tuning: Tuning, **options: Any) -> list[dict[str, Any]]:
    """Optimiser groups of the parameters that learn, one for each factor on the learning rate.

    Args:
        options: further entries of every group; `factor` in them multiplies.
    """
    whole = options.pop("factor", 1.0)
    groups: dict[float, list[Tensor]] = {}
    for name, parameter in named:
        if parameter.requires_grad:
            groups.setdefault(whole * tuning.factor(name), []).append(parameter)
    return [{"params": parameters, "factor": factor, **options} for factor, parameters in groups.items()]
