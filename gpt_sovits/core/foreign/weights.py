"""The weights in a foreign tree, wherever its program keeps them, checked to be usable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gpt_sovits.core.errors import CheckpointError

PLACES = ("weight", "state_dict", "model", "generator", "model_state_dict", "params")
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_WHOLE = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)
_REAL_NAMES = (".weight", ".bias", ".weight_g", ".weight_v", ".gamma", ".beta")
_WRAPPERS = ("module.", "_orig_mod.")
"""What a parallel or a compiled training puts before every name."""
_LONGEST_NAME = 300
_CHUNK = 1 << 22


def state_dict(tree: Any, origin: str = "the file") -> dict[str, Tensor]:
    """Names and tensors: the tree itself, or what it holds under `weight`, `state_dict`, `model` or `generator`.

    The prefix that a wrapper of the whole network put before every name is left out.

    Args:
        origin: how to name the file in an error.

    Raises:
        CheckpointError: there are none, or one has an impossible name, whole numbers for weights, or numbers that are
            not finite.
    """
    found = find_weights(tree)
    if found is None:
        held = ", ".join(map(legible, list(tree)[:5])) if isinstance(tree, Mapping) else type(tree).__name__
        raise CheckpointError(f"{origin} holds no weights (found: {held}): use a model file of GPT-SoVITS")
    for name, tensor in found.items():
        _check(name, tensor, origin)
    for prefix in _WRAPPERS * 2:
        if all(name.startswith(prefix) for name in found):
            found = {name.removeprefix(prefix): tensor for name, tensor in found.items()}
    return found


def find_weights(tree: Any) -> dict[str, Tensor] | None:
    """The mapping of names to tensors in a tree, unchecked; None where there is none."""
    if not isinstance(tree, Mapping):
        return None
    for candidate in (tree, *(tree.get(place) for place in PLACES)):
        if isinstance(candidate, Mapping) and candidate and all(isinstance(v, Tensor) for v in candidate.values()):
            return dict(candidate)
    return None


def legible(name: Any) -> str:
    """A name from a file as a sentence can hold it."""
    text = str(name)[:40]
    return text if text.isprintable() else repr(text)


def _check(name: Any, tensor: Tensor, origin: str) -> None:
    if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= _LONGEST_NAME:
        raise CheckpointError(f"{origin} names a tensor {str(name)[:80]!r}, which cannot be: download it again")
    if tensor.dtype not in (*_FLOATS, *_WHOLE):
        raise CheckpointError(f"{origin} keeps {name} as {tensor.dtype}: save it again as float16 or float32")
    if tensor.dtype in _WHOLE and name.endswith(_REAL_NAMES):
        raise CheckpointError(f"{origin} keeps {name} as {tensor.dtype}, but weights are floats: download it again")
    if tensor.device.type != "meta" and tensor.dtype in _FLOATS and not is_finite(tensor):
        raise CheckpointError(
            f"{origin} holds NaN or infinity in {name}: its training went wrong or it is damaged; use an earlier file"
        )


def is_finite(tensor: Tensor) -> bool:
    """Whether every number is finite; takes no memory to speak of."""
    if tensor.numel() == 0:
        return True
    flat = tensor.detach().flatten()
    return all(bool(torch.isfinite(torch.stack(part.aminmax())).all()) for part in flat.split(_CHUNK))
