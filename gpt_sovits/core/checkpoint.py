"""The project's own weights file: one `.safetensors` whose metadata says what it is and how to build it.

Metadata keys: `format` ("gpt-sovits"), `version` ("1"), `kind` (such as "s1", "s2", "hubert"), `config` (JSON),
`info` (JSON, free: epoch, steps, training data).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from gpt_sovits.core.errors import CheckpointError
from gpt_sovits.core.files import atomic_path
from gpt_sovits.core.mapped import map_tensors

FORMAT = "gpt-sovits"
VERSION = "1"
NO_DECODER = (
    "has a v3 or v4 decoder, which can be kept but not yet spoken with or trained: "
    "use a v1, v2, v2Pro or v2ProPlus model"
)
SCALE = ".scale"
"""What is put to a weight's name for the scales of its rows."""
LARGE = 4096
"""Numbers; a smaller weight is not worth bytes and scales."""
FLOW_KIND = "s2_flow"
"""Weights of such a decoder, or of a LoRA over one, under their public names."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What one file holds."""

    kind: str
    config: dict[str, Any]
    tensors: dict[str, Tensor]
    info: dict[str, Any]


def save_checkpoint(
    path: Path,
    kind: str,
    config: BaseModel | dict[str, Any],
    tensors: dict[str, Tensor],
    info: dict[str, Any] | None = None,
    dtype: torch.dtype | None = None,
) -> None:
    """Write weights and config atomically; floating tensors are cast to `dtype` when given.

    Args:
        dtype: int8 keeps large weights as bytes with one scale a row, for a small file, and the rest in half precision.
    """
    values = config.model_dump(mode="json") if isinstance(config, BaseModel) else config
    metadata = {
        "format": FORMAT,
        "version": VERSION,
        "kind": kind,
        "config": json.dumps(values, sort_keys=True),
        "info": json.dumps(info or {}, sort_keys=True),
    }
    ready = {
        stored: t.detach().cpu().clone().contiguous()
        for name, tensor in tensors.items()
        for stored, t in _stored(name, tensor, dtype).items()
    }
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.writelines(_with_metadata(save(ready), metadata))


@torch.inference_mode(False)  # weights made in that mode could not be computed with outside of it
def load_checkpoint(path: Path, kind: str | None = None) -> Checkpoint:
    """Read one of our files; its tensors are mapped, and read from the disk when they are first used.

    Raises:
        CheckpointError: missing, not safetensors, not ours, or of another kind than asked for.
    """
    if not path.is_file():
        raise CheckpointError(f"the weights file {path} does not exist")
    try:
        with safe_open(path, framework="pt") as f:
            metadata = f.metadata() or {}
            _check(path, metadata, kind)
        tensors = map_tensors(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is not a readable safetensors file: {error}") from error
    try:
        config, info = json.loads(metadata["config"]), json.loads(metadata["info"])
    except (KeyError, ValueError) as error:
        raise CheckpointError(f"{path} has lost its configuration ({error}): save or download it again") from error
    return Checkpoint(metadata["kind"], config, _widened(tensors), info)


def load_weights(module: nn.Module, tensors: dict[str, Tensor], origin: str) -> None:
    """Load strictly, in the module's own number format; a failure names the first keys that do not fit."""
    check_fit(module, tensors, origin)
    module.load_state_dict(tensors, strict=True)


@torch.inference_mode(False)
def place_weights(
    module: nn.Module,
    tensors: dict[str, Tensor],
    origin: str,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    keep: tuple[torch.dtype, ...] = (),
) -> None:
    """Load strictly into a module made under `skeleton`; `tensors` is emptied on the way.

    One tensor after the other takes its place, so that at no time two copies of the weights are in memory. What has
    the number format already stays mapped to its file until it is changed.

    Args:
        keep: formats that stay as they are, see `gpt_sovits.core.late`.

    Raises:
        CheckpointError: names the first keys that do not fit.
    """
    check_fit(module, tensors, origin)
    ready: dict[str, Tensor] = {}
    for name in list(tensors):
        tensor = tensors.pop(name)
        cast = tensor.is_floating_point() and tensor.dtype not in keep
        ready[name] = tensor.to(device, dtype) if cast else tensor.to(device)
    module.load_state_dict(ready, strict=True, assign=True)
    module.to(device)  # tables that are computed, not stored


def check_fit(module: nn.Module, tensors: dict[str, Tensor], origin: str) -> None:
    """Make sure that weights have exactly the names and shapes of a module.

    Raises:
        CheckpointError: names the first keys that do not fit.
    """
    wanted = module.state_dict()
    missing = sorted(wanted.keys() - tensors.keys())
    unexpected = sorted(tensors.keys() - wanted.keys())
    shapes = [k for k in wanted.keys() & tensors.keys() if wanted[k].shape != tensors[k].shape]
    faults = [
        f"{word} {', '.join(sorted(keys)[:3])}{' …' if len(keys) > 3 else ''}"
        for word, keys in (("lacks", missing), ("has unknown", unexpected), ("has another shape of", shapes))
        if keys
    ]
    if faults:
        raise CheckpointError(f"{origin} does not fit {type(module).__name__}: it {'; it '.join(faults)}")


def _stored(name: str, tensor: Tensor, dtype: torch.dtype | None) -> dict[str, Tensor]:
    """What is written of a tensor, by name."""
    if dtype is None or not tensor.is_floating_point():
        return {name: tensor}
    if dtype != torch.int8:
        return {name: tensor.to(dtype)}
    weight = name.endswith((".weight", ".original1"))  # a codebook is no weight: its codes would change
    if not weight or tensor.ndim < 2 or tensor.numel() < LARGE:
        return {name: tensor.half()}
    rows = tensor.detach().float().flatten(1)
    scale = rows.abs().amax(1).clamp(min=1e-12) / 127
    return {name: (rows / scale[:, None]).round().to(torch.int8).view_as(tensor), name + SCALE: scale}


def _widened(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Bytes and scales to weights in half precision."""
    found = {}
    for name, tensor in tensors.items():
        scale = tensors.get(name + SCALE)
        if scale is not None and tensor.dtype == torch.int8:
            found[name] = (tensor.flatten(1).float() * scale[:, None]).half().view_as(tensor)
        elif not (name.endswith(SCALE) and name.removesuffix(SCALE) in tensors):
            found[name] = tensor
    return found


def _with_metadata(data: bytes, metadata: dict[str, str]) -> tuple[bytes, memoryview]:
    """Put `metadata` into a safetensors image; the library's own writer orders it differently in every process.

    The same weights therefore always give the same bytes, and one checksum.
    """
    size = int.from_bytes(data[:8], "little")
    header = json.dumps({"__metadata__": metadata, **json.loads(data[8 : 8 + size])}, ensure_ascii=False).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header, memoryview(data)[8 + size :]


def _check(path: Path, metadata: dict[str, str], kind: str | None) -> None:
    if metadata.get("format") != FORMAT:
        raise CheckpointError(f"{path} is a safetensors file of another program; import it first")
    if metadata.get("version") != VERSION:
        raise CheckpointError(f"{path} has format version {metadata.get('version')}; this program reads {VERSION}")
    if metadata.get("kind") == FLOW_KIND and kind == "s2":
        raise CheckpointError(f"{path} {NO_DECODER}")
    if "kind" not in metadata or kind not in {None, metadata["kind"]}:
        raise CheckpointError(f"{path} holds a {metadata.get('kind')} model, not a {kind} model")
