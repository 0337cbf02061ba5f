"""Giving a voice model back as files that the public GPT-SoVITS loads."""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ar.config import Text2SemanticConfig
from ar.convert import load_text2semantic
from ar.convert import to_public as s1_to_public
from gpt_sovits.core.bundle import Bundle, PartName, find_model
from gpt_sovits.core.checkpoint import FLOW_KIND, Checkpoint, load_checkpoint
from gpt_sovits.core.config import parse_config
from gpt_sovits.core.errors import CheckpointError
from gpt_sovits.core.files import atomic_path
from gpt_sovits.core.lora import load_adapter, merge_adapter
from gpt_sovits.exchange.defaults import s1_config, s2_config
from gpt_sovits.exchange.families import WRITTEN_HEADS
from gpt_sovits.exchange.layout import public_order
from sovits.checkpoint import load_sovits
from sovits.config import SynthesizerConfig
from sovits.convert import to_public as s2_to_public
from sovits.published import family_of


def export_model(name: str | Path, folder: str | Path, overwrite: bool = False) -> list[Path]:
    """Write `NAME.ckpt` and `NAME.pth`: half precision, in the public order, with configuration, note and head.

    Equal weights give equal bytes (under one version of PyTorch). A model that came from public files gives back their
    tensors, configuration, note and head; the posterior encoder is written where the file had it, else left out, as the
    public project does.

    Raises:
        CheckpointError: the model has parts that the public networks do not, or a file exists.
    """
    bundle, target = find_model(name), Path(folder)
    jobs: list[tuple[PartName, Path]] = []
    for part, suffix in (("s1", ".ckpt"), ("s2", ".pth")):
        if bundle.part(part) is not None:  # type: ignore[arg-type]
            jobs.append((part, target / f"{bundle.manifest.name}{suffix}"))  # type: ignore[arg-type]
    taken = [str(path) for _, path in jobs if path.exists()]
    if taken and not overwrite:
        raise CheckpointError(
            f"{' and '.join(taken)} exist already: choose another folder, or allow it with --overwrite"
        )
    images = [(path, public_image(bundle, part)) for part, path in jobs]
    for path, image in images:
        with atomic_path(path) as temporary:
            temporary.write_bytes(image)
    return [path for path, _ in images]


def public_image(bundle: Bundle, part: PartName) -> bytes:
    """The bytes of one public file."""
    path = bundle.need(part)
    file = load_checkpoint(path)
    if part in ("s1", "s2") and file.kind == part:
        file = _with_adapter(file, bundle, part)
    try:
        content, head = (_s1 if part == "s1" else _s2)(file, path)
    except CheckpointError as error:
        raise CheckpointError(f"{bundle.manifest.name} cannot be given to the public GPT-SoVITS: {error}") from error
    return public_bytes(content, head)


def _with_adapter(file: Checkpoint, bundle: Bundle, stage: Literal["s1", "s2"]) -> Checkpoint:
    """The weights with what an adapter adds to them, which the public networks of these families have no place for."""
    path = bundle.part("s1_adapter" if stage == "s1" else "s2_adapter")
    if path is None:
        return file
    load: Callable[..., nn.Module] = load_text2semantic if stage == "s1" else load_sovits
    network = load(bundle.need(stage), dtype="float32")
    merge_adapter(network, load_adapter(path, stage))
    return replace(file, tensors=dict(network.state_dict()), info={"steps": load_checkpoint(path).info.get("steps", 0)})


def public_bytes(content: dict[str, Any], head: bytes = b"PK") -> bytes:
    """A torch zip file, with `head` in place of its first two bytes."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    image = bytearray(buffer.getbuffer())
    image[:2] = head
    return bytes(image)


def _s1(file: Checkpoint, path: Path) -> tuple[dict[str, Any], bytes]:
    public = file.info.get("public", {})
    config = public.get("config") or s1_config(parse_config(Text2SemanticConfig, file.config, str(path)))
    info = public.get("info") or f"GPT-e{file.info.get('epochs', 0)}"
    return _content(s1_to_public(file.tensors), config, info), b"PK"


def _s2(file: Checkpoint, path: Path) -> tuple[dict[str, Any], bytes]:
    public = file.info.get("public", {})
    if file.kind == FLOW_KIND:
        tensors = {name: file.tensors[name] for name in public.get("order", file.tensors)}
        content = _content(tensors, file.config, public.get("info", ""), ordered=False)
        if public.get("lora_rank") is not None:
            content["lora_rank"] = public["lora_rank"]
        return content, str(public.get("head", "PK")).encode("latin1")
    config = parse_config(SynthesizerConfig, file.config, str(path))
    tensors = file.tensors
    if not any(".parametrizations." in name for name in tensors):
        tensors = dict(load_sovits(path, dtype="float32").state_dict())
    if "posterior" not in public.get("parts", ()):
        tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith("posterior.")}
    weights = s2_to_public(tensors, len(getattr(config.generator.blocks, "kernels", ())))
    family = family_of(weights)
    known = str(public.get("head", "PK")).encode("latin1")
    head = WRITTEN_HEADS.get(family, known)
    values = s2_config(config, family)
    info = public.get("info") or f"0epoch_{file.info.get('steps', 0)}iteration"
    return _content(weights, public.get("config") or values, info), head


def _content(weights: dict[str, Tensor], config: dict[str, Any], info: str, ordered: bool = True) -> dict[str, Any]:
    names = public_order(weights) if ordered else list(weights)
    halves = OrderedDict((name, _half(name, weights[name])) for name in names)
    return OrderedDict(weight=halves, config=config, info=info)


def _half(name: str, tensor: Tensor) -> Tensor:
    half = tensor.detach().half().clone().contiguous()
    if not half.isfinite().all():
        raise CheckpointError(f"{name} holds numbers beyond half precision, which public files are written in")
    return half
