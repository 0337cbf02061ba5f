"""What training files of every program have in common: an optimiser's state, by numbered parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from gpt_sovits.core.errors import CheckpointError
from gpt_sovits.core.foreign.weights import is_finite, legible


@dataclass(frozen=True, slots=True)
class OptimizerState:
    """`state_dict()` of a torch optimiser, checked."""

    state: dict[int, dict[str, Any]]
    """What the optimiser knows of each parameter, by its number; none of a parameter that never had a gradient."""
    groups: tuple[tuple[int, ...], ...]
    """Numbers of the parameters of each group."""

    @property
    def count(self) -> int:
        return sum(len(group) for group in self.groups)


def optimizer_state(value: Any, origin: str) -> OptimizerState:
    """Check that `value` is an optimiser's state.

    Raises:
        CheckpointError: it is not one, or holds numbers that are not finite.
    """
    damaged = CheckpointError(f"{origin} holds no usable optimizer state: start from its weights alone")
    if not isinstance(value, Mapping) or not isinstance(value.get("state"), Mapping):
        raise damaged
    groups = value.get("param_groups")
    if not isinstance(groups, list) or not all(isinstance(group, Mapping) for group in groups):
        raise damaged
    numbers = tuple(tuple(group.get("params") or ()) for group in groups)
    known = [number for group in numbers for number in group]
    if sorted(map(str, known)) != sorted(map(str, range(len(known)))):
        raise damaged
    state: dict[int, dict[str, Any]] = {}
    for number, entry in value["state"].items():
        if number not in known or not isinstance(entry, Mapping):
            raise damaged
        state[number] = {str(name): item for name, item in entry.items()}
        for name, item in state[number].items():
            if isinstance(item, Tensor) and item.is_floating_point() and not is_finite(item):
                raise CheckpointError(
                    f"{origin} holds NaN or infinity in its optimizer's {legible(name)}: its training went wrong, use "
                    "an earlier file"
                )
    return OptimizerState(state, numbers)


def whole_number(tree: Mapping[Any, Any], name: str, origin: str) -> int:
    """A count from a training file; 0 where it has none.

    Raises:
        CheckpointError: it is no count.
    """
    value = tree.get(name, 0)
    value = value.item() if isinstance(value, Tensor) and value.numel() == 1 else value
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 2**40 or value != int(value):
        raise CheckpointError(f"{origin} says {name} is {value!r:.40}, which is no count: it is damaged")
    return int(value)
