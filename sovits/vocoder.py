"""A head of the generator that predicts a mel spectrogram and lets a trained HiFi-GAN (Kong et al. 2020) make samples.

The vocoder is bought, not taught: it stays as it was published, so that a small training reaches its sound, and in
training no sample is made at all. It was trained at another rate than the model's; what it hears is told as if time
and pitch were stretched, which a vocoder of many voices takes.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from feature_extractor.audio import sinc_resample
from feature_extractor.spectral import mel_filters, spectrogram
from gpt_sovits.core.checkpoint import load_weights
from gpt_sovits.core.foreign import read_foreign, state_dict
from sovits.config import VocoderHead
from sovits.hifigan import SLOPE, ConvOut, ResidualStage, SpectralOut
from sovits.transformer import ChannelNorm
from sovits.weightnorm import normed

FLOOR = 1e-5
"""Least magnitude under the logarithm, as HiFi-GAN was trained with."""


class Vocoder(nn.Module):
    """HiFi-GAN as published: log-mel frames [b, m, f] to samples [b, 1, f * product of rates], without a style."""

    def __init__(self, config: VocoderHead) -> None:
        super().__init__()
        self.config = config
        widths = [config.channels >> i for i in range(len(config.rates) + 1)]
        self.entry = nn.Conv1d(config.bands, config.channels, 7, padding=3)
        self.upsamplers = nn.ModuleList(
            normed(nn.ConvTranspose1d(widths[i], widths[i + 1], k, u, (k - u) // 2))
            for i, (k, u) in enumerate(zip(config.kernels, config.rates, strict=True))
        )
        self.stages = nn.ModuleList(ResidualStage(width, config.blocks, i) for i, width in enumerate(widths[1:]))
        narrow, last = config.blocks.narrow_at(len(config.rates)), config.exit
        self.exit = ConvOut(widths[-1], bias=True) if last is None else SpectralOut(widths[-1], narrow, last)

    def forward(self, mel: Tensor) -> Tensor:
        wave: Tensor = self.exit(self.features(mel)[-1])
        return wave

    def features(self, mel: Tensor) -> list[Tensor]:
        """What each stage makes of log-mel frames, the entry counted as one."""
        found = [self.entry(mel)]
        for k in range(len(self.stages)):
            found.append(self.stage(k, found[-1]))
        return found

    def stage(self, k: int, x: Tensor) -> Tensor:
        """What stage `k` makes of the features before it."""
        made: Tensor = self.stages[k](self.upsamplers[k](F.leaky_relu(x, SLOPE)))
        return made


class MelVocoder(nn.Module):
    """Features to log-mel frames, and those to samples; `config.hop` samples of the model's rate a frame."""

    filters: Tensor

    def __init__(self, width: int, config: VocoderHead) -> None:
        super().__init__()
        self.config = config
        self.norm = ChannelNorm(width, 1e-6)
        self.project = nn.Conv1d(width, config.bands, 1)
        self.vocoder = Vocoder(config).requires_grad_(False)
        self.register_buffer("filters", mel_filters(config.heard), persistent=False)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Samples [b, 1, f * hop] of features [b, c, f]; behind a shorter row of a batch there is silence."""
        mel = self.mel(x)
        if mask is not None:
            silence = torch.full_like(mel[:, :1, :1], FLOOR).log()
            mel = torch.where(mask > 0, mel, silence)
        wave = self.vocoder(mel).to(x.dtype)
        return sinc_resample(wave, *self.config.stretch)[..., : x.shape[-1] * self.config.hop]

    def mel(self, x: Tensor) -> Tensor:
        """Predicted log-mel frames [b, m, f] of features [b, c, f]."""
        predicted: Tensor = self.project(self.norm(x))
        return predicted

    def target(self, wave: Tensor) -> Tensor:
        """What `mel` should be: the frames [b, m, f] of a recording [b, w] at the model's rate."""
        source, target = self.config.stretch
        framing = self.config.framing
        magnitudes = spectrogram(wave, framing)[:, : self.filters.shape[1]] * (source / target)
        return (self.filters @ magnitudes).clamp(min=FLOOR).log()


def import_vocoder(head: nn.Module, path: Path) -> None:
    """Give a head the weights of a published HiFi-GAN generator.

    Raises:
        CheckpointError: the file is no such generator, or one of another shape.
    """
    assert isinstance(head, MelVocoder)
    published = state_dict(read_foreign(path).tree, str(path))
    load_weights(head.vocoder, from_published(published, len(head.config.blocks.kernels)), str(path))


def from_published(tensors: dict[str, Tensor], kernels: int) -> dict[str, Tensor]:
    """Our names for those of HiFi-GAN, whose residual blocks are counted through; entry and exit lose weight norm.

    Args:
        kernels: residual blocks after each upsampler.
    """
    found = {}
    for name, tensor in tensors.items():
        module, _, last = name.rpartition(".")
        kind, *rest = module.split(".")
        if kind in {"conv_pre", "conv_post"} and last == "weight_v":
            tensor, last = torch._weight_norm(tensor, tensors[f"{module}.weight_g"], 0), "weight"
        elif kind in {"conv_pre", "conv_post"} and last == "weight_g":
            continue
        if kind == "ups":
            module = f"upsamplers.{rest[0]}"
        elif kind == "resblocks" and len(rest) == 3:
            stage, block = divmod(int(rest[0]), kernels)
            part = {"convs1": "dilated", "convs2": "plain"}.get(rest[1], rest[1])
            module = f"stages.{stage}.blocks.{block}.{part}.{rest[2]}"
        else:
            module = {"conv_pre": "entry", "conv_post": "exit.conv"}.get(kind, module)
        last = {"weight_g": "parametrizations.weight.original0", "weight_v": "parametrizations.weight.original1"}.get(
            last, last
        )
        found[f"{module}.{last}"] = tensor.float()
    return found
