"""The model that travels with the code speaks the demo."""

from __future__ import annotations

import numpy as np
import pytest
import yaml

from gpt_sovits import TTS
from gpt_sovits.core.resources import resource
from gpt_sovits.pipeline import Audio


@pytest.fixture(scope="module")
def spoken() -> Audio:
    demo = yaml.safe_load(resource("res", "demo", "demo.yaml").read_text(encoding="utf8"))
    reference = resource("res", "demo", demo.pop("reference"))
    return TTS("tiny").speak(demo.pop("text"), reference=reference, **demo)


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
