"""Weight normalisation (Salimans & Kingma 2016): put on for training, taken off for speed."""

from __future__ import annotations

from typing import TypeVar, cast

from torch import nn
from torch.nn.utils.parametrizations import weight_norm
from torch.nn.utils.parametrize import is_parametrized, remove_parametrizations

from gpt_sovits.core.late import widen

M = TypeVar("M", bound=nn.Conv1d | nn.Conv2d | nn.ConvTranspose1d)


def normed(module: M, deviation: float | None = None) -> M:
    """Put weight norm on a convolution, first drawing its weight from N(0, deviation) when one is given."""
    if deviation is not None:
        nn.init.normal_(module.weight, 0.0, deviation)
    weight_norm(module)
    return module


def normed_names(root: nn.Module) -> list[str]:
    """Names of the modules under `root` that carry weight norm."""
    return [name for name, module in root.named_modules() if is_parametrized(module, "weight")]


def take_off(root: nn.Module) -> None:
    """Replace direction and length by the plain weight everywhere; the function computed stays the same.

    Weights in half precision are multiplied out in full and rounded once.
    """
    widen(root)
    for name in normed_names(root):
        module = root.get_submodule(name)
        parts = cast(nn.ModuleDict, module.parametrizations)["weight"]
        direction = next(value for name, value in parts.named_parameters() if name == "original1").data
        parts.float()
        remove_parametrizations(module, "weight", leave_parametrized=True)
        weight = cast(nn.Parameter, module.weight)
        weight.data = direction.copy_(weight.data)  # in its place: a large model is not held twice


def put_on(root: nn.Module, names: list[str]) -> None:
    """The inverse of `take_off` for the named modules."""
    for name in names:
        weight_norm(root.get_submodule(name))
