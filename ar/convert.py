"""Parameter names here and in the public GPT-SoVITS, both ways, and our weights file."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ar.config import Text2SemanticConfig
from ar.model import Text2SemanticDecoder
from gpt_sovits.core.checkpoint import load_checkpoint, place_weights, save_checkpoint
from gpt_sovits.core.config import parse_config
from gpt_sovits.core.device import pick_dtype
from gpt_sovits.core.errors import CheckpointError
from gpt_sovits.core.late import HALF, widen_on_use
from gpt_sovits.core.public import is_ours, read_release
from gpt_sovits.core.skeleton import skeleton

KIND = "s1"

# (public, ours)
_WHOLE = (
    ("bert_proj.", "bert."),
    ("ar_text_embedding.word_embeddings.", "text_embedding."),
    ("ar_text_position.", "text_position."),
    ("ar_audio_embedding.word_embeddings.", "code_embedding."),
    ("ar_audio_position.", "code_position."),
    ("ar_predict_layer.", "head."),
)
_LAYER = (
    ("self_attn.in_proj_", "attention.input."),
    ("self_attn.out_proj.", "attention.output."),
    ("linear1.", "feed_in."),
    ("linear2.", "feed_out."),
    ("norm1.", "attention_norm."),
    ("norm2.", "feed_norm."),
)


def from_public(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Our names for a public state dict; the leading `model.` may be there or not.

    Raises:
        CheckpointError: a name that no public text-to-semantic model has.
    """
    return _rename(state, lambda name: _map(name.removeprefix("model."), r"h\.layers\.", "layers.", 0))


def to_public(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Public names, with the leading `model.`, for one of our state dicts."""
    return _rename(state, lambda name: "model." + _map(name, r"layers\.", "h.layers.", 1))


def public_config(model: dict[str, Any], tensors: dict[str, Tensor] | None = None) -> Text2SemanticConfig:
    """Our config from the `model` part of a public one.

    Args:
        model: empty for a file that lost its configuration: then it is that of the published networks, which all have
            the same sizes but for the phones.
        tensors: the weights under our names, which tell the number of phones.

    Raises:
        CheckpointError: it lacks a size, or names one that this network cannot have.
    """
    if not model and tensors is not None and "text_embedding.weight" in tensors:
        return Text2SemanticConfig(phones=tensors["text_embedding.weight"].shape[0])
    try:
        if model["embedding_dim"] != model["hidden_dim"]:
            found = f"embedding_dim {model['embedding_dim']} and hidden_dim {model['hidden_dim']}"
            raise CheckpointError(f"{found} of a text-to-semantic model must agree")
        values = {
            "width": model["hidden_dim"],
            "heads": model["head"],
            "layers": model["n_layer"],
            "feed_forward": model.get("linear_units", 4 * model["hidden_dim"]),
            "phones": model["phoneme_vocab_size"],
            "codes": model["vocab_size"],
            "eos": model["EOS"],
            "embedding_dropout": model.get("dropout", 0.0),
        }
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"the configuration of a text-to-semantic model lacks {error}") from error
    return parse_config(Text2SemanticConfig, values, "the configuration beside the weights")


def load_text2semantic(
    path: str | Path, device: torch.device | str = "cpu", dtype: str | torch.dtype = "auto"
) -> Text2SemanticDecoder:
    """Read one of our files (kind "s1") or a public one (`.ckpt`), in evaluation mode.

    Args:
        dtype: number format of the weights; auto: half precision on a CUDA device, float32 elsewhere, where layers of
            a file in half precision are widened when they are first used.

    Raises:
        CheckpointError: missing, damaged, of another kind, or not fitting its own config.
    """
    config, tensors = _read_ours(path) if is_ours(path) else _read_public(path)
    with skeleton():
        model = Text2SemanticDecoder(config)
    wanted = pick_dtype(dtype, device)
    late = dtype == "auto" and wanted == torch.float32
    place_weights(model, tensors, str(path), wanted, device, HALF if late else ())
    if late:
        widen_on_use(model)
    return model.eval()


def _read_ours(path: str | Path) -> tuple[Text2SemanticConfig, dict[str, Tensor]]:
    checkpoint = load_checkpoint(Path(path), KIND)
    return parse_config(Text2SemanticConfig, checkpoint.config, str(path)), checkpoint.tensors


def _read_public(path: str | Path) -> tuple[Text2SemanticConfig, dict[str, Tensor]]:
    release = read_release(path)
    tensors = from_public(release.tensors)
    return public_config(release.model, tensors), tensors


def save_text2semantic(
    path: str | Path,
    model: Text2SemanticDecoder,
    info: dict[str, Any] | None = None,
    dtype: torch.dtype | None = torch.float16,
) -> None:
    """Write weights and config; `dtype` None keeps the model's own number format."""
    save_checkpoint(Path(path), KIND, model.config, dict(model.state_dict()), info, dtype)


def _rename(state: dict[str, Tensor], name: Callable[[str], str]) -> dict[str, Tensor]:
    return {name(key): tensor for key, tensor in state.items()}


def _map(name: str, layer: str, prefix: str, source: int) -> str:
    match = re.match(rf"{layer}(\d+)\.(.*)", name)
    head, rest, table = (f"{prefix}{match[1]}.", match[2], _LAYER) if match else ("", name, _WHOLE)
    for row in table:
        if rest.startswith(row[source]):
            return head + row[1 - source] + rest[len(row[source]) :]
    raise CheckpointError(f"{name} is not a parameter of a text-to-semantic model: this file is of another model")
