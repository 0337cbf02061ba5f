"""Weights that stay mapped to their file in half precision until the layer that holds them is first used.

A CPU computes in float32, which is twice the size of a file in half precision. Widened on first use, layer by layer,
a model that is merely loaded takes no more than its file, and parts that a task never touches stay that small.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized, type_before_parametrizations

HALF = (torch.float16, torch.bfloat16)
_LOCK = threading.RLock()
_SETTLE = "_settle_late_weights"


def widen_on_use(network: nn.Module, fold: bool = False) -> None:
    """Let every layer with weights in half precision turn to float32 when one of its weights is first read.

    Casting, moving, copying or pickling a layer counts as use; listing parameters or taking a state dict does not, so
    `widen` comes first where a training begins.

    Args:
        fold: whether a weight that is computed from others, as under weight norm, becomes a plain one on the way.
    """
    for module in list(network.modules()):
        held = {**module._parameters, **module._buffers}
        names = [name for name, value in held.items() if value is not None and value.dtype in HALF]
        folds = fold and is_parametrized(module, "weight")
        if names or folds:
            _make_late(module, [*names, "weight"] if folds else names, folds)


def widen(network: nn.Module) -> None:
    """Turn all that still waits under `network` to float32."""
    for module in list(network.modules()):
        settle = getattr(type(module), _SETTLE, None)
        if settle is not None:
            settle(module)


def _make_late(module: nn.Module, names: list[str], fold: bool) -> None:
    """Give one layer a class whose weights are properties: the first that is read turns it back.

    The class changes last and at once, so that other threads either wait or find everything in place.
    """
    base = type(module)
    settled = type_before_parametrizations(module) if fold else base

    def settle(self: nn.Module) -> None:
        with _LOCK, torch.inference_mode(False), torch.no_grad():
            if type(self) is not late:
                return  # another thread was faster
            for held in (self._parameters, self._buffers):
                for value in held.values():
                    if value is not None and value.dtype in HALF:
                        value.data = value.data.float()
            if fold:
                parts: Any = self.parametrizations
                self._parameters["weight"] = nn.Parameter(parts["weight"]())
            self.__class__ = settled
            if fold:
                del self.parametrizations

    def used(method: str) -> Callable[..., Any]:
        def call(self: nn.Module, *args: Any, **options: Any) -> Any:
            settle(self)
            return getattr(self, method)(*args, **options)

        return call

    def reader(name: str) -> property:
        def read(self: nn.Module) -> Any:
            settle(self)
            return getattr(self, name)

        return property(read)

    methods = {method: used(method) for method in ("_apply", "__reduce_ex__")}
    late = type(base.__name__, (base,), {_SETTLE: settle, **methods, **{name: reader(name) for name in names}})
    module.__class__ = late
