"""Storages in a file and the tensors that look into them, without copying a byte."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch
from torch import Tensor

from gpt_sovits.core.foreign.tree import Refused

KINDS = {
    "torch.FloatStorage": torch.float32,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.DoubleStorage": torch.float64,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16,
    "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
    "torch.ComplexFloatStorage": torch.complex64,
    "torch.ComplexDoubleStorage": torch.complex128,
    "torch.UntypedStorage": torch.uint8,
    "torch.storage.UntypedStorage": torch.uint8,
}
DTYPES = {str(dtype): dtype for dtype in (*KINDS.values(), torch.uint16, torch.uint32, torch.uint64)}
MOST_AXES = 16
SHARED = 4
"""How many times over the tensors of a file may use its bytes; tied weights use theirs twice."""


@dataclass(eq=False, slots=True)
class Storage:
    """A run of numbers of one kind in a file."""

    key: str
    dtype: torch.dtype
    count: int
    first: int = 0
    """Where it starts in its root storage, in elements; only very old files have such views."""

    @property
    def size(self) -> int:
        return self.count * self.dtype.itemsize


@dataclass(slots=True)
class Mapped:
    """The bytes of a file, where its storages lie in them, and the tensors made of them."""

    data: Any
    """Anything with a writable buffer; a private map of the file."""
    find: Callable[[Storage], int]
    """Where the bytes of a root storage begin; raises Refused when they are not all there."""
    real: bool = True
    """False: tensors have shapes and dtypes only."""
    used: int = 0
    storages: dict[str, Storage] = field(default_factory=dict)

    def storage(self, key: str, kind: str, count: int, first: int = 0) -> Storage:
        """The storage that a persistent id names.

        Raises:
            Refused: unknown number format, or contradicting an earlier mention.
        """
        dtype = KINDS.get(kind)
        if dtype is None:
            raise Refused(f"keeps numbers as {kind}, which is not supported: save it again as float16 or float32")
        if count < 0 or first < 0:
            raise Refused(f"says that its storage {key!r} holds {count} numbers: download it again")
        made = Storage(key, dtype, count, first)
        known = self.storages.setdefault(key, made)
        if known.dtype != dtype:
            raise Refused(f"reads its storage {key!r} as two kinds of numbers: do not use it")
        return made if made.first != known.first or made.count != known.count else known

    def tensor(
        self, storage: Storage, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], dtype: torch.dtype | None
    ) -> Tensor:
        """A view of a storage.

        Raises:
            Refused: it would reach outside, or use its numbers many times over.
        """
        dtype = dtype or storage.dtype
        count = storage.size // dtype.itemsize
        numbers = [offset, *shape, *stride]
        if len(shape) != len(stride) or len(shape) > MOST_AXES or any(not 0 <= n < 2**48 for n in numbers):
            raise Refused(f"describes a tensor of shape {list(shape)[:MOST_AXES]}, which cannot be: download it again")
        total = prod(shape)
        last = offset + sum((n - 1) * step for n, step in zip(shape, stride, strict=True)) if total else -1
        if last >= count or total > count:
            raise Refused(
                f"describes a tensor of shape {list(shape)} in a storage of {count} numbers: download it again"
            )
        self.used += total * dtype.itemsize
        if self.used > SHARED * len(self.data) + (1 << 20):
            raise Refused("uses the same numbers over and over: do not use it")
        start = self.find(storage) + storage.first * storage.dtype.itemsize
        if not self.real:
            return torch.empty_strided(shape, stride, dtype=dtype, device="meta")
        return torch.as_strided(self._numbers(start, count, dtype), shape, stride, offset)

    def _numbers(self, start: int, count: int, dtype: torch.dtype) -> Tensor:
        if count == 0:
            return torch.empty(0, dtype=dtype)
        if start % dtype.itemsize == 0:
            return torch.frombuffer(self.data, dtype=dtype, count=count, offset=start)
        part = bytearray(self.data[start : start + count * dtype.itemsize])
        return torch.frombuffer(part, dtype=dtype, count=count)
