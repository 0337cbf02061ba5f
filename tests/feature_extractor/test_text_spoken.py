"""Sentences with figures are said as their words are."""

from __future__ import annotations

import pytest

from tests.feature_extractor.spoken_table import Spoken, is_right, rows


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.text[:16])
def test_figures_are_said_in_words(row: Spoken) -> None:
    assert is_right(row)


def test_a_wrong_word_is_noticed() -> None:
    assert not is_right(Spoken("zh", "他今年20岁。", "他今年二十一岁。"))
