"""What a foreign file comes to: plain Python values, tensors, and inert records of everything else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Container = Literal["zip", "legacy", "safetensors"]

DEEPEST = 100
LARGEST = 2_000_000
"""Values a tree may hold, each counted as often as it is referred to."""


class Refused(Exception):
    """Why a file is not read, as the rest of a sentence that begins with its name."""


@dataclass(eq=False, slots=True)
class Inert:
    """An instance of a class that is not made, or a call that is not carried out: its name and data only."""

    name: str
    """`module.qualname`"""
    args: tuple[Any, ...] = ()
    state: Any = None
    """What the instance would have restored itself from, usually the dict of its attributes."""
    items: list[tuple[Any, Any]] = field(default_factory=list)
    """Entries, where the class is a mapping."""
    elements: list[Any] = field(default_factory=list)
    """Entries, where the class is a list or a set."""

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute or entry of the instance."""
        return _attributes(self).get(name, default)

    def __getitem__(self, name: str) -> Any:
        return _attributes(self)[name]

    def __contains__(self, name: object) -> bool:
        return name in _attributes(self)


class Global(Inert):
    """A name of a module that a file mentions. It is never looked up."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class ForeignFile:
    """One file, read."""

    path: Path
    container: Container
    head: bytes
    """The first two bytes as they are on the disk: `PK`, or the tag that stands in its place."""
    tree: Any
    """Nested dict, list, tuple, set, str, int, float, complex, bool, None, bytes, Tensor and Inert.

    Tensors lie in the file, mapped privately: they may be changed, and the file does not change with them.
    """
    metadata: Mapping[str, str] = field(default_factory=dict)
    """The free text of a safetensors file."""


def as_dict(value: Inert | Mapping[Any, Any]) -> dict[str, Any]:
    """The attributes of an instance (HParams, Namespace, an omegaconf container …) as plain nested dicts and lists."""
    found = plain(value)
    return found if isinstance(found, dict) else {}


def plain(value: Any) -> Any:
    """`value` with every instance in it replaced by its attributes, or by its name where it has none."""
    if isinstance(value, Inert):
        return _plain_inert(value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(plain(item) for item in value)
    return value


def _plain_inert(value: Inert) -> Any:
    state = value.state
    if value.name.startswith("omegaconf.") and isinstance(state, dict):
        for content in ("_content", "_val"):
            if content in state:
                return plain(state[content])
    attributes = _attributes(value)
    if attributes:
        return {key: plain(item) for key, item in attributes.items()}
    if value.elements:
        return [plain(item) for item in value.elements]
    if isinstance(value, Global):
        return value.name
    return {} if state == {} or not value.args else [plain(item) for item in value.args]


def _attributes(value: Inert) -> dict[Any, Any]:
    """Slots and attributes, then entries."""
    state, found = value.state, {}
    if value.name.startswith("omegaconf.") and isinstance(state, dict) and isinstance(state.get("_content"), dict):
        state = {key: plain(item) for key, item in state["_content"].items()}
    for part in state if isinstance(state, tuple) else (state,):
        if isinstance(part, dict):
            found.update(part)
    found.update(value.items)
    return found


def children(value: Any) -> Iterator[Any]:
    """What `value` directly holds."""
    if isinstance(value, dict):
        yield from value.keys()
        yield from value.values()
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from value
    elif isinstance(value, Inert):
        yield from value.args
        yield value.state
        for pair in value.items:
            yield from pair
        yield from value.elements


def check_tree(root: Any) -> None:
    """Make sure that whoever walks the tree comes to an end, soon, and without deep recursion.

    Raises:
        Refused: a value holds itself, or shared values unfold into too many, or nest too deeply.
    """
    sizes: dict[int, tuple[int, int]] = {}
    """Of every finished container: its unfolded size and depth."""
    open_now: set[int] = set()
    stack: list[tuple[Any, bool]] = [(root, False)]
    while stack:
        value, finished = stack.pop()
        key = id(value)
        if finished:
            parts = [sizes.get(id(child), (1, 0)) for child in children(value)]
            size, depth = 1 + sum(part[0] for part in parts), 1 + max((part[1] for part in parts), default=0)
            if depth > DEEPEST:
                raise Refused(f"nests its values more than {DEEPEST} deep, which no model does: do not use it")
            if size > LARGEST:
                raise Refused("unfolds into more values than any model has: do not use it")
            sizes[key] = size, depth
            open_now.discard(key)
        elif key in open_now:
            raise Refused("holds a value that contains itself, which no model does: do not use it")
        elif key not in sizes and isinstance(value, (dict, list, tuple, set, frozenset, Inert)):
            open_now.add(key)
            stack.append((value, True))
            stack.extend((child, False) for child in children(value))
