"""The Whisper encoder against that of transformers, on small random weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import WhisperConfig, WhisperFeatureExtractor
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from feature_extractor.content import load_content
from feature_extractor.whisper import LEVEL, Whisper, WhisperSettings, import_whisper, save_whisper
from gpt_sovits.core.errors import AudioError, CheckpointError

SECOND = 16000
SMALL = WhisperSettings(layers=2, width=32, heads=4, feed_forward=64, positions=50, features=16)


@pytest.fixture
def published(tmp_path: Path) -> tuple[Path, WhisperEncoder]:
    torch.manual_seed(3)
    config = WhisperConfig(
        d_model=32, encoder_layers=2, encoder_attention_heads=4, encoder_ffn_dim=64, max_source_positions=50
    )
    encoder = WhisperEncoder(config).eval()
    save_file(
        {name: tensor.contiguous() for name, tensor in encoder.state_dict().items()}, tmp_path / "encoder.safetensors"
    )
    (tmp_path / "config.json").write_text(json.dumps(config.to_dict(), default=str))
    return tmp_path, encoder


def speech(seconds: float) -> torch.Tensor:
    time = torch.arange(int(seconds * SECOND)) / SECOND
    wave = torch.sin(2 * torch.pi * 200 * time) * torch.sin(2 * torch.pi * 3 * time)
    return LEVEL * wave / wave.abs().max()


def test_equal_to_transformers(published: tuple[Path, WhisperEncoder]) -> None:
    folder, theirs = published
    ours = import_whisper(folder, 16)
    wave = speech(1.0)
    heard = WhisperFeatureExtractor(chunk_length=1)(wave.numpy(), sampling_rate=SECOND, return_tensors="pt")
    with torch.inference_mode():
        torch.testing.assert_close(ours.log_mel(wave[None]), heard.input_features, atol=2e-3, rtol=1e-3)
        wanted = theirs(ours.log_mel(wave[None])).last_hidden_state
        torch.testing.assert_close(ours.hidden(wave[None]), wanted, atol=1e-4, rtol=1e-4)


def test_loudness_does_not_matter() -> None:
    torch.manual_seed(0)
    whisper = Whisper(SMALL).eval()
    wave = speech(0.8)
    torch.testing.assert_close(whisper(wave[None]), whisper(wave[None] * 0.1), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("samples", [400, 639, 640, 16000, 20001, 41234])
def test_one_frame_every_320_samples_of_any_length(samples: int) -> None:
    torch.manual_seed(0)
    features = Whisper(SMALL)(torch.randn(2, samples))
    assert features.shape == (2, 16, samples // 320)
    assert features.isfinite().all()


def test_silence_is_finite_and_too_little_is_said() -> None:
    whisper = Whisper(SMALL)
    assert whisper(torch.zeros(1, 3200)).isfinite().all()
    with pytest.raises(AudioError, match="too short for content features"):
        whisper(torch.zeros(1, 100))


def test_file_keeps_the_features(tmp_path: Path) -> None:
    torch.manual_seed(0)
    whisper = Whisper(SMALL).eval()
    save_whisper(tmp_path / "plain.safetensors", whisper)
    save_whisper(tmp_path / "bytes.safetensors", whisper, dtype=torch.int8)
    wave = torch.randn(1, 8000)
    wanted = whisper(wave)
    torch.testing.assert_close(load_content(tmp_path / "plain.safetensors")(wave), wanted)
    torch.testing.assert_close(load_content(tmp_path / "bytes.safetensors")(wave), wanted, atol=0.05, rtol=0.05)


def test_a_folder_without_an_encoder_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="not a Whisper encoder"):
        import_whisper(tmp_path, 16)
