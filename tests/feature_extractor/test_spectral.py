"""Spectrograms against the values of the public implementation."""

from __future__ import annotations

import pytest
import torch

from feature_extractor.spectral import (
    MelConfig,
    SpectrogramConfig,
    mel_filters,
    mel_spectrogram,
    spectrogram,
    spectrogram_to_mel,
)
from gpt_sovits.core.errors import AudioError, ConfigError
from tests.golden_data import assert_close, float32, golden

MELS = {
    "mel_direct": MelConfig(),
    "mel_v3": MelConfig(rate=24000, n_fft=1024, hop=256, window=1024, bands=100),
    "mel_v4": MelConfig(rate=32000, n_fft=1280, hop=320, window=1280, bands=100),
}


def test_spectrogram_equals_the_public_one() -> None:
    case = golden("mel")
    assert_close(spectrogram(float32(case["wav"]), SpectrogramConfig()), case["spec"])


@pytest.mark.parametrize("name", MELS)
def test_mel_equals_the_public_one(name: str) -> None:
    case = golden("mel")
    assert_close(mel_spectrogram(float32(case["wav"]), MELS[name]), case[name])


def test_mel_of_a_given_spectrogram_equals_the_public_one() -> None:
    case = golden("mel")
    assert_close(spectrogram_to_mel(float32(case["spec"]), MelConfig()), case["mel"])


@pytest.mark.parametrize(
    "config", [MelConfig(high=15000.0), MelConfig(low=40.0), MelConfig(hop=639), MelConfig(window=1900)]
)
def test_another_framing_is_noticed(config: MelConfig) -> None:
    case = golden("mel")
    with pytest.raises(AssertionError):
        assert_close(mel_spectrogram(float32(case["wav"]), config), case["mel_direct"])


def test_every_band_has_equal_area_and_a_peak_inside_the_range() -> None:
    config = MelConfig(bands=20)
    filters = mel_filters(config)
    area = filters.sum(1) * config.rate / config.n_fft
    assert filters.shape == (20, 1025)
    torch.testing.assert_close(area, torch.ones(20), rtol=0.02, atol=0.0)


def test_batch_equals_one_by_one() -> None:
    waves = torch.randn(3, 6400, generator=torch.Generator().manual_seed(0))
    together = mel_spectrogram(waves, MelConfig())
    for i, wave in enumerate(waves):
        torch.testing.assert_close(together[i], mel_spectrogram(wave[None], MelConfig())[0])


def test_silence_has_a_finite_gradient() -> None:
    wave = torch.zeros(1, 6400, requires_grad=True)
    mel_spectrogram(wave, MelConfig()).sum().backward()
    assert wave.grad is not None and wave.grad.isfinite().all()


def test_frames_are_whole_hops() -> None:
    assert spectrogram(torch.zeros(1, 6400 + 639), SpectrogramConfig()).shape == (1, 1025, 10)


def test_short_wave_is_refused_in_words() -> None:
    with pytest.raises(AudioError, match="longer than 704 samples; got 704"):
        spectrogram(torch.zeros(1, 704), SpectrogramConfig())


def test_impossible_bands_are_refused_in_words() -> None:
    with pytest.raises(ConfigError, match="20000"):
        mel_filters(MelConfig(high=20000.0))
