"""Two ways of writing one sentence count as one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt_sovits.core.errors import TextError
from gpt_sovits.evaluate.normalise import LANGUAGES, normalise

TABLE = [line.split("\t") for line in Path(__file__).with_name("normalised.tsv").read_text("utf8").splitlines()]


@pytest.mark.parametrize(("language", "text", "expected"), TABLE, ids=[row[1] for row in TABLE])
def test_table(language: str, text: str, expected: str) -> None:
    units = normalise(text, language)
    assert (" " if language == "en" else "").join(units) == expected


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_said_is_nothing(language: str) -> None:
    assert normalise("", language) == []
    assert normalise(" ... !? ", language) == []


def test_unknown_language_is_named() -> None:
    with pytest.raises(TextError, match=r"'xx'.*en, zh, ja"):
        normalise("hello", "xx")


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60), st.sampled_from(LANGUAGES))
def test_any_text_gives_units_without_spaces(text: str, language: str) -> None:
    assert all(unit and not unit.isspace() for unit in normalise(text, language))


def test_english_normalises_to_itself() -> None:
    for language, text, _ in TABLE:
        if language == "en" and "flour" not in text:
            once = normalise(text, "en")
            assert normalise(" ".join(once), "en") == once
