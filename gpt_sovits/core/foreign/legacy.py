"""The container torch wrote before version 1.6: pickles one after another, then the bytes of the storages."""

from __future__ import annotations

from typing import Any

from gpt_sovits.core.foreign.machine import Machine, Source
from gpt_sovits.core.foreign.meaning import TorchMeaning
from gpt_sovits.core.foreign.storage import Mapped, Storage
from gpt_sovits.core.foreign.tree import Refused, plain

_MAGIC = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
"""How the first pickle of every such file ends: one number."""
_LATEST = 16
"""Bytes that may come before it."""
PROTOCOL = 1001


def is_legacy(data: Any) -> bool:
    """Whether a file begins as they do."""
    return bytes(data[:1]) == b"\x80" and data.find(_MAGIC, 0, _LATEST + len(_MAGIC)) >= 0


def read_legacy(data: Any, tensors: bool) -> Any:
    """The object of such a file.

    Raises:
        Refused: damaged, or from another kind of machine.
    """
    source = Source(data, data.find(_MAGIC) + len(_MAGIC), len(data))
    protocol, system = (Machine(source, TorchMeaning(Mapped(data, _nowhere))).run() for _ in range(2))
    if protocol != PROTOCOL or not isinstance(system, dict):
        raise Refused(f"is of the unknown torch format {plain(protocol)!r:.40}: save it again with a newer torch")
    if system.get("little_endian") is not True:
        raise Refused("was written on a big-endian machine: save it again on an ordinary one")
    # The tensors come before the places of their storages, so the object is read once for those and once for itself.
    draft = Mapped(data, lambda _: 0, real=False)
    start = source.tell()
    machine = Machine(source, TorchMeaning(draft))
    tree = machine.run()
    places = _places(data, machine, source, draft)
    if not tensors:
        return tree
    final = Mapped(data, lambda storage: places[storage.key])
    return Machine(Source(data, start, len(data)), TorchMeaning(final)).run()


def _places(data: Any, machine: Machine, source: Source, draft: Mapped) -> dict[str, int]:
    """Where the bytes of every storage begin."""
    keys = machine.run()
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys) or len(set(keys)) != len(keys):
        raise Refused("has a damaged list of tensors: download it again")
    if set(keys) != set(draft.storages):
        raise Refused("lists other tensors than it describes: download it again")
    places, place = {}, source.tell()
    for key in keys:
        storage = draft.storages[key]
        if place + 8 > len(data):
            raise Refused("is incomplete: download it again")
        count = int.from_bytes(data[place : place + 8], "little", signed=True)
        places[key], place = place + 8, place + 8 + storage.size
        if count != storage.count or place > len(data):
            raise Refused(f"is incomplete or damaged at its storage {key!r}: download it again")
    return places


def _nowhere(storage: Storage) -> int:
    raise Refused(f"mentions the storage {storage.key!r} before it describes the model: download it again")
