"""A model's own defaults: below what a request says, above the general ones."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gpt_sovits.core.bundle import MANIFEST
from gpt_sovits.core.errors import ConfigError
from gpt_sovits.pipeline import TTS, Request


def request(**options: object) -> Request:
    return Request.model_validate({"text": "Hello.", "reference": "voice.wav", **options})


def test_open_options_are_the_models() -> None:
    advised = request(top_k=9).advised({"top_k": 3, "temperature": 0.5}, "tiny")
    assert (advised.top_k, advised.temperature, advised.top_p) == (9, 0.5, 1.0)


def test_compat_keeps_the_public_defaults() -> None:
    assert request(compat=True).advised({"top_k": 3}, "tiny").top_k == 15


@pytest.mark.parametrize("sampling", [{"top_q": 3}, {"temperature": -1}])
def test_bad_advice_names_the_model(sampling: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="tiny"):
        request().advised(sampling, "tiny")


def test_the_manifest_is_heeded(model_folder: Path, tmp_path: Path, ben: Path) -> None:
    folder = tmp_path / "steady"
    shutil.copytree(model_folder, folder)
    with (folder / MANIFEST).open("a", encoding="utf8") as file:
        file.write("sampling: {max_codes: 7, retries: 0}\nprompt_silence: 0.0\n")
    shorter, usual = TTS(folder), TTS(model_folder)
    said, before = (tts.speak("One two three.", reference=ben, language="en", seed=1) for tts in (shorter, usual))
    assert len(said.codes[0]) <= 7 < len(before.codes[0])


def test_silence_after_the_reference_is_the_models(model_folder: Path, tmp_path: Path, ben: Path) -> None:
    folder = tmp_path / "bare"
    shutil.copytree(model_folder, folder)
    with (folder / MANIFEST).open("a", encoding="utf8") as file:
        file.write("prompt_silence: 0.0\n")
    bare, usual = (TTS(f)._voice(ben, ()) for f in (folder, model_folder))
    assert len(usual.codes) - len(bare.codes) == 15
