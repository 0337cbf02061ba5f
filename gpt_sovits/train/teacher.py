"""A Whisper encoder (Radford et al. 2022) as the teacher of a content encoder: 50 phonetic frames a second."""

from __future__ import annotations

import json
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from feature_extractor.spectral import MelConfig, mel_filters
from gpt_sovits.core.errors import CheckpointError

RATE = 16000
MEL = MelConfig(rate=RATE, n_fft=400, hop=160, window=400, bands=80)


class Teacher(nn.Module):
    """The encoder alone, on utterances of their own length instead of 30 padded seconds."""

    def __init__(self, weights: dict[str, Tensor], layers: int, heads: int, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.weights = {name: tensor.to(dtype) for name, tensor in weights.items()}
        self.layers, self.heads = layers, heads

    @property
    def width(self) -> int:
        return int(self.weights["layer_norm.weight"].shape[0])

    @torch.inference_mode()
    def forward(self, wave: Tensor) -> Tensor:
        """Features [t, c] of one 16 kHz wave [w] shorter than 30 s; t = w / 320."""
        x = log_mel(wave)[None].to(self.weights["conv1.weight"])
        x = F.gelu(self._conv("conv1", x, 1))
        x = F.gelu(self._conv("conv2", x, 2)).mT
        x = x + self.weights["embed_positions.weight"][: x.shape[1]]
        for i in range(self.layers):
            x = x + self._attend(f"layers.{i}.self_attn", self._norm(f"layers.{i}.self_attn_layer_norm", x))
            hidden = F.gelu(self._linear(f"layers.{i}.fc1", self._norm(f"layers.{i}.final_layer_norm", x)))
            x = x + self._linear(f"layers.{i}.fc2", hidden)
        return self._norm("layer_norm", x)[0]

    def _conv(self, name: str, x: Tensor, stride: int) -> Tensor:
        return F.conv1d(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"], stride, 1)

    def _linear(self, name: str, x: Tensor) -> Tensor:
        return F.linear(x, self.weights[f"{name}.weight"], self.weights.get(f"{name}.bias"))

    def _norm(self, name: str, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def _attend(self, name: str, x: Tensor) -> Tensor:
        b, t, c = x.shape
        q, k, v = (self._linear(f"{name}.{p}_proj", x).view(b, t, self.heads, -1).transpose(1, 2) for p in "qkv")
        mixed = F.scaled_dot_product_attention(q, k, v)
        return self._linear(f"{name}.out_proj", mixed.transpose(1, 2).reshape(b, t, c))


def load_teacher(folder: Path, dtype: torch.dtype = torch.float32) -> Teacher:
    """Read `encoder.safetensors` (names of Hugging Face's WhisperEncoder) and `config.json`.

    Raises:
        CheckpointError: a file is missing or not what it should be.
    """
    try:
        values = json.loads((folder / "config.json").read_text(encoding="utf8"))
        weights = load_file(folder / "encoder.safetensors")
        return Teacher(weights, int(values["encoder_layers"]), int(values["encoder_attention_heads"]), dtype)
    except (OSError, KeyError, ValueError) as error:
        raise CheckpointError(
            f"{folder} is not a Whisper encoder: it needs config.json and encoder.safetensors ({error})"
        ) from error


def log_mel(wave: Tensor) -> Tensor:
    """Whisper's input [80, f]: log10 power, floored 8 below the utterance's peak, then scaled."""
    window = torch.hann_window(MEL.window)
    power = torch.stft(wave, MEL.n_fft, MEL.hop, window=window, return_complex=True)[:, :-1].abs().square()
    mel = (mel_filters(MEL) @ power).clamp(min=1e-10).log10()
    return (torch.maximum(mel, mel.max() - 8) + 4) / 4
