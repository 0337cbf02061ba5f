"""A hundred recordings, thirty broken in ten ways: the others become a voice, and the report names the thirty."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from gpt_sovits.core.bundle import VARIABLE
from gpt_sovits.finetune import Settings, finetune
from gpt_sovits.models import new_model

RATE = 24000
TEXT = "A short sentence."
Wave = NDArray[np.float32]


def broken(wave: Wave) -> dict[str, tuple[Callable[[Path], object], str, str]]:
    """Ten ways: how to write the recording, its text, and what shall be said of it."""

    def sound(values: Wave) -> Callable[[Path], object]:
        return lambda path: soundfile.write(path, values, RATE, subtype="FLOAT")

    hole = wave.copy()
    hole[1000] = np.nan
    return {
        "empty": (lambda path: path.write_bytes(b""), TEXT, "is empty"),
        "foreign": (lambda path: path.write_bytes(b"no sound at all " * 99), TEXT, "cannot be read as audio"),
        "nothing": (sound(wave[:0]), TEXT, "holds no samples"),
        "silent": (sound(wave * 0), TEXT, "is silent"),
        "short": (sound(wave[: RATE // 4]), TEXT, "is too short"),
        "long": (sound(np.tile(wave, 1 + 55 * RATE // len(wave))), TEXT, "is too long"),
        "clipped": (sound(np.clip(wave * 40, -1, 1)), TEXT, "is clipped"),
        "hole": (sound(hole), TEXT, "not finite"),
        "dots": (sound(wave), "...", "nothing to say"),
        "hasty": (sound(wave), TEXT * 12, "outside 3 to 25 phones a second"),
    }


@pytest.fixture
def recordings(tmp_path: Path, clips: Path) -> Path:
    folder = tmp_path / "recordings"
    folder.mkdir()
    wave, rate = soundfile.read(clips / "ada_en_1.ogg", dtype="float32")
    assert rate == RATE
    soundfile.write(folder / "good00.wav", np.tile(wave, 3)[: 4 * RATE], RATE)  # long enough to speak from
    (folder / "good00.txt").write_text("This one is long enough to be a reference for the voice.")
    for number in range(1, 70):
        start = 37 * number
        soundfile.write(folder / f"good{number:02}.wav", wave[start : start + RATE], RATE)
        (folder / f"good{number:02}.txt").write_text(TEXT)
    for way, (write, text, _) in broken(wave[:RATE]).items():
        for number in range(3):
            write(folder / f"{way}{number}.wav")
            (folder / f"{way}{number}.txt").write_text(text)
    return folder


def test_the_good_are_trained_on_and_the_bad_are_named(
    recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "store"))
    new_model(tmp_path / "store" / "debug", "debug", seed=0)
    once = ("run.max_steps=1", "run.validate_every=9")
    judges = "task.discriminator={width: 0.03125, periods: [2], scale: false}"
    settings = Settings(
        "seventy",
        base="debug",
        minutes=30,
        device="cpu",
        work=tmp_path / "work",
        s1_overrides=(*once, "accumulate=1"),
        s2_overrides=(*once, judges),
    )
    outcome = finetune(recordings, settings)
    assert outcome.voice is not None and outcome.report is not None
    ways = broken(np.zeros(RATE, np.float32))
    page = outcome.report.read_text(encoding="utf8")
    for way, (_, _, reason) in ways.items():
        for number in range(3):
            told = [note for note in outcome.notes if f"{way}{number}.wav" in note]
            assert len(told) == 1 and reason in told[0], (way, number, told)
            assert f"{way}{number}.wav" in page
    assert not [note for note in outcome.notes if note.startswith("good")]
    assert outcome.left_out == 3 * len(ways) == 30
    assert {name for name in outcome.trained["s1"].left_out if name.startswith("hasty")} == {
        f"hasty{number}.wav" for number in range(3)
    }
