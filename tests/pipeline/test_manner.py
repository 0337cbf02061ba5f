"""Whose rhythm stage 1 continues: the reference's, or a prompt's that the model brings."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from gpt_sovits.core.bundle import MANIFEST, find_model
from gpt_sovits.core.errors import CheckpointError, InputError
from gpt_sovits.pipeline import TTS, Request
from gpt_sovits.pipeline.manner import give_prompt
from gpt_sovits.pipeline.prompt import read_voice

QUICK = {"cut": "cut0", "max_codes": 20, "retries": 0, "seed": 7}
SAID, TEXT = "A cold wind came down from the northern hills", "It was late."


@pytest.fixture
def folder(model_folder: Path, tmp_path: Path, ada: Path) -> Path:
    """A model with a prompt in English, of another voice than the references."""
    shutil.copytree(model_folder, tmp_path / "mannered")
    give_prompt(tmp_path / "mannered", ada, SAID, "en")
    return tmp_path / "mannered"


def test_the_models_manner_is_that_of_its_prompt(folder: Path, model_folder: Path, ada: Path, ben: Path) -> None:
    """The codes are those that the prompt's clip as a reference brings; the voice is the reference's."""
    tts, plain = TTS(folder, "cpu"), TTS(model_folder, "cpu")
    asked = {**QUICK, "language": "en"}
    own = tts.speak(TEXT, reference=ben, reference_text="Good evening.", manner="model", **asked)
    assert own.codes == plain.speak(TEXT, reference=ada, reference_text=SAID, **asked).codes
    assert own.codes == tts.speak(TEXT, reference=ben, manner="model", **asked).codes
    assert own.codes != tts.speak(TEXT, reference=ben, reference_text="Good evening.", **asked).codes
    other = tts.speak(TEXT, reference=ada, manner="model", **asked)
    assert other.codes == own.codes and (other.samples != own.samples).any()


def test_each_sentence_is_said_in_the_manner_of_its_language(folder: Path, ben: Path) -> None:
    """One whose language has no prompt continues the reference."""
    tts = TTS(folder, "cpu")
    asked = {**QUICK, "reference": ben, "reference_text": "Good evening.", "reference_language": "en"}
    text = {"text": f"{TEXT}\n今天天气很好。", "language": "auto"}
    own, usual = (tts.speak(**text, **asked, manner=manner) for manner in ("model", "reference"))
    assert own.codes[0] != usual.codes[0] and own.codes[1] == usual.codes[1]


def test_nobody_listens_to_what_the_reference_says_where_it_is_not_continued(
    folder: Path, ben: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tts = TTS(folder, "cpu")
    monkeypatch.setattr(tts.parts.hubert, "forward", lambda *_: pytest.fail("the content encoder was asked"))
    assert tts.speak(TEXT, reference=ben, reference_text=SAID, language="en", manner="model", **QUICK).codes
    with pytest.raises(pytest.fail.Exception, match="was asked"):
        tts.speak(TEXT, reference=ben, reference_text=SAID, language="en", **QUICK)


def test_a_stream_has_the_same_manner(folder: Path, ada: Path, ben: Path) -> None:
    tts = TTS(folder, "cpu")
    waves = [
        next(
            iter(tts.stream(Request(text=TEXT, reference=ben, language="en", manner=manner, **QUICK), at_silence=False))
        )
        for manner in ("model", "reference")
    ]
    assert waves[0].shape != waves[1].shape or (waves[0] != waves[1]).any()


def test_a_model_recommends_it_and_compat_does_not_heed_it(folder: Path, model_folder: Path, ben: Path) -> None:
    asked = {**QUICK, "reference": ben, "reference_text": "Good evening.", "language": "en"}
    own = TTS(folder, "cpu").speak(TEXT, **asked, manner="model")
    with (folder / MANIFEST).open("a", encoding="utf8") as file:
        file.write("sampling: {manner: model}\n")
    tts = TTS(folder, "cpu")
    assert tts.speak(TEXT, **asked).codes == own.codes != tts.speak(TEXT, **asked, manner="reference").codes
    public = TTS(model_folder, "cpu").speak(TEXT, **asked, compat=True)
    assert tts.speak(TEXT, **asked, compat=True).codes == public.codes


def test_a_model_without_a_prompt_says_so(tts: TTS, ben: Path) -> None:
    with pytest.raises(InputError, match="manner of the reference"):
        tts.speak(TEXT, reference=ben, language="en", manner="model", **QUICK)


def test_a_prompt_is_stored_as_text_and_codes(folder: Path, model_folder: Path, ada: Path) -> None:
    stored = yaml.safe_load((folder / MANIFEST).read_text(encoding="utf8"))
    before = yaml.safe_load((model_folder / MANIFEST).read_text(encoding="utf8"))
    assert {**stored, "prompts": {}} == before
    voice = read_voice(TTS(folder, "cpu").parts, ada)
    assert stored["prompts"] == {"en": {"text": f"{SAID}.", "codes": voice.codes.tolist()}}
    assert find_model(folder).manifest.prompts["en"].codes == tuple(voice.codes.tolist())


def test_a_text_of_another_language_is_no_prompt(folder: Path, ada: Path) -> None:
    with pytest.raises(InputError, match="is en, not zh"):
        give_prompt(folder, ada, SAID, "zh")


def test_codes_that_stage_2_does_not_know_are_refused(folder: Path) -> None:
    values = yaml.safe_load((folder / MANIFEST).read_text(encoding="utf8"))
    values["prompts"]["en"]["codes"][3] = 5000
    (folder / MANIFEST).write_text(yaml.safe_dump(values), encoding="utf8")
    with pytest.raises(CheckpointError, match="code 5000"):
        TTS(folder, "cpu")
