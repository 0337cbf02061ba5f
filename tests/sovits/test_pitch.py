"""The pitch a generator is told: tracked in recordings, learned from codes and voice."""

from __future__ import annotations

import math

import pytest
import torch

from feature_extractor.spectral import SpectrogramConfig
from sovits.config import PitchConfig
from sovits.pitch import SPREAD, PitchEmbedding, pitch_loss, spoken_pitch, track_pitch

CONFIG = PitchConfig()


def hertz(pitch: torch.Tensor) -> torch.Tensor:
    return (pitch[:, 0] * SPREAD + CONFIG.middle).exp() * pitch[:, 1]


@pytest.mark.parametrize("start", [70.0, 130.0, 300.0])
def test_a_gliding_tone_is_followed_and_silence_has_no_pitch(start: float) -> None:
    time = torch.arange(64000) / 32000
    frequency = start * (1 + 0.2 * time)
    phase = 2 * math.pi * torch.cumsum(frequency, 0) / 32000
    wave = 0.1 * torch.stack([torch.sin(k * phase) / k for k in range(1, 10)]).sum(0)
    wave[:16000] = 0
    found = hertz(track_pitch(torch.stack((wave, 0.01 * wave)), SpectrogramConfig(), CONFIG))
    assert found.shape == (2, 100)
    assert not found[:, :22].any()
    wanted = frequency[320::640]
    assert ((found[:, 28:96] - wanted[28:96]).abs() / wanted[28:96]).max() < 0.02


def test_noise_and_nothing_are_unvoiced() -> None:
    torch.manual_seed(0)
    waves = torch.stack((0.1 * torch.randn(32000), torch.zeros(32000)))
    pitch = track_pitch(waves, SpectrogramConfig(), CONFIG)
    assert pitch.isfinite().all()
    assert pitch[:, 1].mean() < 0.05


def test_embedding_tells_pitches_apart_and_is_still_where_unvoiced() -> None:
    torch.manual_seed(0)
    embed = PitchEmbedding(8, CONFIG)
    values = torch.zeros(3, 2, 5)
    values[1, 1], values[2, 1], values[2, 0] = 1, 1, 0.3
    low, middle, high = embed(values)
    torch.testing.assert_close(low[:, 2], embed.mix.bias)
    assert (middle - high).abs().max() > 1e-3 and (middle - low).abs().max() > 1e-3


def test_loss_counts_real_frames_and_the_pitch_of_voiced_ones_alone() -> None:
    wanted = torch.tensor([[[0.5, 0.0, 0.0, 0.0], [1.0, 0.0, 1.0, 1.0]]])
    mask = torch.tensor([[[1.0, 1.0, 0.0, 0.0]]])
    right = torch.tensor([[[0.5, 9.0, 9.0, 9.0], [20.0, -20.0, -20.0, -20.0]]])
    assert pitch_loss(right, wanted, mask) < 1e-6
    wrong = right.clone()
    wrong[0, 0, 0] = 1.5
    assert pitch_loss(wrong, wanted, mask) == pytest.approx(1.0, abs=1e-5)
    torch.testing.assert_close(spoken_pitch(right)[..., :2], wanted[..., :2])


def test_a_contour_as_a_whole_too_high_is_nearer_than_one_that_rises_wrongly() -> None:
    rising = torch.stack((torch.linspace(0, 1, 12), torch.ones(12)))[None]
    mask = torch.ones(1, 1, 12)
    sure = torch.full((1, 12), 20.0)
    high = torch.stack((rising[:, 0] + 0.25, sure), dim=1)
    flat = torch.stack((torch.full((1, 12), 0.5), sure), dim=1)
    assert pitch_loss(high, rising, mask) == pytest.approx(0.25, abs=1e-4)
    assert (flat - rising)[:, 0].abs().mean() < 0.3 < pitch_loss(flat, rising, mask)
