"""What is read off the wave, on tones whose answer is known and on planted faults."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gpt_sovits.evaluate.faults import clip_peaks, cut_word, double_phrase, joined, noise_tail, stretch
from gpt_sovits.evaluate.item import Clip, Item, Sound
from gpt_sovits.evaluate.pitch import track
from gpt_sovits.evaluate.prosody import Prosody, warp
from gpt_sovits.evaluate.signal import Signal, bandwidth, clipped_share
from gpt_sovits.evaluate.stability import Stability, speech, syllables, tail

RATE = 16000


def tone(frequency: float, seconds: float = 1.0, rate: int = RATE) -> np.ndarray:
    time = np.arange(int(seconds * rate)) / rate
    return sum(0.3 / k * np.sin(2 * np.pi * frequency * k * time) for k in range(1, 6)).astype(np.float32)


@pytest.mark.parametrize("frequency", [70.0, 110.0, 220.0, 440.0])
def test_pitch_of_tones(frequency: float) -> None:
    found = track(tone(frequency)).f0[10:-10]
    assert np.abs(found - frequency).max() < 0.01 * frequency


def test_noise_and_silence_have_no_pitch() -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, RATE).astype(np.float32)
    assert track(noise).voiced.mean() < 0.02
    assert not track(np.zeros(RATE, np.float32)).voiced.any()


def test_clipping_is_seen_and_tones_are_not() -> None:
    wave = tone(100.0, rate=32000)
    assert clipped_share(wave) == 0
    assert clipped_share(np.clip(wave * 3, -0.5, 0.5)) > 0.1
    assert clipped_share(np.zeros(100, np.float32)) == 0


def test_bandwidth() -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, 32000)
    spectrum = np.fft.rfft(noise)
    spectrum[4000:] = 0  # 1 Hz a bin
    assert bandwidth(np.fft.irfft(spectrum).astype(np.float32), 32000) == pytest.approx(4000, abs=300)


def test_real_speech_has_no_fault(spoken: list[Item], sounds: dict[str, Sound]) -> None:
    for item in spoken:
        found = Stability().score(Clip(item, sounds[item.id]))
        assert {k: found[k] for k in ("tail", "off_tempo", "clipped", "faulty")} == dict.fromkeys(
            ("tail", "off_tempo", "clipped", "faulty"), 0.0
        ), item.id
        assert "repeated" not in found and float(found["echo"] or 0) > 0.6, item.id


@pytest.mark.parametrize("fault", ["tail", "silence", "off_tempo", "clipped", "repeated"])
def test_planted_faults_are_found(fault: str, spoken: list[Item], sounds: dict[str, Sound]) -> None:
    """Hit rates of the detectors that need no recogniser: at least nine of ten."""
    hits = 0
    plant = {
        "tail": lambda w, rate: noise_tail(w, rate, seed=3),
        "silence": lambda w, rate: np.concatenate((w, np.zeros(3 * rate, np.float32))),
        "off_tempo": stretch,
        "clipped": lambda w, rate: clip_peaks(w),
        "repeated": lambda w, rate: double_phrase(w, rate, pieces(len(w) / rate)),
    }[fault]
    for item in spoken:
        sound = sounds[item.id]
        made = plant(sound.wave.numpy(), sound.rate)
        found = Stability().score(Clip(item, Sound(sound.path, torch.from_numpy(made), sound.rate)))
        hits += found["tail_kind"] == "silence" if fault == "silence" else found.get(fault) == 1.0
    assert hits >= 9


def test_noise_at_the_end_repeats_nothing_and_hiss_throughout_is_no_tail(
    spoken: list[Item], sounds: dict[str, Sound]
) -> None:
    for item in spoken:
        sound = sounds[item.id]
        wave = sound.wave.numpy()
        made = noise_tail(wave, sound.rate, seed=5)
        found = Stability().score(Clip(item, Sound(sound.path, torch.from_numpy(made), sound.rate)))
        assert found["tail_kind"] == "noise" and "repeated" not in found, item.id
        level = float(np.sqrt(np.square(wave).mean()))
        hiss = np.random.default_rng(6).normal(0, level / 30, len(wave)).astype(np.float32)
        assert tail(track(Sound(sound.path, torch.from_numpy(wave + hiss), sound.rate).heard.numpy())) is None, item.id


def test_a_short_reference_hardly_decides_the_tempo(spoken: list[Item], sounds: dict[str, Sound]) -> None:
    """Fewer syllables in the same seconds are not taken for so much less of a tempo."""
    for item in spoken:
        few = "Six drawn out syllables" if item.language == "en" else "六个音节啊"
        fewer = syllables(item.reference_text or "", item.language) / syllables(few, item.language)
        own = float(Stability().score(Clip(item, sounds[item.id]))["tempo"] or 0)
        short = item.model_copy(update={"reference_text": few})
        told = float(Stability().score(Clip(short, sounds[item.id]))["tempo"] or 0)
        assert own < told < 0.9 * fewer * own, item.id


def pieces(seconds: float, length: float = 0.3) -> list[tuple[float, float]]:
    """Stretches of 0.3 s in the place of words: three of them are a phrase."""
    return [(length * i, length * (i + 1)) for i in range(int(seconds / length))]


def test_a_text_that_repeats_itself_may_be_heard_twice(spoken: list[Item], sounds: dict[str, Sound]) -> None:
    item = spoken[0]
    wave = sounds[item.id].wave.numpy()
    made = double_phrase(wave, sounds[item.id].rate, pieces(sounds[item.id].seconds))
    assert made is not None
    sound = Sound(sounds[item.id].path, torch.from_numpy(made), sounds[item.id].rate)
    wanted = item.model_copy(update={"text": "Tear it down, tear it down, said the crowd."})
    assert Stability().score(Clip(item, sound))["repeated"] == 1.0
    assert "repeated" not in Stability().score(Clip(wanted, sound))


def test_stretching_keeps_the_pitch(sounds: dict[str, Sound]) -> None:
    wave = sounds["ben_en_1"].heard.numpy()
    slow = stretch(wave, RATE)
    assert len(slow) == pytest.approx(2 * len(wave), rel=0.05)
    before, after = (np.median(f.f0[f.voiced]) for f in (track(wave), track(slow)))
    assert after == pytest.approx(before, rel=0.06)
    assert speech(track(slow)) == pytest.approx(2 * speech(track(wave)), rel=0.15)


def test_cutting_and_doubling_change_the_length() -> None:
    wave, words = tone(100, 4), [(0.0, 0.5), (0.6, 1.1), (1.2, 1.9), (2.0, 2.4), (2.5, 3.5)]
    cut = cut_word(wave, RATE, words)
    assert cut is not None and len(cut) == pytest.approx(len(wave) - 0.7 * RATE, abs=0.01 * RATE)
    doubled = double_phrase(wave, RATE, words)
    assert doubled is not None and len(doubled) == pytest.approx(len(wave) + 1.07 * 1.8 * RATE, abs=0.02 * RATE)
    assert cut_word(wave, RATE, words[:2]) is None
    assert len(joined([wave[:100], wave[100:]], RATE)) == len(wave) - 80


def test_prosody_of_a_recording_against_itself_and_another(spoken: list[Item], sounds: dict[str, Sound]) -> None:
    first, second = spoken[0], spoken[1]
    same = Prosody().score(Clip(first.model_copy(update={"recording": first.wav}), sounds[first.id]))
    other = Prosody().score(Clip(first.model_copy(update={"recording": second.wav}), sounds[first.id]))
    assert same["mcd"] == pytest.approx(0, abs=1e-6)
    assert same["pitch_correlation"] == pytest.approx(1)
    assert isinstance(other["mcd"], float) and 4 < other["mcd"] < 20
    assert Prosody().score(Clip(first, sounds[first.id])) == {}


def test_warping_finds_the_repeated_frame() -> None:
    first = np.array([[0.0], [1], [2], [3]])
    places, others = warp(first, first[[0, 1, 1, 1, 2, 3]])
    assert list(zip(places.tolist(), others.tolist(), strict=True)) == [(0, 0), (1, 1), (1, 2), (1, 3), (2, 4), (3, 5)]


def test_signal_columns(spoken: list[Item], sounds: dict[str, Sound]) -> None:
    found = Signal().score(Clip(spoken[0], sounds[spoken[0].id]))
    assert 120 < float(found["pitch"] or 0) < 300
    assert -35 < float(found["loudness"] or 0) < -10
    assert found["clipping"] == 0


@pytest.mark.parametrize(
    ("text", "language", "count"), [("The kettle began to sing.", "en", 7), ("你好吗", "zh", 3), ("Hope", "en", 1)]
)
def test_syllables(text: str, language: str, count: int) -> None:
    assert syllables(text, language) == count


def test_silence_has_no_tail() -> None:
    assert tail(track(np.zeros(RATE, np.float32))) is None
