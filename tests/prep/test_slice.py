"""The slicer against the cut points and samples of the public one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from gpt_sovits.core.errors import InputError
from prep.config import SliceConfig
from prep.slice import Piece, find_pieces, level, slice_all
from tests.golden_data import golden_json, waveform

RATE = 32000


@pytest.fixture(scope="module")
def recording() -> Tensor:
    """Twenty seconds with four gaps."""
    wave = 1.4 * np.asarray(waveform("slice", 640000, RATE), dtype=np.float32)
    for start, end in ((3.0, 3.8), (7.5, 7.7), (9.2, 11.0), (15.0, 15.6)):
        wave[round(start * RATE) : round(end * RATE)] *= 1e-4
    return torch.from_numpy(wave.astype(np.float32))


def settings(case: str) -> SliceConfig:
    values = golden_json("slicer")[case]["kw"]
    return SliceConfig(
        threshold_db=values["threshold"],
        min_length_ms=values["min_length"],
        min_interval_ms=values["min_interval"],
        hop_ms=values["hop_size"],
        max_silence_kept_ms=values["max_sil_kept"],
    )


@pytest.mark.parametrize("case", ["default", "short"])
def test_cut_points_equal_the_public_ones(recording: Tensor, case: str) -> None:
    expected = golden_json("slicer")[case]["cuts"]
    pieces = find_pieces(recording, RATE, settings(case))
    assert [[p.start, p.end] for p in pieces] == [row[:2] for row in expected]
    for piece, (_, _, length, peak) in zip(pieces, expected, strict=True):
        samples = recording[piece.start : piece.end]
        assert len(samples) == length
        assert samples.abs().max().item() == pytest.approx(peak, rel=1e-5)


def test_another_threshold_moves_the_cuts(recording: Tensor) -> None:
    changed = settings("default").model_copy(update={"threshold_db": -120.0})
    expected = golden_json("slicer")["default"]["cuts"]
    assert [[p.start, p.end] for p in find_pieces(recording, RATE, changed)] != [row[:2] for row in expected]


def test_levels_equal_the_public_ones(recording: Tensor) -> None:
    case = golden_json("slicer")["scale"]
    piece = recording[:8000]
    assert piece.abs().max().item() == pytest.approx(case["tmp_max"])
    scaled = level(piece, SliceConfig().peak, SliceConfig().mix)[:8]
    torch.testing.assert_close(scaled, torch.tensor(case["first8"]), rtol=1e-5, atol=0)
    assert (scaled * 32767).to(torch.int16).tolist() == case["int16"]


def test_defaults_are_those_of_the_public_page() -> None:
    assert settings("default") == SliceConfig()


def test_a_recording_too_loud_is_divided_by_its_peak_twice() -> None:
    wave = torch.tensor([2.0, -1.0])
    torch.testing.assert_close(level(wave, 0.9, 0.25), torch.tensor([1.0, -0.5]) * (0.225 / 2 + 0.75))


def test_no_silence_is_one_piece() -> None:
    assert find_pieces(torch.ones(RATE * 6), RATE, SliceConfig()) == [Piece(0, 601 * 320)]
    assert find_pieces(torch.ones(100), RATE, SliceConfig()) == [Piece(0, 100)]


def test_files_are_named_by_their_place(tmp_path: Path, recording: Tensor) -> None:
    source = tmp_path / "in"
    source.mkdir()
    soundfile.write(source / "talk.wav", recording.numpy() * 0.5, RATE, subtype="FLOAT")
    (source / "broken.mp3").write_bytes(b"nothing")
    (source / "notes.txt").write_text("not audio")
    written, failures = slice_all(source, tmp_path / "out", SliceConfig())
    assert [p.name for p in written][:2] == [
        "talk.wav_0000000000_0000302400.wav",
        "talk.wav_0000337920_0000480640.wav",
    ]
    assert [f.name for f in failures] == ["broken.mp3"]
    samples, rate = soundfile.read(written[0], dtype="int16")
    assert (rate, len(samples)) == (RATE, 302400)
    expected = level(recording[:302400] * 0.5, 0.9, 0.25) * 32767
    assert np.array_equal(samples, expected.to(torch.int16).numpy())


def test_nothing_to_slice(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        slice_all(tmp_path / "none", tmp_path, SliceConfig())
    with pytest.raises(InputError, match="holds no audio files"):
        slice_all(tmp_path, tmp_path, SliceConfig())
