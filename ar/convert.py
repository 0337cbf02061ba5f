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
from gpt_sovits.core.checkpoint import load_checkpoint, load_weights, save_checkpoint
from gpt_sovits.core.config import parse_config
from gpt_sovits.core.errors import CheckpointError

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


def public_config(model: dict[str, Any]) -> Text2SemanticConfig:
    """Our config from the `model` part of a public one."""
    if model["embedding_dim"] != model["hidden_dim"]:
        raise CheckpointError(f"embedding_dim {model['embedding_dim']} and hidden_dim {model['hidden_dim']} must agree")
    return Text2SemanticConfig(
        width=model["hidden_dim"],
        heads=model["head"],
        layers=model["n_layer"],
        feed_forward=model.get("linear_units", 4 * model["hidden_dim"]),
        phones=model["phoneme_vocab_size"],
        codes=model["vocab_size"],
        eos=model["EOS"],
        embedding_dropout=model.get("dropout", 0.0),
    )


def load_text2semantic(path: str | Path) -> Text2SemanticDecoder:
    """Read one of our files (kind "s1") as a float32 model on the CPU in evaluation mode.

    Raises:
        CheckpointError: missing, not ours, of another kind, or not fitting its own config.
    """
    checkpoint = load_checkpoint(Path(path), KIND)
    model = Text2SemanticDecoder(parse_config(Text2SemanticConfig, checkpoint.config, str(path)))
    load_weights(model, checkpoint.tensors, str(path))
    return model.eval()


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
