"""Making ready what learns of a network: frozen parts, adapters by peft, blocks that are computed twice."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized, remove_parametrizations

from gpt_sovits.core.bundle import Bundle
from gpt_sovits.core.errors import ConfigError, MissingExtraError
from gpt_sovits.core.lora import Adapter, Stage, load_adapter, merge_adapter
from gpt_sovits.core.tuning import LoraConfig, Tuning, check_parts, within

ADAPTER = "default"
M = TypeVar("M", bound=nn.Module)


def load_earlier(network: nn.Module, source: Bundle, stage: Stage, tuning: Tuning, out: Path) -> None:
    """Add the adapter that a model has of this stage: training goes on from what is heard.

    The adapter of an earlier run into `out` is left out, since its checkpoint goes on, or the run starts over.

    Raises:
        ConfigError: an adapter of an adapter is asked for.
    """
    path = source.part("s1_adapter" if stage == "s1" else "s2_adapter")
    small = tuning.lora is not None and not tuning.lora.merge
    if path is None or (small and source.folder.resolve() == out.resolve()):
        return
    if small:
        raise ConfigError(
            f"stage {stage[1]} of {source.manifest.name} is an adapter itself, and there is none of an adapter: start "
            "from the model it is over, or set lora.merge=true"
        )
    merge_adapter(network, load_adapter(path, stage))


def tune(network: nn.Module, tuning: Tuning, targets: Iterable[str], seed: int = 0) -> None:
    """Freeze what a recipe freezes, and put adapters beside what it adapts.

    Args:
        targets: of adapters where the recipe names none.
        seed: of their first values.

    Raises:
        ConfigError: a part is not one of the network, or cannot have an adapter.
        MissingExtraError: adapters are wanted and peft is not installed.
    """
    check_parts(network, tuning.freeze, "freeze")
    check_parts(network, tuning.rates, "rates")
    for name, parameter in network.named_parameters():
        if any(within(name, part) for part in tuning.freeze):
            parameter.requires_grad_(False)
    if tuning.lora is not None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            _inject(network, tuning.lora, tuning.lora.targets or tuple(targets))
    elif not any(parameter.requires_grad for parameter in network.parameters()):
        raise ConfigError("freeze leaves nothing to train: name fewer parts")


def adapter_of(network: nn.Module, config: LoraConfig) -> Adapter:
    """What the adapters in a network have learned."""
    layers = {name: module for name, module in network.named_modules() if hasattr(module, "lora_A")}
    down, up = ({n: getattr(m, h)[ADAPTER].weight.detach() for n, m in layers.items()} for h in ("lora_A", "lora_B"))
    return Adapter("the training", config, down, up)


def merged(network: M) -> M:
    """The same network with its adapters, if any, added to the weights and gone.

    Layers that had one are without weight norm then.
    """
    layers: dict[str, Any] = {name: module for name, module in network.named_modules() if hasattr(module, "lora_A")}
    for name, layer in layers.items():
        layer.merge()
        parent, _, child = name.rpartition(".")
        setattr(network.get_submodule(parent), child, layer.get_base_layer())
    return network


def _inject(network: nn.Module, config: LoraConfig, targets: tuple[str, ...]) -> None:
    try:
        from peft import LoraConfig as PeftConfig
        from peft import inject_adapter_in_model
    except ImportError as error:
        raise MissingExtraError("peft", "lora", "training an adapter") from error
    check_parts(network, targets, "lora.targets")
    names = [name for name, module in network.named_modules() if _fits(name, module, targets)]
    if not names:
        raise ConfigError(f"lora.targets {list(targets)} hold no linear layer and no plain convolution")
    for name in names:
        module = network.get_submodule(name)
        if is_parametrized(module, "weight"):  # what does not learn needs no weight norm
            remove_parametrizations(module, "weight")
    inject_adapter_in_model(
        PeftConfig(
            r=config.rank,
            lora_alpha=config.scale * config.rank,  # type: ignore[arg-type]
            lora_dropout=config.dropout,
            target_modules=names,
        ),
        network,
        ADAPTER,
    )


def _fits(name: str, module: nn.Module, targets: tuple[str, ...]) -> bool:
    if not any(within(name, part) for part in targets):
        return False
    # peft gives a convolution's adapter neither dilation nor groups.
    plain = isinstance(module, nn.Conv1d) and module.dilation == (1,) and module.groups == 1
    return plain or isinstance(module, nn.Linear)
