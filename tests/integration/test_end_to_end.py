"""The whole way on ten clips with a debug-size model: prepare, train both stages, speak with the result."""

from __future__ import annotations

import csv
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
import soundfile

from gpt_sovits import TTS
from gpt_sovits.core.bundle import find_model
from gpt_sovits.core.checkpoint import load_checkpoint
from gpt_sovits.pipeline import Audio
from gpt_sovits.train.s1 import train_s1
from gpt_sovits.train.s2 import train_s2

RUN = ["run.log_every=1", "run.progress=false", "data.batch_size=4"]
FAST_S2 = ["data.validation_items=0", "task.rate=0.002", "task.discriminator={width: 0.0625, periods: [2, 3]}"]
TEXT = "The cold wind came down from the hills. Nobody knew where the old map had gone."


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory, experiment: Path, model: Path) -> Path:
    """Folder of the voice model that both trainings wrote."""
    folder = tmp_path_factory.mktemp("trained") / "voice"
    train_s2(experiment, model, folder, overrides=[*RUN, *FAST_S2], max_steps=60, device="cpu")
    train_s1(experiment, folder, folder, overrides=RUN, max_steps=30, device="cpu")
    return folder


@pytest.fixture(scope="module")
def spoken(voice: Path, repository: Path) -> Audio:
    return speak(voice, repository)


def speak(model: Path, repository: Path) -> Audio:
    """Two sentences in the demo voice; a model of this size hardly ever ends by itself, so their length is limited."""
    reference = repository / "res" / "demo" / "reference.flac"
    tts = TTS(model, device="cpu")
    return tts.speak(TEXT, language="en", reference=reference, cut="cut4", seed=1, retries=0, max_codes=40, pause=0.3)


def logged(voice: Path, stage: str, name: str) -> list[float]:
    """Values of a figure in the order of steps."""
    rows = csv.DictReader(next((voice / "logs" / stage).rglob("metrics.csv")).open(encoding="utf8"))
    return [float(row[name]) for row in rows if row.get(name)]


def levels(samples: np.ndarray, rate: int) -> np.ndarray:
    """Level of every 50 ms in dB of full scale."""
    frames = samples[: len(samples) // (rate // 20) * (rate // 20)].reshape(-1, rate // 20)
    return 10 * np.log10((frames**2).mean(1) + 1e-10)


def tilt(samples: np.ndarray, rate: int) -> float:
    """How much stronger the sound is below 4 kHz than above 8 kHz, in dB."""
    power, frequencies = np.abs(np.fft.rfft(samples)) ** 2, np.fft.rfftfreq(len(samples), 1 / rate)
    return float(10 * np.log10(power[frequencies < 4000].mean() / power[frequencies > 8000].mean()))


@pytest.mark.parametrize(("stage", "name"), [("s2", "train/mel_distance"), ("s1", "loss")])
def test_loss_fell(voice: Path, stage: str, name: str) -> None:
    values = logged(voice, stage, name)
    assert len(values) >= 30
    assert fmean(values[-10:]) < {"s2": 0.8, "s1": 0.99}[stage] * fmean(values[:3])


def test_training_leaves_a_whole_voice_model(voice: Path, model: Path) -> None:
    bundle, untrained = find_model(voice), find_model(model)
    for stage in ("s1", "s2"):
        assert load_checkpoint(bundle.need(stage), stage).config == load_checkpoint(untrained.need(stage), stage).config
        assert bundle.need(stage).read_bytes() != untrained.need(stage).read_bytes()
    assert bundle.need("hubert").read_bytes() == untrained.need("hubert").read_bytes()
    assert [p for stage in ("s1", "s2") for p in (voice / "logs" / stage).rglob("events.out.tfevents*")]


def test_wave_has_speech_like_energy(spoken: Audio, model: Path, repository: Path) -> None:
    level = levels(spoken.samples, spoken.rate)
    assert spoken.rate == 32000 and np.isfinite(spoken.samples).all()
    assert spoken.seconds == pytest.approx(sum(map(len, spoken.codes)) / 25 + 2 * 0.3, abs=0.01)
    assert level.max() > -50, "not silence"
    assert np.abs(spoken.samples).max() < 0.99, "not clipped"
    assert np.ptp(level) > 20, "sounds and pauses"
    untrained = speak(model, repository)
    assert tilt(spoken.samples, spoken.rate) > tilt(untrained.samples, untrained.rate) + 6, "speech is low-pitched"


def test_same_seed_same_wave(spoken: Audio, voice: Path, repository: Path, tmp_path: Path) -> None:
    again = speak(voice, repository)
    assert again.codes == spoken.codes
    np.testing.assert_array_equal(again.samples, spoken.samples)
    samples, rate = soundfile.read(again.save(tmp_path / "out.wav"), dtype="int16")
    assert rate == 32000
    np.testing.assert_array_equal(samples, spoken.int16)
