"""Networks without weights, to be given those of a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch.overrides import TorchFunctionMode

_DRAWS = frozenset({"normal_", "uniform_", "trunc_normal_", "exponential_", "bernoulli_"})


@contextmanager
def skeleton() -> Iterator[None]:
    """Inside, modules are made without initial values: memory is set aside, but none of it is touched.

    A module on the meta device would be the usual way, but the first operation on that device loads PyTorch's
    compiler, which costs seconds and as much memory as a stage.

    `trunc_normal_` cannot be used by such modules: it draws until all values lie between its bounds, which values that
    are never drawn may never do.
    """
    with _NoDraws():
        yield


class _NoDraws(TorchFunctionMode):
    """Leaves out whatever would fill a parameter."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if getattr(func, "__module__", None) == "torch.nn.init" or getattr(func, "__name__", "") in _DRAWS:
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))
