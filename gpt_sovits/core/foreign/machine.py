"""The instructions of a pickle, carried out on plain data.

Python's own unpickler imports what a file names and calls it. This one has no such power: a name stays a name, and a
call is handed to a `Meaning`, which knows a closed list of them and records the others.
"""

from __future__ import annotations

import pickletools
import re
from collections.abc import Callable, Hashable
from typing import IO, Any, Protocol, cast

from gpt_sovits.core.foreign.tree import Global, Inert, Refused

MOST_BYTES = 32 << 20
MOST_INSTRUCTIONS = 1_000_000
LONGEST_LINE = 1 << 16
MOST_TUPLE_KEYS = 10_000


class Meaning(Protocol):
    """What names, calls and references to storages mean."""

    def name(self, module: str, name: str) -> Global:
        """A name that the file mentions; raises Refused for what no model needs."""

    def call(self, target: Global, args: tuple[Any, ...]) -> Any:
        """The result of a call, as data."""

    def restore(self, value: Any, state: Any) -> Any:
        """`value` after it has been given its state."""

    def reference(self, identity: Any) -> Any:
        """Something that lies outside the pickle."""


class Source:
    """A window of a file, from which no more than a pickle's worth is read."""

    def __init__(self, data: Any, start: int, end: int) -> None:
        self.data, self.place = data, start
        self.end = min(end, start + MOST_BYTES)

    def read(self, count: int) -> bytes:
        """Exactly `count` bytes."""
        stop = self.place + count
        if count < 0 or stop > self.end:
            raise Refused("ends in the middle of its description, or that is far too large: download it again")
        found = bytes(self.data[self.place : stop])
        self.place = stop
        return found

    def readline(self) -> bytes:
        """Up to and with the next line end."""
        stop = min(self.end, self.place + LONGEST_LINE)
        end = self.data.find(b"\n", self.place, stop)
        return self.read((end + 1 if end >= 0 else stop) - self.place)

    def tell(self) -> int:
        return self.place


class Machine:
    """Carries out one pickle after another from a source, each with a stack and a memory of its own."""

    def __init__(self, source: Source, meaning: Meaning) -> None:
        self.source, self.meaning = source, meaning
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memory: dict[int, Any] = {}
        self.left = MOST_INSTRUCTIONS
        self.tuple_keys = 0

    def run(self) -> Any:
        """The value of the next pickle; the source is left behind its end.

        Raises:
            Refused: too long, of an unknown form, or asking for what no model needs.
        """
        self.stack, self.marks, self.memory = [], [], {}
        for opcode, argument, _ in pickletools.genops(cast(IO[bytes], self.source)):
            self.spend(1)
            name = opcode.name
            if name in _VALUES:
                self.stack.append(bytes(argument) if isinstance(argument, bytearray) else argument)
            elif name in _CONSTANTS:
                self.stack.append(_CONSTANTS[name])
            elif name in _ACTIONS:
                _ACTIONS[name](self, argument)
            elif name not in _IGNORED:
                raise Refused(f"uses the pickle instruction {name}, which no model file needs: do not use it")
        return self.stack.pop()

    def spend(self, count: int) -> None:
        """Account for work."""
        self.left -= count
        if self.left < 0:
            raise Refused(f"is described by more than {MOST_INSTRUCTIONS} instructions, far too many: do not use it")

    def above_mark(self) -> list[Any]:
        above, self.stack = self.stack, self.marks.pop()
        return above

    def put(self, target: Any, pairs: list[tuple[Any, Any]]) -> None:
        """Enter keys and values into a mapping, or record them."""
        if isinstance(target, dict):
            for key, value in pairs:
                target[self.key(key)] = value
        elif isinstance(target, Inert) and not isinstance(target, Global):
            target.items.extend(pairs)
        else:
            raise Refused("puts entries into something that is not a table: do not use it")

    def extend(self, target: Any, values: list[Any]) -> None:
        """Append to a list or enter into a set, or record it."""
        if isinstance(target, list):
            target.extend(values)
        elif isinstance(target, set):
            target.update(self.key(value) for value in values)
        elif isinstance(target, Inert) and not isinstance(target, Global):
            target.elements.extend(values)
        else:
            raise Refused("appends to something that is not a list: do not use it")

    def key(self, value: Any) -> Hashable:
        """`value` if it is small enough to be a key: hashing a deep one would exhaust the machine's stack."""
        if isinstance(value, tuple):
            self.tuple_keys += 1
            if self.tuple_keys <= MOST_TUPLE_KEYS and len(value) < 100 and all(map(_is_key, value)):
                return value
        elif _is_key(value):
            return value
        raise Refused("has a table with a key that is neither text nor a number: do not use it")


def _is_key(value: Any) -> bool:
    if isinstance(value, int):
        return value.bit_length() <= 64
    return value is None or isinstance(value, (str, float, bytes, Inert))


def _pairs(values: list[Any]) -> list[tuple[Any, Any]]:
    return list(zip(values[::2], values[1::2], strict=True))


def _text(*values: Any) -> tuple[str, ...]:
    if not all(isinstance(value, str) for value in values):
        raise Refused("names something by what is not text: do not use it")
    return values


def _reduce(machine: Machine, _: Any) -> None:
    args, target = machine.stack.pop(), machine.stack.pop()
    machine.stack.append(_called(machine, target, args))


def _called(machine: Machine, target: Any, args: Any) -> Any:
    if not isinstance(target, Global) or not isinstance(args, tuple):
        raise Refused("calls something that is not a named class or function: do not use it")
    return machine.meaning.call(target, args)


def _new_with_names(machine: Machine, _: Any) -> None:
    named, args, target = machine.stack.pop(), machine.stack.pop(), machine.stack.pop()
    made = _called(machine, target, args)
    if named:
        if not isinstance(made, Inert) or not isinstance(named, dict):
            raise Refused("makes an object in a way that no model file needs: do not use it")
        machine.spend(len(named))
        made.items.extend(named.items())
    machine.stack.append(made)


def _object(machine: Machine, _: Any) -> None:
    above = machine.above_mark()
    machine.stack.append(_called(machine, above[0], tuple(above[1:])))


def _instance(machine: Machine, argument: str) -> None:
    module, _, name = argument.partition(" ")
    args = tuple(machine.above_mark())
    machine.stack.append(machine.meaning.call(machine.meaning.name(module, name), args))


def _global(machine: Machine, argument: str) -> None:
    module, _, name = argument.partition(" ")
    machine.stack.append(machine.meaning.name(module, name))


def _stack_global(machine: Machine, _: Any) -> None:
    name, module = machine.stack.pop(), machine.stack.pop()
    machine.stack.append(machine.meaning.name(*_text(module, name)))


def _build(machine: Machine, _: Any) -> None:
    state = machine.stack.pop()
    machine.stack[-1] = machine.meaning.restore(machine.stack[-1], state)


def _set_item(machine: Machine, _: Any) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    machine.put(machine.stack[-1], [(key, value)])


def _set_items(machine: Machine, _: Any) -> None:
    pairs = _pairs(machine.above_mark())
    machine.put(machine.stack[-1], pairs)


def _append(machine: Machine, _: Any) -> None:
    value = machine.stack.pop()
    machine.extend(machine.stack[-1], [value])


def _appends(machine: Machine, _: Any) -> None:
    values = machine.above_mark()
    machine.extend(machine.stack[-1], values)


def _dict(machine: Machine, _: Any) -> None:
    made: dict[Any, Any] = {}
    machine.put(made, _pairs(machine.above_mark()))
    machine.stack.append(made)


def _frozen_set(machine: Machine, _: Any) -> None:
    values = machine.above_mark()
    machine.stack.append(frozenset(machine.key(value) for value in values))


def _list(machine: Machine, _: Any) -> None:
    values = machine.above_mark()
    machine.stack.append(values)


def _tuple(machine: Machine, _: Any) -> None:
    values = machine.above_mark()
    machine.stack.append(tuple(values))


def _tuple_of(count: int) -> Callable[[Machine, Any], None]:
    def action(machine: Machine, _: Any) -> None:
        values = [machine.stack.pop() for _ in range(count)]
        machine.stack.append(tuple(reversed(values)))

    return action


def _mark(machine: Machine, _: Any) -> None:
    machine.marks.append(machine.stack)
    machine.stack = []


def _pop(machine: Machine, _: Any) -> None:
    if machine.stack:
        machine.stack.pop()
    else:
        machine.above_mark()


def _pop_mark(machine: Machine, _: Any) -> None:
    machine.above_mark()


def _remember(machine: Machine, argument: Any) -> None:
    machine.memory[int(argument)] = machine.stack[-1]


_PLAIN = re.compile(
    r"(BIN)?INT[12]?|LONG[14]?|((SHORT_)?BIN)?STRING|(SHORT_)?BINBYTES8?|BYTEARRAY8|((SHORT_)?BIN)?UNICODE8?|(BIN)?FLOAT"
)
_VALUES = frozenset(code.name for code in pickletools.opcodes if _PLAIN.fullmatch(code.name))
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_IGNORED = frozenset({"PROTO", "FRAME", "STOP"})
_ACTIONS: dict[str, Callable[[Machine, Any], None]] = {
    "EMPTY_LIST": lambda machine, _: machine.stack.append([]),
    "EMPTY_DICT": lambda machine, _: machine.stack.append({}),
    "EMPTY_SET": lambda machine, _: machine.stack.append(set()),
    "LIST": _list,
    "TUPLE": _tuple,
    "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3),
    "DICT": _dict,
    "FROZENSET": _frozen_set,
    "APPEND": _append,
    "APPENDS": _appends,
    "ADDITEMS": _appends,
    "SETITEM": _set_item,
    "SETITEMS": _set_items,
    "MARK": _mark,
    "POP": _pop,
    "POP_MARK": _pop_mark,
    "DUP": lambda machine, _: machine.stack.append(machine.stack[-1]),
    "PUT": _remember,
    "BINPUT": _remember,
    "LONG_BINPUT": _remember,
    "MEMOIZE": lambda machine, _: _remember(machine, len(machine.memory)),
    "GET": lambda machine, argument: machine.stack.append(machine.memory[int(argument)]),
    "BINGET": lambda machine, argument: machine.stack.append(machine.memory[argument]),
    "LONG_BINGET": lambda machine, argument: machine.stack.append(machine.memory[argument]),
    "GLOBAL": _global,
    "STACK_GLOBAL": _stack_global,
    "INST": _instance,
    "OBJ": _object,
    "REDUCE": _reduce,
    "NEWOBJ": _reduce,
    "NEWOBJ_EX": _new_with_names,
    "BUILD": _build,
    "BINPERSID": lambda machine, _: machine.stack.append(machine.meaning.reference(machine.stack.pop())),
}
