"""Content features: the last hidden state of a HuBERT network (Hsu et al. 2021), 50 frames a second."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from feature_extractor.content import ContentEncoder
from feature_extractor.fairseq import from_fairseq, is_fairseq
from gpt_sovits.core.checkpoint import load_checkpoint, load_weights, save_checkpoint
from gpt_sovits.core.config import Strict
from gpt_sovits.core.errors import AudioError, CheckpointError, ConfigError
from gpt_sovits.core.foreign import read_folder, read_folder_config, read_foreign

KIND = "hubert"


class HubertSettings(Strict):
    """Shape of a new content encoder; the names are those of the Hugging Face configuration."""

    conv_dim: tuple[int, ...] = (512,) * 7
    conv_kernel: tuple[int, ...] = (10, 3, 3, 3, 3, 2, 2)
    conv_stride: tuple[int, ...] = (5, 2, 2, 2, 2, 2, 2)
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    num_conv_pos_embeddings: int = 128
    num_conv_pos_embedding_groups: int = 16
    feat_extract_norm: Literal["group", "layer"] = "group"
    do_stable_layer_norm: bool = False
    dropout: float = 0.0
    """Used wherever HuBERT drops activations; whole layers are never dropped."""


class Hubert(ContentEncoder):
    """Raw 16 kHz waveform in, features out; the waveform is *not* normalised, as the public models were trained."""

    def __init__(self, config: dict[str, Any]) -> None:
        """Build an untrained network from Hugging Face `HubertConfig` values."""
        from transformers import HubertConfig, HubertModel

        super().__init__()
        # The masks of the original training recipe own a parameter that inference never reads.
        values = {**config, "mask_time_prob": 0.0, "mask_feature_prob": 0.0, "apply_spec_augment": False}
        try:
            self.config = HubertConfig(**values)
            self.model = HubertModel(self.config)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"these values do not describe a HuBERT network: {error}") from error

    @property
    def width(self) -> int:
        """Channels of the features."""
        return int(self.config.hidden_size)

    @property
    def shortest(self) -> int:
        """Samples that make one frame."""
        samples = 1
        for kernel, stride in zip(reversed(self.config.conv_kernel), reversed(self.config.conv_stride), strict=True):
            samples = (samples - 1) * stride + kernel
        return samples

    def forward(self, wave: Tensor) -> Tensor:
        """Features of waves of one common length.

        Args:
            wave: [b, w] at 16 kHz.

        Returns:
            [b, c, t] with t = (w - 400) // 320 + 1 for the usual kernels.

        Raises:
            AudioError: too short for a single frame.
        """
        if wave.shape[-1] < self.shortest:
            raise AudioError(
                f"{wave.shape[-1] / 16:.1f} ms of audio are too short for content features; "
                f"give {self.shortest / 16:.0f} ms or more"
            )
        return self.model(wave.to(self.dtype)).last_hidden_state.transpose(1, 2)


def new_hubert(config: HubertSettings | dict[str, Any]) -> Hubert:
    """An untrained encoder; its weights come from torch's global generator."""
    if isinstance(config, dict):
        return Hubert(config)
    values = config.model_dump(mode="json", exclude={"dropout"})
    names = ("hidden_dropout", "activation_dropout", "attention_dropout", "feat_proj_dropout", "final_dropout")
    return Hubert({**values, **dict.fromkeys(names, config.dropout), "layerdrop": 0.0})


def load_hubert(path: str | Path) -> Hubert:
    """A trained encoder in evaluation mode, from a Hugging Face folder, a fairseq file, or our own file.

    Raises:
        CheckpointError: missing, foreign, damaged, or not fitting its own configuration.
    """
    path = Path(path)
    config, tensors = _read(path)
    try:
        hubert = Hubert(config)
    except ConfigError as error:
        raise CheckpointError(f"{path}: {error}") from error
    load_weights(hubert.model, _to_module(tensors, hubert.model), str(path))
    return hubert.eval()


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Hugging Face configuration and weights of whatever kind of HuBERT `path` is."""
    if path.is_dir():
        return read_folder_config(path, "hubert"), read_folder(path)
    if path.suffix == ".safetensors":
        checkpoint = load_checkpoint(path, KIND)
        return checkpoint.config, checkpoint.tensors
    tree = read_foreign(path).tree
    if not is_fairseq(tree):
        raise CheckpointError(
            f"{path} is no HuBERT or ContentVec file of fairseq: of a Hugging Face model, name the folder with its "
            "config.json"
        )
    return from_fairseq(tree, str(path))


def save_hubert(
    path: Path, hubert: Hubert, info: dict[str, Any] | None = None, dtype: torch.dtype | None = None
) -> None:
    """Write our own file; tensors keep the names of published HuBERT files."""
    config = json.loads(hubert.config.to_json_string(use_diff=True))
    config.pop("transformers_version", None)
    config.pop("dtype", None)
    save_checkpoint(path, KIND, config, _to_published(hubert.model.state_dict()), info, dtype)


_WEIGHT_NORM = {
    ".parametrizations.weight.original0": ".weight_g",
    ".parametrizations.weight.original1": ".weight_v",
}
"""How torch names a weight norm today, and how it did when HuBERT was published."""


def _to_published(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {_replace(name, _WEIGHT_NORM): tensor for name, tensor in state.items()}


def _to_module(state: dict[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """Bring a state dict to the names of `model`, whichever weight norm it and this transformers version use."""
    if any(name.startswith("hubert.") for name in state):  # a fine-tuned model with a head of its own
        state = {name.removeprefix("hubert."): t for name, t in state.items() if name.startswith("hubert.")}
    names = {_replace(name, _WEIGHT_NORM): name for name in model.state_dict()}
    published = _to_published(state)
    published.pop("masked_spec_embed", None)
    return {names.get(name, name): tensor for name, tensor in published.items()}


def _replace(name: str, table: dict[str, str]) -> str:
    for old, new in table.items():
        name = name.replace(old, new)
    return name
