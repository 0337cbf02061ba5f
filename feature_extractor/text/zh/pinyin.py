"""Pinyin of Chinese words before any sandhi."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import Any

from feature_extractor.text.characters import read_pairs
from feature_extractor.text.zh.syllables import is_syllable
from gpt_sovits.core.resources import resource


@lru_cache(maxsize=65536)
def word_syllables(text: str) -> tuple[str, ...]:
    """Most usual reading of a word or sentence, one syllable with a tone digit per character, by pypinyin.

    A character that is not Chinese stands for itself.
    """
    module = _pypinyin()
    rows = module.pinyin(
        text, style=module.Style.TONE3, neutral_tone_with_five=True, errors=lambda part: list(part), strict=False
    )
    return tuple(row[0].replace("ü", "v") for row in rows)


def chinese_syllables(text: str) -> list[str]:
    """Like `word_syllables`, but empty unless every character has a syllable."""
    syllables = word_syllables(text)
    return list(syllables) if all(map(is_syllable, syllables)) else []


@lru_cache(maxsize=1)
def phrases() -> dict[str, list[str]]:
    """Readings of words that pypinyin gets wrong or has in a rarer reading."""
    return {word: reading.split() for word, reading in read_pairs(resource("res", "text", "zh", "phrases.tsv")).items()}


@lru_cache(maxsize=1)
def _pypinyin() -> Any:
    return import_module("pypinyin")
