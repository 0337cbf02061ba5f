"""Audio files, resampling and level rules, with real files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from feature_extractor.audio import (
    encode_audio,
    limit_peak,
    load_audio,
    prepare_scaling,
    resample,
    save_audio,
    sinc_resample,
)
from gpt_sovits.core.errors import AudioError, StorageError
from tests.golden_data import assert_close, float32, golden, waveform

RESAMPLED = {"r16": (32000, 16000), "r32": (44100, 32000), "r24": (44100, 24000)}


def source() -> Tensor:
    return float32(waveform("rs", 6400, 32000))


def tone(seconds: float, rate: int, hertz: float = 440.0) -> Tensor:
    return 0.5 * torch.sin(2 * torch.pi * hertz * torch.arange(int(seconds * rate)) / rate)


@pytest.mark.parametrize("name", RESAMPLED)
def test_sinc_resampler_equals_the_public_one(name: str) -> None:
    assert_close(sinc_resample(source()[None], *RESAMPLED[name]), golden("resample")[name])


def test_soxr_equals_the_public_preparation() -> None:
    assert_close(resample(source(), 32000, 16000), golden("resample")["librosa16"])


@pytest.mark.parametrize("name", RESAMPLED)
def test_the_two_resamplers_differ_as_documented(name: str) -> None:
    expected = float32(golden("resample")[name])
    difference = resample(source()[None], *RESAMPLED[name]) - expected
    assert difference.abs().max() < 0.015 * expected.abs().max()
    assert difference.square().mean().sqrt() < 0.012 * expected.square().mean().sqrt()
    with pytest.raises(AssertionError):
        assert_close(resample(source()[None], *RESAMPLED[name]), expected)


@pytest.mark.parametrize(("hertz", "soxr", "sinc"), [(7500, 0.955, 0.656), (8500, 0.001, 0.289)])
def test_what_passes_near_the_nyquist_frequency(hertz: int, soxr: float, sinc: float) -> None:
    wave = tone(1, 22050, hertz)
    for convert, level in ((resample, soxr), (sinc_resample, sinc)):
        out = convert(wave, 22050, 16000)[1000:-1000]
        assert out.std().item() * 2**1.5 == pytest.approx(level, abs=0.002)


@pytest.mark.parametrize("convert", [resample, sinc_resample])
@pytest.mark.parametrize("rates", [(48000, 16000), (16000, 32000), (22050, 32000)])
def test_a_tone_keeps_its_pitch_and_level(convert, rates: tuple[int, int]) -> None:
    old, new = rates
    out = convert(tone(0.5, old).expand(2, 3, -1), old, new)
    assert out.shape == (2, 3, new // 2)
    middle = slice(new // 10, new // 10 * 4)
    torch.testing.assert_close(out[1, 2, middle], tone(0.5, new)[middle], atol=0.003, rtol=0)


def test_prepared_audio_equals_the_public_one() -> None:
    case = golden("prep_wav")
    scaled = prepare_scaling(float32(case["wav"]))
    assert scaled.stored.dtype == torch.int16
    np.testing.assert_array_equal(scaled.stored.numpy(), case["int16"])
    assert_close(scaled.content, case["hubert_in"])


def test_another_level_is_noticed() -> None:
    case = golden("prep_wav")
    scaled = prepare_scaling(float32(case["wav"]) * 1.01)
    with pytest.raises(AssertionError):
        assert_close(scaled.content, case["hubert_in"])


@pytest.mark.parametrize(
    ("wave", "words"),
    [
        (torch.zeros(640), "a.wav is silent"),
        (torch.tensor([0.1, -2.3]), "peak is 2.30"),
        (torch.zeros(0), "no samples"),
    ],
)
def test_recordings_that_cannot_be_prepared(wave: Tensor, words: str) -> None:
    with pytest.raises(AudioError, match=words):
        prepare_scaling(wave, "a.wav")


@pytest.mark.parametrize(("peak", "left"), [(0.9, 0.9), (1.0, 1.0), (1.5, 1.0), (2.0, 1.0), (2.5, 1.25)])
def test_reference_peaks(peak: float, left: float) -> None:
    assert limit_peak(torch.tensor([0.1, -peak])).abs().max().item() == pytest.approx(left)


@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_files_keep_every_sample(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"sub/a.{kind}"
    wave = torch.tensor([-1.0, -0.5, 0.0, 1 / 32768, 0.25, 32767 / 32768]).repeat(100)
    save_audio(path, wave, 32000)
    torch.testing.assert_close(load_audio(path, 32000), wave, atol=0, rtol=0)
    assert soundfile.info(str(path)).subtype == "PCM_16"
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_ogg_keeps_the_sound(tmp_path: Path) -> None:
    save_audio(tmp_path / "a.ogg", tone(1, 32000), 32000)
    difference = load_audio(tmp_path / "a.ogg", 32000) - tone(1, 32000)
    assert difference.square().mean().sqrt() < 0.02


def test_what_exceeds_full_scale_is_clipped_and_int16_is_kept(tmp_path: Path) -> None:
    save_audio(tmp_path / "a.wav", torch.tensor([3.0, -3.0]), 16000)
    assert soundfile.read(tmp_path / "a.wav", dtype="int16")[0].tolist() == [32767, -32768]
    save_audio(tmp_path / "b.wav", torch.tensor([5, -7], dtype=torch.int16), 16000)
    assert soundfile.read(tmp_path / "b.wav", dtype="int16")[0].tolist() == [5, -7]


def test_channels_are_averaged_and_the_rate_is_changed(tmp_path: Path) -> None:
    stereo = np.stack([tone(1, 48000).numpy(), np.zeros(48000)], axis=1)
    soundfile.write(tmp_path / "a.wav", stereo, 48000, subtype="FLOAT")
    wave = load_audio(tmp_path / "a.wav", 32000)
    assert wave.shape == (32000,) and wave.dtype == torch.float32
    torch.testing.assert_close(wave[4000:28000], tone(1, 32000)[4000:28000] / 2, atol=0.002, rtol=0)


def test_the_content_decides_not_the_suffix(tmp_path: Path) -> None:
    for name in ("speech.mp3", "speech", "speech.raw"):
        save_audio(tmp_path / name, tone(0.1, 32000), 32000, kind="wav")
        assert load_audio(tmp_path / name, 32000).shape == (3200,)


def bad_files(folder: Path) -> dict[str, str]:
    """Files that are no audio, and what the error says of each."""
    (folder / "zero.wav").touch()
    (folder / "text.wav").write_text("this is not a recording\n" * 20)
    whole = encode_audio(tone(0.1, 16000), 16000)
    (folder / "header.wav").write_bytes(whole[:20])
    soundfile.write(folder / "none.wav", np.zeros(0), 16000)
    soundfile.write(folder / "nan.wav", np.array([0.0, np.nan]), 16000, subtype="FLOAT")
    soundfile.write(folder / "inf.wav", np.array([0.0, np.inf]), 16000, subtype="FLOAT")
    (folder / "folder.wav").mkdir()
    return {
        "absent.wav": "does not exist",
        "zero.wav": "0 bytes",
        "text.wav": "cannot be read as audio",
        "header.wav": "(cannot be read as audio|holds no samples)",
        "none.wav": "holds no samples",
        "nan.wav": "not finite numbers",
        "inf.wav": "not finite numbers",
        "folder.wav": "is a folder",
    }


def test_bad_files_are_named_with_the_reason(tmp_path: Path) -> None:
    for name, words in bad_files(tmp_path).items():
        with pytest.raises(AudioError, match=rf"{name}.*{words}"):
            load_audio(tmp_path / name, 16000)


def test_unknown_suffix_and_bad_samples_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="use wav, flac or ogg"):
        save_audio(tmp_path / "a.xyz", torch.zeros(4), 16000)
    with pytest.raises(AudioError, match=r"a\.wav.*not written"):
        save_audio(tmp_path / "a.wav", torch.tensor([0.0, float("nan")]), 16000)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(StorageError, match="taken"):
        save_audio(tmp_path / "taken" / "a.wav", torch.zeros(4), 16000)
