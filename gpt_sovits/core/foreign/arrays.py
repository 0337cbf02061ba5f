"""Numpy's arrays and numbers as torch tensors and Python numbers."""

from __future__ import annotations

import re
from math import prod
from typing import Any

import numpy as np
import torch

from gpt_sovits.core.foreign.storage import MOST_AXES
from gpt_sovits.core.foreign.tree import Inert, Refused


def is_whole(*values: Any) -> bool:
    """Whether all are whole numbers."""
    return all(isinstance(value, int) and not isinstance(value, bool) for value in values)


def array(data: Any, dtype: Any, shape: Any, fortran: bool) -> Any:
    """The tensor that a recorded array holds; None for one of other than numbers.

    Raises:
        Refused: its bytes do not fit its shape.
    """
    kind = _dtype(dtype)
    if kind is None or not isinstance(data, bytes) or not isinstance(shape, tuple) or not is_whole(*shape[:MOST_AXES]):
        return None
    if len(shape) > MOST_AXES or any(not 0 <= n < 2**48 for n in shape) or prod(shape) * kind.itemsize != len(data):
        raise Refused(f"holds a numpy array whose {len(data)} bytes do not fit its shape: download it again")
    numbers = torch.from_numpy(np.frombuffer(data, dtype=kind).astype(kind.newbyteorder("=")))
    return numbers.reshape(shape[::-1]).permute(*range(len(shape))[::-1]) if fortran else numbers.reshape(shape)


def number(data: Any, dtype: Any) -> Any:
    """The Python number of a recorded numpy scalar; None for one of another kind."""
    kind = _dtype(dtype)
    if kind is None or not isinstance(data, bytes) or len(data) != kind.itemsize:
        return None
    return np.frombuffer(data, dtype=kind)[0].item()


def _dtype(value: Any) -> np.dtype[Any] | None:
    """The plain number format that a recorded numpy dtype stands for."""
    if not isinstance(value, Inert) or value.name != "numpy.dtype" or not value.args:
        return None
    code, state = value.args[0], value.state
    if not isinstance(code, str) or not re.fullmatch(r"b1|[iu][1248]|f[248]", code):
        return None
    big = isinstance(state, tuple) and len(state) > 1 and state[1] == ">"
    return np.dtype((">" if big else "<") + code)
