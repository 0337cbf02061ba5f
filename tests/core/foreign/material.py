"""Containers as the public programs write them, and pickles nobody should write."""

from __future__ import annotations

import argparse
import io
import pickle
import struct
import sys
import types
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

MAGIC = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)
PREAMBLE = MAGIC + pickle.dumps(1001, protocol=2) + pickle.dumps({"little_endian": True}, protocol=2)


@contextmanager
def stand_in(name: str, **members: Any) -> Iterator[types.ModuleType]:
    """A module of some program that is not installed, while a file that names it is written."""
    made = []
    parts = name.split(".")
    for count in range(1, len(parts) + 1):
        full = ".".join(parts[:count])
        if full not in sys.modules:
            sys.modules[full] = types.ModuleType(full)
            made.append(full)
    module = sys.modules[name]
    for key, value in members.items():
        value.__module__, value.__qualname__ = name, key
        setattr(module, key, value)
    try:
        yield module
    finally:
        for full in made:
            del sys.modules[full]


class HParams:
    """Shaped like the class of the public program: attributes, nested."""

    def __init__(self, **values: Any) -> None:
        for key, value in values.items():
            setattr(self, key, HParams(**value) if isinstance(value, dict) else value)


def weights() -> OrderedDict[str, torch.Tensor]:
    """A small state dict of several number formats; one pair is tied."""
    state = OrderedDict()
    state["enc_p.proj.weight"] = torch.arange(12, dtype=torch.float16).reshape(3, 4)
    state["enc_p.proj.bias"] = torch.linspace(-1, 1, 3)
    state["dec.brain.weight"] = torch.arange(6, dtype=torch.bfloat16).reshape(2, 3).t()
    state["dec.tied.weight"] = state["enc_p.proj.weight"][1:]
    state["steps"] = torch.tensor(7)
    return state


def model_file() -> dict[str, Any]:
    """What a release file of the second stage holds, with every odd value that was seen in one."""
    config = {"train": {"segment_size": 20480}, "model": {"gin_channels": 1024, "version": "v2Pro"}}
    return {
        "weight": weights(),
        "config": HParams(**config),
        "info": "8epoch_96iteration",
        "args": argparse.Namespace(layers=12, path=Path("a") / "b"),
        "best": np.float64(0.25),
        "history": np.arange(6, dtype=np.int32).reshape(2, 3),
        "bytes": b"\x00\xff",
        "seen": {1, 2},
        "size": torch.Size([2, 3]),
        "device": torch.device("cpu"),
    }


def saved(value: Any, legacy: bool = False, protocol: int = 2, head: bytes = b"PK") -> bytes:
    """A torch file of `value`; classes of this module are named as the public program names them."""
    buffer = io.BytesIO()
    module, name = HParams.__module__, HParams.__qualname__
    try:
        with stand_in("utils", HParams=HParams):
            torch.save(value, buffer, _use_new_zipfile_serialization=not legacy, pickle_protocol=protocol)
    finally:
        HParams.__module__, HParams.__qualname__ = module, name
    data = buffer.getvalue()
    return data if legacy else head + data[2:]


def zipped(description: bytes, storages: dict[str, bytes] | None = None, prefix: str = "archive/") -> bytes:
    """A torch zip around any pickle."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as file:
        file.writestr(f"{prefix}data.pkl", description)
        file.writestr(f"{prefix}byteorder", "little")
        for key, content in (storages or {}).items():
            file.writestr(f"{prefix}data/{key}", content)
        file.writestr(f"{prefix}version", "3\n")
    return buffer.getvalue()


def without_sums(data: bytes) -> bytes:
    """A zip whose table of contents holds no check sums, as torch writes it when told to."""
    changed, place = bytearray(data), data.find(b"PK\x01\x02")
    while place >= 0:
        changed[place + 16 : place + 20] = bytes(4)
        place = data.find(b"PK\x01\x02", place + 4)
    return bytes(changed)


def older(description: bytes, storages: dict[str, bytes] | None = None, itemsize: int = 4) -> bytes:
    """A torch file of the older form around any pickle."""
    storages = storages or {}
    parts = [PREAMBLE, description, pickle.dumps(list(storages), protocol=2)]
    parts += [struct.pack("<q", len(content) // itemsize) + content for content in storages.values()]
    return b"".join(parts)


CONTAINERS: dict[str, Callable[[bytes], bytes]] = {"zip": zipped, "legacy": older}


def tensor_pickle(shape: tuple[int, ...], stride: tuple[int, ...], offset: int = 0, count: int = 4) -> bytes:
    """The description of one float32 tensor in the storage "0", as it claims to be."""
    numbers = b"".join(pickle.dumps(value, protocol=2)[2:-1] for value in (offset, shape, stride))
    numbers = numbers.replace(b"q\x00", b"").replace(b"q\x01", b"")
    storage = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu"
    storage += pickle.dumps(count, protocol=2)[2:-1] + b"tQ"
    rebuilt = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + numbers + b"\x89ccollections\nOrderedDict\n)RtR"
    return b"\x80\x02}X\x01\x00\x00\x00a" + rebuilt + b"s."
