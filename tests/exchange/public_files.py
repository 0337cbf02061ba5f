"""Files in the containers of the public GPT-SoVITS, with deterministic weights."""

from __future__ import annotations

import gzip
import io
import json
import sys
import types
from collections import OrderedDict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.golden_data import value_for

HERE = Path(__file__).parent
HEADS = {"v2Pro": b"05", "v2ProPlus": b"06"}


@cache
def tables() -> dict[str, Any]:
    """Names, shapes and configurations of the public networks, full size and small."""
    found: dict[str, Any] = json.loads(gzip.decompress((HERE / "tables.json.gz").read_bytes()))
    return found


def meta(name: str, dtype: torch.dtype | None = None) -> dict[str, Tensor]:
    """A state dict without content."""
    rows = tables()[name]["keys"]
    return {
        key: torch.empty(shape, dtype=dtype or getattr(torch, kind), device="meta")
        for key, (shape, kind) in rows.items()
    }


@cache
def filled(name: str) -> dict[str, Tensor]:
    """A state dict with deterministic values; read-only."""
    found: dict[str, Tensor] = {}
    for key, (shape, kind) in tables()[name]["keys"].items():
        value = value_for(key, shape, kind.startswith("float"))
        array = np.zeros(shape) if value is None else value
        found[key] = torch.from_numpy(np.asarray(array, dtype=np.float32)).reshape(shape).to(getattr(torch, kind))
    return found


def s2_config(name: str) -> dict[str, Any]:
    """The configuration beside stage 2 weights of a table."""
    config = tables()[name]["config"]
    if "file" in config:
        return {**config["file"], "version": config["ctor"]["version"]}
    full: dict[str, Any] = s2_config("s2G_v2")
    model = config.get("ctor", config)
    return {**full, "model": model, "version": model["version"]}


class HParams:
    """Like the public class of this name: attributes, some of them of the same class."""

    def __init__(self, **values: Any) -> None:
        for name, value in values.items():
            setattr(self, name, HParams(**value) if isinstance(value, dict) else value)


def public_bytes(content: Any, head: bytes = b"PK") -> bytes:
    """What torch writes, `utils.HParams` under that name, with another head."""
    module = types.ModuleType("utils")
    module.HParams = HParams  # type: ignore[attr-defined]
    HParams.__module__ = "utils"
    before = sys.modules.get("utils")
    sys.modules["utils"] = module
    buffer = io.BytesIO()
    try:
        torch.save(content, buffer)
    finally:
        HParams.__module__ = __name__
        if before is None:
            del sys.modules["utils"]
        else:
            sys.modules["utils"] = before
    return head + buffer.getvalue()[2:]


def write_s1(path: Path, name: str = "s1_small", dtype: torch.dtype = torch.float16) -> Path:
    """A GPT `.ckpt`."""
    weight = OrderedDict((key, tensor.to(dtype)) for key, tensor in filled(name).items())
    content = OrderedDict(weight=weight, config=tables()[name]["config"], info="GPT-e15")
    path.write_bytes(public_bytes(content))
    return path


def write_s2(
    path: Path,
    name: str = "s2G_v2_small",
    dtype: torch.dtype = torch.float16,
    posterior: bool = False,
    plain: bool = False,
) -> Path:
    """A SoVITS `.pth`, its configuration an HParams object unless `plain`."""
    config = s2_config(name)
    weight = OrderedDict(
        (key, tensor.to(dtype)) for key, tensor in filled(name).items() if posterior or "enc_q" not in key
    )
    content = OrderedDict(weight=weight, config=config if plain else HParams(**config), info="8epoch_120iteration")
    path.write_bytes(public_bytes(content, HEADS.get(config["version"], b"PK")))
    return path
