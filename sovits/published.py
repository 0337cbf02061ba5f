"""The published stage 2 networks: which a file is of, and the configuration that public files carry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from gpt_sovits.core.config import load_config
from gpt_sovits.core.errors import CheckpointError
from sovits.config import ConvHead, ResidualBlocks, SynthesizerConfig

V1_PHONES = 322


def family_of(tensors: Mapping[str, Tensor]) -> str:
    """v1, v2, v2Pro or v2ProPlus: what the public names and shapes of a stage 2 say."""
    if "sv_emb.weight" in tensors:
        first = tensors.get("dec.ups.0.weight_v")
        return "v2ProPlus" if first is not None and first.shape[-1] == 20 else "v2Pro"
    table = tensors.get("enc_p.text_embedding.weight")
    return "v1" if table is not None and table.shape[0] == V1_PHONES else "v2"


def public_model(config: SynthesizerConfig, family: str) -> dict[str, Any]:
    """The `model` section of a public stage 2 file.

    Raises:
        CheckpointError: the public network has no such form.
    """
    generator, blocks = config.generator, config.generator.blocks
    if not isinstance(blocks, ResidualBlocks) or not isinstance(generator.head, ConvHead) or generator.widths:
        raise CheckpointError("its generator has blocks or a head that the public network does not have")
    return {
        "inter_channels": config.inter,
        "hidden_channels": config.hidden,
        "filter_channels": config.prior.filter,
        "n_heads": config.prior.heads,
        "n_layers": config.prior.text_layers,
        "kernel_size": config.prior.kernel,
        "p_dropout": config.prior.dropout,
        "resblock": "1",
        "resblock_kernel_sizes": list(blocks.kernels),
        "resblock_dilation_sizes": [list(row) for row in blocks.dilations],
        "upsample_rates": list(generator.rates),
        "upsample_initial_channel": generator.channels,
        "upsample_kernel_sizes": list(generator.kernels),
        "n_layers_q": 3,
        "use_spectral_norm": False,
        "gin_channels": config.style.width,
        "semantic_frame_rate": "25hz",
        "freeze_quantizer": True,
        "version": family,
    }


def model_of(family: str) -> dict[str, Any]:
    """The `model` section that the published files of a family carry, for a file that has none."""
    return public_model(load_config(SynthesizerConfig, f"model/{family.lower()}"), family)
