"""HuBERT and ContentVec files of fairseq, read without fairseq: their names, and the network from its shapes."""

from __future__ import annotations

import re
from typing import Any

from torch import Tensor

from gpt_sovits.core.errors import CheckpointError
from gpt_sovits.core.foreign import as_dict, find_weights, state_dict

_SIGN = "feature_extractor.conv_layers.0.0.weight"
_STRIDES = (5, 2, 2, 2, 2, 2, 2)
_HEAD = 64
"""Width of an attention head in every published network."""
_RENAMED = (
    (r"mask_emb", "masked_spec_embed"),
    (r"layer_norm\.", "feature_projection.layer_norm."),
    (r"post_extract_proj\.", "feature_projection.projection."),
    (r"feature_extractor\.conv_layers\.(\d+)\.0\.", r"feature_extractor.conv_layers.\1.conv."),
    (r"feature_extractor\.conv_layers\.(\d+)\.2\.(1\.)?", r"feature_extractor.conv_layers.\1.layer_norm."),
    (r"encoder\.pos_conv\.0\.", "encoder.pos_conv_embed.conv."),
    (r"encoder\.layers\.(\d+)\.self_attn\.", r"encoder.layers.\1.attention."),
    (r"encoder\.layers\.(\d+)\.self_attn_layer_norm\.", r"encoder.layers.\1.layer_norm."),
    (r"encoder\.layers\.(\d+)\.fc1\.", r"encoder.layers.\1.feed_forward.intermediate_dense."),
    (r"encoder\.layers\.(\d+)\.fc2\.", r"encoder.layers.\1.feed_forward.output_dense."),
    (r"encoder\.layers\.(\d+)\.final_layer_norm\.", r"encoder.layers.\1.final_layer_norm."),
    (r"encoder\.layer_norm\.", "encoder.layer_norm."),
)
_UNUSED = ("label_embs_concat", "final_proj.")
"""Parts of the training objective; a ContentVec of 256 features also keeps its projection there."""
_CONVOLUTIONS = re.compile(r"\[\s*\(\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*\)\s*\]\s*(?:\*\s*(\d+))?")


def is_fairseq(tree: Any) -> bool:
    """Whether what a file holds is a HuBERT of fairseq."""
    return _SIGN in (find_weights(tree) or {})


def from_fairseq(tree: Any, origin: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Hugging Face configuration and state dict of a fairseq checkpoint.

    Args:
        tree: what the safe reader found in the file.
        origin: how to name the file in an error.

    Raises:
        CheckpointError: no HuBERT, or of a form that no published one has.
    """
    state = state_dict(tree, origin)
    if _SIGN not in state:
        raise CheckpointError(f"{origin} is not a HuBERT or ContentVec file of fairseq: it lacks {_SIGN}")
    config = _config(state, _settings(tree), origin)
    renamed = {_rename(name, origin): tensor for name, tensor in state.items() if not name.startswith(_UNUSED)}
    return config, renamed


def _rename(name: str, origin: str) -> str:
    for pattern, replacement in _RENAMED:
        match = re.match(pattern, name)
        if match is not None:
            return match.expand(replacement) + name[match.end() :]
    raise CheckpointError(f"{origin} holds {name}, which no HuBERT network has: use a HuBERT or ContentVec file")


def _settings(tree: Any) -> dict[str, Any]:
    """The model's part of the training configuration, of either generation of fairseq; empty where there is none."""
    settings = as_dict(tree.get("args") or {})
    newer = as_dict(tree.get("cfg") or {}).get("model")
    return {**settings, **newer} if isinstance(newer, dict) else settings


def _config(state: dict[str, Tensor], settings: dict[str, Any], origin: str) -> dict[str, Any]:
    """What the shapes say; the stored settings only where shapes are silent."""
    convolutions = [state[name] for name in _numbered(state, "feature_extractor.conv_layers.{}.0.weight")]
    layers = len(_numbered(state, "encoder.layers.{}.fc1.weight"))
    try:
        position = state["encoder.pos_conv.0.weight_v"]
        hidden, feed = state["post_extract_proj.weight"].shape[0], state["encoder.layers.0.fc1.weight"].shape[0]
    except KeyError as error:
        raise CheckpointError(f"{origin} lacks {error.args[0]}: it is not a HuBERT network, or damaged") from error
    if any(conv.ndim != 3 for conv in (*convolutions, position)):
        raise CheckpointError(f"{origin} has convolutions of another kind than HuBERT's: it is damaged")
    layered = "feature_extractor.conv_layers.0.2.1.weight" in state
    heads = settings.get("encoder_attention_heads")
    return {
        "model_type": "hubert",
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads if _fits(heads, hidden) else max(1, hidden // _HEAD),
        "intermediate_size": feed,
        "conv_dim": [conv.shape[0] for conv in convolutions],
        "conv_kernel": [conv.shape[2] for conv in convolutions],
        "conv_stride": _strides(settings, [tuple(conv.shape[::2]) for conv in convolutions]),
        "conv_bias": "feature_extractor.conv_layers.0.0.bias" in state,
        "num_feat_extract_layers": len(convolutions),
        "num_conv_pos_embeddings": position.shape[2],
        "num_conv_pos_embedding_groups": position.shape[0] // max(1, position.shape[1]),
        "feat_extract_norm": "layer" if layered else "group",
        "do_stable_layer_norm": bool(settings.get("layer_norm_first", layered)),
    }


def _fits(heads: Any, hidden: int) -> bool:
    return isinstance(heads, int) and 0 < heads <= hidden and hidden % heads == 0


def _strides(settings: dict[str, Any], layers: list[tuple[int, ...]]) -> list[int]:
    """Strides of the convolutions, from a text like `[(512,10,5)] + [(512,3,2)] * 4`; it is matched, not evaluated.

    Args:
        layers: width and kernel of each; a text that says otherwise is not believed.
    """
    text = settings.get("conv_feature_layers")
    found: list[tuple[int, ...]] = []
    if isinstance(text, str) and len(text) < 1000:
        for match in _CONVOLUTIONS.finditer(text):
            found += [(int(match[1]), int(match[2]), int(match[3]))] * min(int(match[4] or 1), len(layers) + 1)
    if [row[:2] for row in found] == layers and all(0 < row[2] < 100 for row in found):
        return [row[2] for row in found]
    return [*_STRIDES, *[2] * len(layers)][: len(layers)]


def _numbered(state: dict[str, Tensor], pattern: str) -> list[str]:
    """The names that `pattern` gives for 0, 1, 2 … as far as they are there."""
    names: list[str] = []
    while pattern.format(len(names)) in state:
        names.append(pattern.format(len(names)))
    return names
