"""Reading Hugging Face folders: a `config.json` beside `model.safetensors` or `pytorch_model.bin`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from gpt_sovits.core.errors import CheckpointError

_WEIGHTS = ("model.safetensors", "pytorch_model.bin")


def read_folder_config(folder: Path, model_type: str) -> dict[str, Any]:
    """Content of `config.json`.

    Raises:
        CheckpointError: there is none, it is not JSON, or it describes another kind of network.
    """
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf8"))
    except OSError as error:
        raise CheckpointError(f"{folder} is not a Hugging Face model folder: it has no readable config.json") from error
    except ValueError as error:
        raise CheckpointError(f"{path} is not valid JSON: {error}") from error
    found = config.get("model_type") if isinstance(config, dict) else None
    if found != model_type:
        raise CheckpointError(f"{path} describes a model of type {found!r}, not {model_type!r}")
    return config


def read_folder_weights(folder: Path) -> dict[str, Tensor]:
    """The state dict of the folder; safetensors is preferred.

    Raises:
        CheckpointError: there is no weights file, or it cannot be read.
    """
    for name in _WEIGHTS:
        if (folder / name).is_file():
            return read_state_dict(folder / name)
    raise CheckpointError(f"{folder} holds no weights: put {' or '.join(_WEIGHTS)} there")


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Names and tensors of a safetensors file or of a PyTorch state dict; nothing in the file is executed.

    Raises:
        CheckpointError: missing, damaged, or not a mapping of names to tensors.
    """
    if not path.is_file():
        raise CheckpointError(f"the weights file {path} does not exist")
    if path.suffix == ".safetensors":
        try:
            return dict(load_file(path))
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{path} is not a readable safetensors file: {error}") from error
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises half a dozen types for a damaged file
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{path} is not a readable PyTorch weights file ({reason}): download it again") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(f"{path} does not hold a plain state dict of names and tensors")
    return {str(name): value for name, value in state.items()}
