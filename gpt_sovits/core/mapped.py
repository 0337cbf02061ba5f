"""Tensors of a safetensors file that take memory only once they are used, and give it back one by one."""

from __future__ import annotations

import json
import math
import mmap
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

SMALL = 1 << 16
"""Bytes; below this a mapping of its own would cost more than it saves."""

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


def map_tensors(path: Path) -> dict[str, Tensor]:
    """Every tensor of a safetensors file that the library has found to be well-formed, in the order of the file.

    Each large tensor is a private mapping of its own part of the file: it may be written to, which changes the memory
    and never the file, and its pages are free again as soon as the tensor is gone.

    Raises:
        OSError: the file cannot be read or mapped.
        ValueError: a number format that this project does not use.
    """
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        header.pop("__metadata__", None)
        rows = sorted(header.items(), key=lambda row: row[1]["data_offsets"][0])
        return {name: _tensor(file, 8 + size, row) for name, row in rows}


def _tensor(file: BinaryIO, base: int, row: dict[str, Any]) -> Tensor:
    begin, end = row["data_offsets"]
    shape: list[int] = row["shape"]
    if row["dtype"] not in DTYPES:
        raise ValueError(f"the number format {row['dtype']} is not supported")
    dtype = DTYPES[str(row["dtype"])]
    start, length = base + begin, end - begin
    if length == 0:
        return torch.empty(shape, dtype=dtype)
    if length < SMALL or start % dtype.itemsize:
        file.seek(start)
        return torch.frombuffer(bytearray(file.read(length)), dtype=dtype).view(shape)
    page = start - start % mmap.ALLOCATIONGRANULARITY
    area = mmap.mmap(file.fileno(), start - page + length, access=mmap.ACCESS_COPY, offset=page)
    return torch.frombuffer(area, dtype=dtype, count=math.prod(shape), offset=start - page).view(shape)
