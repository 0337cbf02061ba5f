"""Pitch as a condition of a generator: tracked in recordings, told from codes and voice when speaking.

A short training without adversaries meets what can be told on average, and on average the harmonics of a voice are
nowhere. Where they lie is one number a frame, so the generator is told it (FastPitch, Łańcucki 2021).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from feature_extractor.audio import HUBERT_RATE, sinc_resample
from feature_extractor.spectral import SpectrogramConfig
from sovits.config import PitchConfig, SynthesizerConfig
from sovits.hifigan import ConvNextBlock
from sovits.transformer import ChannelNorm

WINDOW = 512
"""Samples at 16 kHz that are compared with themselves, shifted."""
PERIODIC = 0.2
"""A frame is voiced where the normalised difference falls below this."""
SPREAD = 0.35
"""Of log frequencies, about; they are kept in units of this around the middle of their range."""
APART = 2
"""Frames between which a contour's rise is compared: a tone is heard by it, whatever the voice's level."""
RISE = 2.0
"""Weight of that."""


def track_pitch(wave: Tensor, spectrogram: SpectrogramConfig, config: PitchConfig, frames: int | None = None) -> Tensor:
    """Pitch of recordings by YIN (de Cheveigné and Kawahara 2002), in full precision.

    Args:
        wave: [b, w] at the rate of the spectrogram.
        frames: f, cut or padded to; None: w // hop.

    Returns:
        [b, 2, f]: log frequency around the middle of the range, zero where unvoiced; and whether voiced.
    """
    with torch.autocast(wave.device.type, enabled=False):
        pitch = _yin(wave, spectrogram, config)
    return pitch if frames is None else F.pad(pitch, (0, frames - pitch.shape[-1]))


def _yin(wave: Tensor, spectrogram: SpectrogramConfig, config: PitchConfig) -> Tensor:
    hop, longest = HUBERT_RATE * spectrogram.hop // spectrogram.rate, int(HUBERT_RATE / config.low) + 1
    shortest, span = int(HUBERT_RATE / config.high), WINDOW + longest
    heard = sinc_resample(wave.float(), spectrogram.rate, HUBERT_RATE)
    margin = (span - hop) // 2
    frames = F.pad(heard, (margin, span)).unfold(-1, span, hop)[:, : wave.shape[-1] // spectrogram.hop]
    head = torch.fft.rfft(frames[..., :WINDOW], 2048)
    product = torch.fft.irfft(head.conj() * torch.fft.rfft(frames, 2048), 2048)[..., : longest + 1]
    energy = F.pad(frames.double().square().cumsum(-1), (1, 0))
    moving = (energy[..., WINDOW : WINDOW + longest + 1] - energy[..., : longest + 1]).float()
    difference = (moving[..., :1] + moving - 2 * product).clamp(min=0)[..., 1:]
    lags = torch.arange(1, longest + 1, device=wave.device)
    normal = difference * lags / difference.cumsum(-1).clamp(min=1e-9)
    middle = normal[..., 1:-1]
    dip = (middle < PERIODIC) & (middle <= normal[..., :-2]) & (middle < normal[..., 2:])
    dip[..., : shortest - 2] = False
    lag = dip.int().argmax(-1, keepdim=True) + 1
    left, low, right = (normal.gather(-1, lag + shift)[..., 0] for shift in (-1, 0, 1))
    bend = (left - 2 * low + right).clamp(min=1e-6)
    period = lag[..., 0] + 1 + (0.5 * (left - right) / bend).clamp(-0.5, 0.5)
    audible = moving[..., 0] > 1e-4 * moving[..., 0].amax(-1, keepdim=True).clamp(min=1e-6)
    voiced = (dip.any(-1) & audible).float()
    value = ((HUBERT_RATE / period).log() - config.middle) / SPREAD
    return torch.stack((value * voiced, voiced), dim=1)


class PitchPredictor(nn.Module):
    """Pitch from the joint features of codes and text, and the style."""

    def __init__(self, hidden: int, style: int) -> None:
        super().__init__()
        self.condition = nn.Conv1d(style, hidden, 1)
        self.convs = nn.ModuleList(nn.Conv1d(hidden, hidden, 5, padding=2) for _ in range(3))
        self.norms = nn.ModuleList(ChannelNorm(hidden, 1e-6) for _ in range(3))
        self.exit = nn.Conv1d(hidden, 2, 1)

    def forward(self, features: Tensor, mask: Tensor, style: Tensor) -> Tensor:
        """Log frequency and logit of being voiced [b, 2, f], as `track_pitch` counts."""
        x = (features + self.condition(style)) * mask
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = x + F.gelu(conv(norm(x) * mask))
        told: Tensor = self.exit(x)
        return told


class PitchReader(nn.Module):
    """Pitch from the joint features, the phone that is said at each frame and those around it, and the style.

    Tones are spelt out in the phones, while codes that carry little of the voice carry little of them.
    """

    def __init__(self, hidden: int, style: int, phonemes: int, blocks: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(phonemes, hidden)
        nn.init.normal_(self.embedding.weight, std=0.3)
        self.condition = nn.Conv1d(style, hidden, 1)
        self.entry = nn.Conv1d(hidden, hidden, 1)
        self.around = nn.Conv1d(hidden, hidden, 5, padding=2)
        self.blocks = nn.ModuleList(ConvNextBlock(hidden, 9, 2, 1 / blocks) for _ in range(blocks))
        self.norm = ChannelNorm(hidden, 1e-6)
        self.exit = nn.Conv1d(hidden, 2, 1)

    def read(self, features: Tensor, mask: Tensor, said: Tensor) -> Tensor:
        """What `forward` takes [b, 2 hidden, f]: joint features [b, hidden, f] and, below, the phones `said` [b, f]."""
        return torch.cat((features, self.embedding(said).mT.to(features) * mask), dim=1)

    def forward(self, features: Tensor, mask: Tensor, style: Tensor) -> Tensor:
        """Log frequency and logit of being voiced [b, 2, f], as `track_pitch` counts."""
        joint, said = features.chunk(2, dim=1)
        x = (self.entry(joint) + self.around(said) + self.condition(style)) * mask
        for block in self.blocks:
            x = block(x, mask)
        told: Tensor = self.exit(self.norm(x))
        return told


def pitch_predictor(config: SynthesizerConfig) -> PitchPredictor | PitchReader | None:
    """None: the generator is not told the pitch."""
    told, hidden, style = config.generator.pitch, config.hidden, config.style.width
    if told is None:
        return None
    if told.blocks is None:
        return PitchPredictor(hidden, style)
    return PitchReader(hidden, style, config.phonemes, told.blocks)


class PitchEmbedding(nn.Module):
    """Pitch to channels of the generator: soft bins of log frequency, silent where unvoiced."""

    centres: Tensor

    def __init__(self, width: int, config: PitchConfig) -> None:
        super().__init__()
        low, high = ((math.log(f) - config.middle) / SPREAD for f in (config.low, config.high))
        self.register_buffer("centres", torch.linspace(low, high, config.bins), persistent=False)
        self.step = (high - low) / (config.bins - 1)
        self.mix = nn.Conv1d(config.bins + 1, width, 3, padding=1)

    def forward(self, pitch: Tensor) -> Tensor:
        """[b, width, f] of a pitch [b, 2, f]."""
        value, voiced = pitch.chunk(2, dim=1)
        bins = (-0.5 * ((value - self.centres[:, None]) / self.step).square()).exp() * voiced
        mixed: Tensor = self.mix(torch.cat((bins, voiced), dim=1).to(self.mix.weight.dtype))
        return mixed


def spoken_pitch(predicted: Tensor) -> Tensor:
    """A prediction as something to speak with: where it is more likely voiced than not.

    To a loss behind it the step from unvoiced to voiced looks as smooth as the likelihood.
    """
    value, logit = predicted.chunk(2, dim=1)
    voiced = (logit > 0).to(value)
    if torch.is_grad_enabled():
        likely = logit.sigmoid()
        voiced = voiced + (likely - likely.detach())
    return torch.cat((value * voiced, voiced), dim=1)


def pitch_loss(predicted: Tensor, wanted: Tensor, mask: Tensor) -> Tensor:
    """Distance of log frequencies and of their rises where voiced, and cross-entropy of being voiced.

    Both are [b, 2, f], `mask` [b, 1, f].
    """
    frames = min(predicted.shape[-1], wanted.shape[-1])
    value, logit = predicted[..., :frames].float().chunk(2, dim=1)
    truth, voiced = wanted[..., :frames].chunk(2, dim=1)
    inside = mask[..., :frames].float()
    counted = voiced * inside
    distance = _mean((value - truth).abs(), counted)
    if frames > APART:
        rise, wanted_rise = (x[..., APART:] - x[..., :-APART] for x in (value, truth))
        distance = distance + RISE * _mean((rise - wanted_rise).abs(), counted[..., APART:] * counted[..., :-APART])
    entropy = (F.binary_cross_entropy_with_logits(logit, voiced, reduction="none") * inside).sum() / inside.sum()
    return distance + entropy


def _mean(x: Tensor, weights: Tensor) -> Tensor:
    return (x * weights).sum() / weights.sum().clamp(min=1)
