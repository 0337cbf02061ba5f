"""What is known of the published stage 2 networks, for files that lost their configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

V1_PHONES = 322


def family_of(tensors: Mapping[str, Tensor]) -> str:
    """v1, v2, v2Pro or v2ProPlus: what the public names and shapes of a stage 2 say."""
    if "sv_emb.weight" in tensors:
        first = tensors.get("dec.ups.0.weight_v")
        return "v2ProPlus" if first is not None and first.shape[-1] == 20 else "v2Pro"
    table = tensors.get("enc_p.text_embedding.weight")
    return "v1" if table is not None and table.shape[0] == V1_PHONES else "v2"


def model_of(family: str) -> dict[str, Any]:
    """The `model` section that the published files of a family carry, for a file that has none."""
    plus, pro = family == "v2ProPlus", family in ("v2Pro", "v2ProPlus")
    return {
        "inter_channels": 192,
        "hidden_channels": 192,
        "filter_channels": 768,
        "n_heads": 2,
        "n_layers": 6,
        "kernel_size": 3,
        "p_dropout": 0.0 if pro else 0.1,
        "resblock": "1",
        "resblock_kernel_sizes": [3, 7, 11],
        "resblock_dilation_sizes": [[1, 3, 5], [1, 3, 5], [1, 3, 5]],
        "upsample_rates": [10, 8, 2, 2, 2],
        "upsample_initial_channel": 768 if plus else 512,
        "upsample_kernel_sizes": [20 if plus else 16, 16, 8, 2, 2],
        "n_layers_q": 3,
        "use_spectral_norm": False,
        "gin_channels": 1024 if pro else 512,
        "semantic_frame_rate": "25hz",
        "freeze_quantizer": True,
        "version": family,
    }
