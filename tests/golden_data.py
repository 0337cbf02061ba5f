"""Deterministic weights and stored expected outputs for the golden tests."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

ROOT = Path(__file__).parent / "golden"

_spec = importlib.util.spec_from_file_location("golden_fill", ROOT / "fill.py")
assert _spec is not None and _spec.loader is not None
_fill = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_fill)

unit, gauss, ints, raw_u01, waveform = _fill.unit, _fill.gauss, _fill.ints, _fill.raw_u01, _fill.waveform
fill, fill_numpy, value_for = _fill.fill, _fill.fill_numpy, _fill.value_for


def golden(name: str) -> dict[str, np.ndarray]:
    """Arrays of one stored case."""
    with np.load(ROOT / f"{name}.npz") as data:
        return {key: data[key] for key in data.files}


def golden_json(name: str) -> Any:
    """Content of one stored JSON case."""
    return json.loads((ROOT / f"{name}.json").read_text(encoding="utf8"))


def keys(name: str) -> dict[str, tuple[list[int], str]]:
    """Shapes and dtypes of a public state dict, by key."""
    table = json.loads((ROOT / "keys" / f"{name}.json").read_text(encoding="utf8"))
    return table.get("keys", table)


def weights(name: str) -> dict[str, Tensor]:
    """A public state dict with deterministic values."""
    table = keys(name)
    return {
        key: torch.from_numpy(np.asarray(value, dtype=np.float32)).reshape(tuple(table[key][0]))
        for key, value in fill_numpy(table).items()
        if value is not None
    }


def float32(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.asarray(array, dtype=np.float32))


def assert_close(actual: Tensor | np.ndarray, expected: Tensor | np.ndarray, tolerance: float = 1e-4) -> None:
    """Largest difference at most `tolerance` of the largest expected magnitude."""
    a, e = torch.as_tensor(actual).detach().double(), torch.as_tensor(expected).detach().double()
    assert a.shape == e.shape, f"shape {tuple(a.shape)}, expected {tuple(e.shape)}"
    worst, scale = (a - e).abs().max().item(), e.abs().max().item()
    assert worst <= tolerance * max(scale, 1e-12), f"differs by {worst:.3g} of {scale:.3g}"
