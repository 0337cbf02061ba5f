"""The small public stage 2 networks with their deterministic weights, and the inputs of their golden cases."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gpt_sovits.core.checkpoint import load_weights
from gpt_sovits.core.config import load_config
from sovits.config import GeneratorConfig, ResidualBlocks, SynthesizerConfig
from sovits.convert import config_from_public, from_public
from sovits.model import Synthesizer
from tests import golden_data

VERSIONS = ("v1", "v2", "v2Pro")


def public_weights(version: str) -> dict[str, Tensor]:
    return golden_data.weights(f"s2G_{version}_small")


def public_config(version: str) -> dict[str, Any]:
    """The `model` section stored beside the public key table."""
    table = json.loads((golden_data.ROOT / "keys" / f"s2G_{version}_small.json").read_text())
    config: dict[str, Any] = table["config"]
    return config


def small_model(version: str) -> Synthesizer:
    """A fresh copy, for tests that change it."""
    weights = public_weights(version)
    model = Synthesizer(config_from_public(public_config(version), weights))
    load_weights(model, from_public(weights), "the golden weights")
    return model.eval()


def tiny_config() -> SynthesizerConfig:
    """Debug size, but with the parts that public networks have, so that its weights have public names."""
    blocks = ResidualBlocks(kernels=(3, 5, 7), dilations=((1,), (1,), (1,)))
    generator = GeneratorConfig(channels=16, widths=(8, 8, 8, 8, 8), blocks=blocks)
    return load_config(SynthesizerConfig, "debug/s2").model_copy(update={"generator": generator})


def case(version: str, name: str) -> dict[str, Tensor]:
    """One stored case as tensors."""
    return {key: torch.from_numpy(value) for key, value in golden_data.golden(f"s2_{version}_small_{name}").items()}


def unit(name: str, *shape: int) -> Tensor:
    return golden_data.float32(golden_data.unit(name, shape))


def reference(name: str = "s2/refer", frames: int = 37) -> Tensor:
    """A spectrogram [1, 1025, f]."""
    return golden_data.float32(np.abs(golden_data.unit(name, (1, 1025, frames))))


def second_reference() -> Tensor:
    """Another recording, silent from frame 25 on."""
    return reference("s2/refer2") * (torch.arange(37) < 25)


def speakers(model: Synthesizer, count: int = 1) -> list[Tensor] | None:
    """Speaker embeddings of `count` references, each half the one before; None for a model without a speaker branch."""
    return [unit("s2/sv", 1, 20480) * 0.5**i for i in range(count)] if model.speaker is not None else None


def training_inputs(model: Synthesizer, version: str) -> dict[str, Tensor | None]:
    """Arguments of the stored training pass."""
    stored = case(version, "train")
    valid = stored["y_mask"]
    speaker = unit("s2/sv2", 2, 20480) if model.speaker is not None else None
    return {
        "hubert": unit("s2/ssl", 2, model.config.quantizer.width, 44) * valid,
        "spec": torch.from_numpy(np.abs(golden_data.unit("s2/spec", (2, 1025, 44)))).float() * valid,
        "spec_lengths": stored["spec_lens"],
        "phones": stored["text"],
        "phone_lengths": stored["text_lens"],
        "speaker": speaker,
        "noise": stored["noise0"],
        "start": stored["noise1"],
    }
