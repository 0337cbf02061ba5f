"""Content features of a Whisper encoder (Radford et al. 2022), which has heard the voices of 680,000 hours.

The last layer is projected to fewer channels that tell phones: see `gpt_sovits.train.content`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from feature_extractor.content import ContentEncoder
from feature_extractor.spectral import MelConfig, mel_filters
from gpt_sovits.core.checkpoint import load_checkpoint, load_weights, save_checkpoint
from gpt_sovits.core.config import Strict, parse_config
from gpt_sovits.core.errors import AudioError, CheckpointError
from gpt_sovits.core.skeleton import skeleton

KIND = "whisper"
HOP = 320
LEVEL = 0.7
"""Peak that every recording is brought to."""
MEL = MelConfig(rate=16000, n_fft=400, hop=160, window=400, bands=80)


def floored(mel: Tensor) -> Tensor:
    """Log10 power [b, m, f] as the encoder was taught with it: nothing more than 8 below the utterance's peak."""
    return (torch.maximum(mel, mel.amax((1, 2), keepdim=True) - 8) + 4) / 4


class WhisperSettings(Strict):
    """Shape of the encoder; the defaults are those of the published `base`."""

    layers: int = 6
    width: int = 512
    heads: int = 8
    feed_forward: int = 2048
    positions: int = 1500
    features: int = 256
    """Channels after the projection."""


class Layer(nn.Module):
    """One layer of the published encoder, under its names."""

    def __init__(self, config: WhisperSettings) -> None:
        super().__init__()
        self.heads = config.heads
        self.self_attn_layer_norm = nn.LayerNorm(config.width)
        projections = {f"{p}_proj": nn.Linear(config.width, config.width, p != "k") for p in ("q", "k", "v", "out")}
        self.self_attn = nn.ModuleDict(projections)
        self.final_layer_norm = nn.LayerNorm(config.width)
        self.fc1 = nn.Linear(config.width, config.feed_forward)
        self.fc2 = nn.Linear(config.feed_forward, config.width)

    def forward(self, x: Tensor) -> Tensor:
        y = self.self_attn_layer_norm(x)
        q, k, v = (self.self_attn[f"{p}_proj"](y).unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in "qkv")
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = x + self.self_attn["out_proj"](mixed)
        result: Tensor = x + self.fc2(F.gelu(self.fc1(self.final_layer_norm(x))))
        return result


class Whisper(ContentEncoder):
    """Utterances are heard at their own length, not in 30 padded seconds; longer ones in equal parts."""

    filters: Tensor

    def __init__(self, config: WhisperSettings) -> None:
        super().__init__()
        self.config = config
        self.conv1 = nn.Conv1d(MEL.bands, config.width, 3, padding=1)
        self.conv2 = nn.Conv1d(config.width, config.width, 3, stride=2, padding=1)
        self.embed_positions = nn.Embedding(config.positions, config.width)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.layer_norm = nn.LayerNorm(config.width)
        self.project = nn.Linear(config.width, config.features)
        self.register_buffer("filters", mel_filters(MEL), persistent=False)

    @property
    def width(self) -> int:
        return self.config.features

    @property
    def shortest(self) -> int:
        return MEL.n_fft

    def forward(self, wave: Tensor) -> Tensor:
        """Features [b, c, w / 320] of waves [b, w] of one length; see `ContentEncoder`."""
        features: Tensor = self.project(self.hidden(wave))
        return features.mT

    def hidden(self, wave: Tensor) -> Tensor:
        """The published encoder's output [b, w / 320, width]."""
        if wave.shape[-1] < self.shortest:
            raise AudioError(
                f"{wave.shape[-1] / 16:.1f} ms of audio are too short for content features; "
                f"give {self.shortest / 16:.0f} ms or more"
            )
        return self.hear(self.log_mel(wave), wave.shape[-1] // HOP)

    def hear(self, mel: Tensor, frames: int) -> Tensor:
        """The encoder's output [b, frames, width] of what `log_mel` makes [b, 80, at least 2 frames]."""
        x = mel.to(self.dtype)
        x = F.gelu(self.conv2(F.gelu(self.conv1(x)))).mT[:, :frames]
        parts = -(-frames // self.config.positions)
        return torch.cat([self._listen(part) for part in x.chunk(parts, dim=1)], dim=1)

    def log_mel(self, wave: Tensor) -> Tensor:
        """What Whisper hears [b, 80, w / 160]: log10 power, floored 8 below the utterance's peak, then scaled."""
        peak = wave.float().abs().amax(-1, keepdim=True)
        return floored(self.log_power(wave.float() * (LEVEL / peak.clamp(min=1e-5))))

    def log_power(self, wave: Tensor) -> Tensor:
        """Log10 power [b, 80, w / 160] of waves as loud as they are."""
        wave = wave.float()
        window = torch.hann_window(MEL.window, device=wave.device)
        power = torch.stft(wave, MEL.n_fft, MEL.hop, window=window, return_complex=True)[..., :-1].abs().square()
        return (self.filters.float() @ power).clamp(min=1e-10).log10()

    def _listen(self, x: Tensor) -> Tensor:
        x = x + self.embed_positions.weight[: x.shape[1]]
        for layer in self.layers:
            x = layer(x)
        heard: Tensor = self.layer_norm(x)
        return heard


def load_whisper(path: Path) -> Whisper:
    """Our own file, in evaluation mode.

    Raises:
        CheckpointError: missing, damaged, of another kind, or not fitting its own configuration.
    """
    file = load_checkpoint(path, KIND)
    with skeleton():
        whisper = Whisper(parse_config(WhisperSettings, file.config, str(path)))
    load_weights(whisper, file.tensors, str(path))
    return whisper.eval()


def save_whisper(
    path: Path, whisper: Whisper, info: dict[str, Any] | None = None, dtype: torch.dtype | None = None
) -> None:
    save_checkpoint(path, KIND, whisper.config, whisper.state_dict(), info, dtype)


def import_whisper(folder: Path, features: int) -> Whisper:
    """A published encoder with an untrained projection, from `encoder.safetensors` and `config.json` (Hugging Face).

    Raises:
        CheckpointError: a file is missing or not what it should be.
    """
    try:
        values = json.loads((folder / "config.json").read_text(encoding="utf8"))
        tensors = load_file(folder / "encoder.safetensors")
        config = WhisperSettings(
            layers=values["encoder_layers"],
            width=values["d_model"],
            heads=values["encoder_attention_heads"],
            feed_forward=values["encoder_ffn_dim"],
            positions=values["max_source_positions"],
            features=features,
        )
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        raise CheckpointError(
            f"{folder} is not a Whisper encoder: it needs config.json and encoder.safetensors ({error})"
        ) from error
    whisper = Whisper(config)
    own = {name: tensor for name, tensor in whisper.state_dict().items() if name.startswith("project.")}
    load_weights(whisper, {**{n: t.float() for n, t in tensors.items()}, **own}, str(folder))
    return whisper.eval()
