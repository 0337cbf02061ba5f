"""What a weights file of the public GPT-SoVITS holds beside its tensors: configuration, note, head."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from gpt_sovits.core.checkpoint import FORMAT
from gpt_sovits.core.errors import CheckpointError
from gpt_sovits.core.foreign import ForeignFile, as_dict, plain, read_foreign, state_dict


@dataclass(frozen=True, slots=True)
class Release:
    """A public weights file, read."""

    file: ForeignFile
    tensors: dict[str, Tensor]
    """Names as in the file."""
    config: dict[str, Any]
    """The configuration beside the weights, as plain values; empty when there is none."""
    info: str
    """The note of the training that wrote it, such as `GPT-e15`."""
    rank: int | None
    """Of a LoRA file."""

    @property
    def model(self) -> dict[str, Any]:
        """The part of the configuration that describes the network."""
        found = self.config.get("model", {})
        return found if isinstance(found, dict) else {}


def is_ours(path: str | Path) -> bool:
    """Whether this project wrote the file: safetensors with our mark in its metadata."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            head = file.read(min(size, 1 << 20)).replace(b'": "', b'":"')  # other programs write it without the space
            return size < path.stat().st_size and f'"format":"{FORMAT}"'.encode() in head
    except OSError:
        return False


def read_release(path: str | Path, *, tensors: bool = True) -> Release:
    """Read a public weights file; nothing in it is executed.

    Args:
        tensors: False gives tensors without content, which is enough to see what the file is.

    Raises:
        CheckpointError: missing, damaged, hostile, or without weights.
    """
    path = Path(path)
    if not path.exists():
        raise CheckpointError(f"the weights file {path} does not exist")
    file = read_foreign(path, tensors=tensors)
    tree: dict[Any, Any] = file.tree if isinstance(file.tree, dict) else {}
    config: Any = next((tree[name] for name in ("config", "hyper_parameters", "h") if name in tree), {})
    values = as_dict(config) if not isinstance(config, str) else {}
    if "hyper_parameters" in tree and isinstance(values.get("config"), dict):
        values = values["config"]
    rank = tree.get("lora_rank")
    return Release(
        file=file,
        tensors=state_dict(file.tree, str(path)),
        config=to_json(values),
        info=str(plain(tree.get("info", ""))),
        rank=rank if isinstance(rank, int) else None,
    )


def to_json(value: Any) -> Any:
    """`value` in the types that JSON has; anything else becomes its text."""
    value = plain(value)
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [to_json(item) for item in value]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return value.tolist() if isinstance(value, Tensor) and value.numel() == 1 else str(value)
