"""Hugging Face folders: a `config.json` beside weights in one file or in several."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from gpt_sovits.core.errors import CheckpointError
from gpt_sovits.core.foreign.reader import read_foreign
from gpt_sovits.core.foreign.weights import state_dict

WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
LARGEST_TEXT = 32 << 20
MOST_SHARDS = 1000


def read_folder(folder: str | Path, *, tensors: bool = True) -> dict[str, Tensor]:
    """The weights of a folder; safetensors is preferred.

    Raises:
        CheckpointError: there are none, a part is missing or damaged, or a file is a link that leads out of the folder.
    """
    folder = Path(folder)
    for name in WEIGHTS:
        if (folder / name).exists() or (folder / name).is_symlink():
            path = inside(folder, name)
            return _read_shards(folder, path, tensors) if path.suffix == ".json" else _read(path, tensors)
    raise CheckpointError(f"{folder} holds no weights: put {WEIGHTS[0]} or {WEIGHTS[2]} there")


def read_folder_config(folder: str | Path, model_type: str) -> dict[str, Any]:
    """Content of `config.json`.

    Raises:
        CheckpointError: there is none, it is not JSON, or it describes another kind of network.
    """
    folder = Path(folder)
    if not (folder / "config.json").is_file():
        raise CheckpointError(f"{folder} is not a Hugging Face model folder: it has no readable config.json")
    path = inside(folder, "config.json")
    config = read_json(path)
    found = config.get("model_type") if isinstance(config, dict) else None
    if found != model_type:
        raise CheckpointError(f"{path} describes a model of type {found!r}, not {model_type!r}")
    return config


def read_json(path: Path) -> Any:
    """A JSON file of moderate size.

    Raises:
        CheckpointError: missing, too large or not JSON.
    """
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST_TEXT + 1)
        if len(text) > LARGEST_TEXT:
            raise CheckpointError(f"{path} is far too large for a description: download the folder again")
        return json.loads(text)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror or error}): check the path") from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not valid JSON ({error}): download it again") from error


def inside(folder: Path, name: str) -> Path:
    """A file of a folder that really lies in it.

    The cache of the Hugging Face tools is the one exception: its files are links from `snapshots` into `blobs` of the
    same repository folder.

    Raises:
        CheckpointError: it is missing, or a link leads elsewhere.
    """
    path = folder / name
    if Path(name).is_absolute() or len(Path(name).parts) != 1 or name in ("", ".", "..") or "\\" in name:
        raise CheckpointError(f"{folder} refers to the file {name!r}, which lies outside it: do not use it")
    try:
        real, home = path.resolve(strict=True), folder.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise CheckpointError(f"{path} is missing: download the folder again") from error
    if real.parent != home and real.parent != cache_of(home):
        raise CheckpointError(f"{path} is a link that leads out of its folder, to {real}: put the file itself there")
    return path


def cache_of(home: Path) -> Path | None:
    """Where the Hugging Face tools keep the files that a folder anywhere below their `snapshots` links to."""
    snapshots = next((place for place in home.parents if place.name == "snapshots"), None)
    return None if snapshots is None else snapshots.parent / "blobs"


def _read(path: Path, tensors: bool) -> dict[str, Tensor]:
    return state_dict(read_foreign(path, tensors=tensors).tree, str(path))


def _read_shards(folder: Path, index: Path, tensors: bool) -> dict[str, Tensor]:
    content = read_json(index)
    table = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(table, dict) or not table or not all(isinstance(name, str) for name in table.values()):
        raise CheckpointError(f"{index} does not say which tensor is in which file: download it again")
    shards = sorted(set(table.values()))
    if len(shards) > MOST_SHARDS:
        raise CheckpointError(f"{index} names {len(shards)} files, far too many: do not use it")
    found: dict[str, Tensor] = {}
    for shard in shards:
        state = _read(inside(folder, shard), tensors)
        wanted = {name for name, file in table.items() if file == shard}
        if not wanted <= state.keys():
            missing = sorted(wanted - state.keys())[0]
            raise CheckpointError(f"{folder / shard} lacks {missing}, which {index.name} promises: download it again")
        found.update({name: state[name] for name in wanted})
    return found
