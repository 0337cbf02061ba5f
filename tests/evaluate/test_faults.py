"""Planted faults and the recogniser, with the real metric models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gpt_sovits.evaluate import recognise
from gpt_sovits.evaluate.faults import WANTED, try_detectors
from gpt_sovits.evaluate.item import Clip, Item, Sound
from gpt_sovits.evaluate.measures import Tools
from gpt_sovits.evaluate.recognise import load_recogniser

pytestmark = pytest.mark.metric_models


def test_detectors_on_the_shipped_clips(metric_models: Path, spoken: list[Item], tmp_path: Path) -> None:
    """At least nine of ten planted faults are found, and none in the clips themselves."""
    trials = {trial.fault: trial for trial in try_detectors(spoken, tmp_path, Tools(models=metric_models))}
    assert set(trials) == set(WANTED)
    for trial in trials.values():
        assert trial.clean == 10 and trial.false_alarms == 0, trial
        assert trial.planted >= 9 and trial.found >= 0.9 * trial.planted, trial


def test_a_clip_is_encoded_once(
    metric_models: Path, spoken: list[Item], sounds: dict[str, Sound], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Telling the language and writing down the words share the encoding, which takes most of the time."""
    from faster_whisper import WhisperModel

    encoded = []
    encode = WhisperModel.encode

    def counted(self: WhisperModel, features: Any) -> Any:
        encoded.append(features.shape)
        return encode(self, features)

    monkeypatch.setattr(WhisperModel, "encode", counted)
    item = spoken[0]
    heard = load_recogniser("whisper-base", metric_models).hear(Clip(item, sounds[item.id]))
    assert heard.language == item.language and heard.text
    assert len(encoded) == 1


def test_nobody_is_heard_to_say_more_than_can_be_said(
    metric_models: Path, spoken: list[Item], sounds: dict[str, Sound], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tokens a recogniser may write are bounded by the length of the sound."""
    item = spoken[0]
    whisper = load_recogniser("whisper-base", metric_models)
    whole = whisper.hear(Clip(item, sounds[item.id])).text
    monkeypatch.setattr(recognise, "FASTEST", 1)
    cut = whisper.hear(Clip(item, sounds[item.id])).text
    assert 0 < len(cut.split()) <= 1 + sounds[item.id].seconds < len(whole.split())
