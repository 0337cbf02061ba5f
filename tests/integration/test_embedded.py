"""The model that travels with the code speaks the demo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from gpt_sovits import TTS
from gpt_sovits.pipeline import Audio
from gpt_sovits.pipeline.parts import load_parts
from prep.run import prepare
from tests.integration.stored import STORED, compute, demo


@pytest.fixture(scope="module")
def spoken() -> Audio:
    settings = demo()
    return TTS("tiny").speak(settings.pop("text"), **settings)


def test_the_demo_lasts_as_long_as_its_sentence(spoken: Audio) -> None:
    """Thirteen words, spoken and ended: nobody needs less than two or more than eight seconds."""
    assert not spoken.warnings
    assert 2 < spoken.seconds < 8
    assert spoken.rate == 32000


def test_it_sounds_like_speech(spoken: Audio) -> None:
    """Levels rise and fall with syllables, most energy lies below 4 kHz, nothing clips."""
    wave = np.asarray(spoken.samples, dtype=np.float64)
    voiced = wave[: np.flatnonzero(np.abs(wave) > 0.01)[-1]]
    frames = voiced[: len(voiced) // 640 * 640].reshape(-1, 640)
    level = 10 * np.log10(np.square(frames).mean(1) + 1e-9)
    assert np.percentile(level, 90) - np.percentile(level, 10) > 12
    power = np.abs(np.fft.rfft(voiced)) ** 2
    low = np.fft.rfftfreq(len(voiced), 1 / spoken.rate) < 4000
    assert power[low].sum() > 0.7 * power.sum()
    assert np.abs(wave).max() < 1


def test_codes_change_as_phones_do(spoken: Audio) -> None:
    (codes,) = spoken.codes
    assert len(set(codes)) > len(codes) / 4


def test_recordings_are_prepared_with_it(tmp_path: Path) -> None:
    """As its fine-tuning begins; weights kept as bytes are then read where no gradients are wanted."""
    clips = Path(__file__).resolve().parents[1] / "data" / "clips"
    listing = tmp_path / "two.list"
    listing.write_text("".join(f"{clips / name}\n" for name in (clips / "clips.list").read_text().splitlines()[:2]))
    report = prepare(listing, tmp_path / "prepared", "tiny", device="cpu")
    assert not report.failures and report.ready == {"text": 2, "hubert": 2, "semantic": 2, "speaker": 2}


def test_weights_and_code_have_not_drifted_apart() -> None:
    """Every network on fixed inputs, against what was stored when the weights were shipped."""
    stored = np.load(STORED)
    found = compute(load_parts("tiny", "cpu"), stored["codes"].tolist())
    assert np.mean(found["prompt"] == stored["prompt"]) > 0.97
    assert float(found["cost"]) == pytest.approx(float(stored["cost"]), rel=0.01)
    assert np.abs(found["mel"].astype(np.float32) - stored["mel"]).mean() < 0.018


def test_a_changed_weight_is_noticed() -> None:
    stored = np.load(STORED)
    parts = load_parts("tiny", "cpu")
    with torch.no_grad():
        parts.synthesizer.generator.entry.weight *= 1.1
        parts.text2semantic.head.weight *= 1.5
    found = compute(parts, stored["codes"].tolist())
    assert float(found["cost"]) != pytest.approx(float(stored["cost"]), rel=0.01)
    assert np.abs(found["mel"].astype(np.float32) - stored["mel"]).mean() > 0.018
