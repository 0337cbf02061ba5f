"""Recordings played slower or faster, as other speakers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from feature_extractor.audio import load_audio, save_audio
from gpt_sovits.core.config import load_config
from gpt_sovits.core.errors import ConfigError
from prep.cli import app
from prep.config import PrepConfig, VaryConfig
from prep.manifest import read_manifest
from prep.vary import LIST, vary

RATE, TONE = 32000, 200


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """Six tones of one second and a file that is none."""
    wave = 0.5 * torch.sin(2 * torch.pi * TONE * torch.arange(RATE) / RATE)
    lines = []
    for name in "abcdef":
        save_audio(tmp_path / f"{name}.wav", wave, RATE)
        lines.append(f"{name}.wav|ada|en|Text of {name}.")
    (tmp_path / "broken.wav").write_bytes(b"nothing")
    path = tmp_path / "voices.list"
    path.write_text("\n".join([*lines, "broken.wav|ada|en|Nothing."]) + "\n")
    return path


def test_copies_are_slower_and_deeper_or_faster_and_higher(listed: Path, tmp_path: Path) -> None:
    count, failures = vary(listed, tmp_path / "out", VaryConfig())
    assert count == 6 and [failure.name for failure in failures] == ["broken.wav"]
    utterances = read_manifest(tmp_path / "out" / LIST).utterances
    assert [u.speaker for u in utterances[:7]] == ["ada"] * 7
    percents = [int(u.speaker.removeprefix("ada_")) for u in utterances[7:]]
    assert {percent < 100 for percent in percents} == {True, False}
    for copy, percent in zip(utterances[7:], percents, strict=True):
        assert 84 <= percent <= 94 or 107 <= percent <= 120
        wave = load_audio(copy.path, RATE)
        assert abs(len(wave) - RATE * 100 / percent) <= 1
        peak = torch.fft.rfft(wave).abs().argmax().item() * RATE / len(wave)
        assert peak == pytest.approx(TONE * percent / 100, abs=2) and copy.text == f"Text of {copy.path.stem[0]}."


def test_a_recording_is_copied_alike_in_any_list(listed: Path, tmp_path: Path) -> None:
    vary(listed, tmp_path / "out", VaryConfig())
    listed.write_text(listed.read_text().split("\n")[2])
    vary(listed, tmp_path / "again", VaryConfig())
    (copy,) = (tmp_path / "again").glob("*.flac")
    assert (tmp_path / "out" / copy.name).read_bytes() == copy.read_bytes()


def test_the_command_says_what_it_left_out(listed: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["vary", str(listed), str(tmp_path / "out"), "--set", "vary.slower=[90,90]"])
    assert result.exit_code == 1 and "broken.wav" in result.output and "6 copies" in result.output


def test_a_copy_that_would_not_differ_is_refused() -> None:
    with pytest.raises(ConfigError, match="slower must lie"):
        load_config(PrepConfig, "prep", ["vary.slower=[95,101]"])
