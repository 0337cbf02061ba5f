"""Files of other programs: what kind they are, and what is in them. Nothing in a file is imported, called or run."""

from __future__ import annotations

import mmap
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from gpt_sovits.core.errors import CheckpointError
from gpt_sovits.core.foreign.archive import Archive
from gpt_sovits.core.foreign.legacy import is_legacy, read_legacy
from gpt_sovits.core.foreign.machine import Machine, Source
from gpt_sovits.core.foreign.meaning import TorchMeaning
from gpt_sovits.core.foreign.storage import Mapped
from gpt_sovits.core.foreign.tree import ForeignFile, Refused, check_tree
from gpt_sovits.core.mapped import DTYPES

_ZIP = b"\x03\x04"
_DAMAGE = (
    ValueError,
    struct.error,
    OverflowError,
    IndexError,
    KeyError,
    TypeError,
    AttributeError,
    AssertionError,
    RecursionError,
    EOFError,
    MemoryError,
    RuntimeError,
)
"""What a description that makes no sense can set off in the standard library, numpy and torch."""


def read_foreign(path: str | Path, *, tensors: bool = True) -> ForeignFile:
    """Read a torch file (zip or older, with or without a tag in place of its first two bytes) or a safetensors file.

    Args:
        tensors: False: tensors are on the meta device, with shapes and dtypes but no content.

    Raises:
        CheckpointError: missing, not a model file, damaged, or asking for what no model needs.
    """
    path = Path(path)
    with explained(path):
        data = _map(path)
        head = bytes(data[:2])
        if bytes(data[2:4]) == _ZIP:
            return ForeignFile(path, "zip", head, _read_zip(data, tensors))
        if is_legacy(data):
            tree = read_legacy(data, tensors)
            check_tree(tree)
            return ForeignFile(path, "legacy", head, tree)
        if _is_safetensors(data):
            tree, metadata = _read_safetensors(path, tensors)
            return ForeignFile(path, "safetensors", head, tree, metadata)
        raise Refused(_what_else(data))


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn every way in which a file can be wrong into one sentence that begins with its name."""
    try:
        yield
    except Refused as error:
        raise CheckpointError(f"{path} {error}") from error
    except _DAMAGE as error:
        raise CheckpointError(f"{path} is damaged ({_first_line(error)}): download or copy it again") from error


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return (text[0] if text else type(error).__name__)[:200]


def _map(path: Path) -> mmap.mmap:
    """The whole file, mapped privately: a tensor on it may be written to, and the file stays as it is."""
    try:
        kind = path.stat()
    except FileNotFoundError as error:
        raise Refused("does not exist: check the path") from error
    except OSError as error:
        raise Refused(f"cannot be read ({error.strerror or error}): check the path") from error
    if stat.S_ISDIR(kind.st_mode):
        raise Refused("is a folder, not a model file: name a file in it")
    if not stat.S_ISREG(kind.st_mode):
        raise Refused("is a device or a pipe, not a model file: name a file")
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise Refused(f"cannot be opened ({error.strerror or error}): check its permissions") from error
    try:
        if os.fstat(descriptor).st_size == 0:
            raise Refused("is empty (0 bytes): download or copy it again")
        return mmap.mmap(descriptor, 0, access=mmap.ACCESS_COPY)
    except OSError as error:
        raise Refused(f"cannot be read ({error.strerror or error}): copy it to a local disk") from error
    finally:
        os.close(descriptor)


def _read_zip(data: mmap.mmap, tensors: bool) -> Any:
    archive = Archive(data)
    archive.check(storages=tensors)
    order = archive.members.get("byteorder")
    if order is not None and bytes(data[order.start : order.start + min(order.size, 10)]) != b"little":
        raise Refused("was written on a big-endian machine: save it again on an ordinary one")
    start, size, _ = archive.members["data.pkl"]
    meaning = TorchMeaning(Mapped(data, archive.storage, tensors))
    tree = Machine(Source(data, start, start + size), meaning).run()
    check_tree(tree)
    return tree


def _is_safetensors(data: mmap.mmap) -> bool:
    return len(data) > 9 and data[8:9] == b"{" and 2 <= int.from_bytes(data[:8], "little") < 1 << 27


def _read_safetensors(path: Path, tensors: bool) -> tuple[dict[str, Any], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())
            if tensors:
                return {name: file.get_tensor(name) for name in names}, dict(file.metadata() or {})
            parts = ((name, file.get_slice(name)) for name in names)
            shapes = {name: _meta(part.get_shape(), part.get_dtype()) for name, part in parts}
            return shapes, dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise Refused(f"is not a readable safetensors file ({_first_line(error)}): download it again") from error


def _meta(shape: list[int], dtype: str) -> torch.Tensor:
    if dtype not in DTYPES:
        raise Refused(f"keeps numbers as {dtype}, which is not supported: save it again as float16 or float32")
    return torch.empty(shape, dtype=DTYPES[dtype], device="meta")


_OTHERS = (
    (b"version https://git-lfs", "is only a pointer of Git LFS: run `git lfs pull`, or download the file itself"),
    (b"<!DOCTYPE", "is a web page, not a model: download the file itself (the link behind `download`)"),
    (b"<html", "is a web page, not a model: download the file itself (the link behind `download`)"),
    (b"\x1f\x8b", "is packed with gzip: unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "is packed with 7-Zip: unpack it first"),
    (b"Rar!", "is packed with RAR: unpack it first"),
    (b"GGUF", "is a GGUF file, which this project does not use"),
    (b"\x89HDF", "is an HDF5 file: use the PyTorch or safetensors version of the model"),
    (b"\xba\x16\x4f\x2f", "is a language detector of fastText: leave it out, this project needs none"),
    (b"RIFF", "is an audio or video file, not a model: check the path"),
)


def _what_else(data: mmap.mmap) -> str:
    start = bytes(data[:512])
    for mark, sentence in _OTHERS:
        if start.lstrip().lower().startswith(mark.lower()):
            return sentence
    if bytes(data[257:262]) == b"ustar":
        return "is a tar archive or a torch file from before 2018: unpack it, or save it again with a newer torch"
    if start[:1] == b"\x80" and start[1:2] in b"\x02\x03\x04\x05":
        return "is a Python pickle but no torch file, and is not read: use the .pth, .ckpt or .safetensors file"
    if not start.strip(b"\x00"):
        return "holds only zeros, a download that was never finished: download it again"
    if start.isascii() and b"\x00" not in start:
        return "is a text file, not a model: check the path, or download the file itself"
    return "is neither a torch nor a safetensors file, or its beginning is damaged: download it again"
