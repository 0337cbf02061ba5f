"""Pinyin of Chinese words before any sandhi, from the lists of pypinyin, left on disk."""

from __future__ import annotations

import re
from functools import lru_cache

from feature_extractor.text.characters import read_pairs
from feature_extractor.text.tables import SortedTable
from feature_extractor.text.zh.syllables import is_syllable
from gpt_sovits.core.resources import resource

_HAN = re.compile("([\u3007\u3400-\u4dbf\u4e00-\u9fff\ue815-\ue864\uf900-\ufaff\U00020000-\U00032389]+)")


@lru_cache(maxsize=16384)
def word_syllables(text: str) -> tuple[str, ...]:
    """Most usual reading of a word or sentence, one syllable with a tone digit per character, as pypinyin gives it.

    The longest phrase that begins at a place is read as listed, other characters by themselves; a character that is
    not Chinese stands for itself.
    """
    return tuple(
        syllable for i, run in enumerate(_HAN.split(text)) for syllable in (_run_syllables(run) if i % 2 else run)
    )


def listed_phrase(text: str) -> tuple[str, ...]:
    """The reading of a text that is itself a listed phrase; empty when it is none."""
    return _phrases(text[:2]).get(text[2:] or "-", ())


def chinese_syllables(text: str) -> list[str]:
    """Like `word_syllables`, but empty unless every character has a syllable."""
    syllables = word_syllables(text)
    return list(syllables) if all(map(is_syllable, syllables)) else []


@lru_cache(maxsize=1)
def phrases() -> dict[str, list[str]]:
    """Readings of words that pypinyin gets wrong or has in a rarer reading."""
    return {word: reading.split() for word, reading in read_pairs(resource("res", "text", "zh", "phrases.tsv")).items()}


def _run_syllables(text: str) -> list[str]:
    result: list[str] = []
    while text:
        found = _phrase_at_start(text)
        if not found and _is_beginning(text):
            # What may go on as a phrase and holds none at its start is read character by character to the end.
            return result + [_character(c) for c in text]
        result.extend(found or [_character(text[0])])
        text = text[max(len(found), 1) :]
    return result


def _phrase_at_start(text: str) -> tuple[str, ...]:
    listed = _phrases(text[:2])
    fitting = [rest for rest in listed if text.startswith("" if rest == "-" else rest, 2)] if len(text) > 1 else []
    return listed[max(fitting, key=lambda rest: len(listed[rest]))] if fitting else ()


def _is_beginning(text: str) -> bool:
    """Whether the text, of two characters at least, is the beginning of a longer phrase."""
    return len(text) > 1 and any(rest.startswith(text[2:]) for rest in _phrases(text[:2]) if rest != "-")


@lru_cache(maxsize=8192)
def _phrases(start: str) -> dict[str, tuple[str, ...]]:
    """All phrases with these first two characters: the rest of each (`-`: nothing) and its syllables."""
    fields = _phrases_of(start[:1]).get(start[1:], "").split()
    rows = zip(fields[::2], fields[1::2], strict=True)
    return {rest: tuple(syllables.split(",")) for rest, syllables in rows}


@lru_cache(maxsize=8192)
def _character(character: str) -> str:
    return _character_table().get(character, character)


@lru_cache(maxsize=1024)
def _phrases_of(character: str) -> dict[str, str]:
    return _phrase_table().beginning(character)


@lru_cache(maxsize=1)
def _phrase_table() -> SortedTable:
    return SortedTable(resource("res", "text", "zh", "pinyin_phrases.tsv"))


@lru_cache(maxsize=1)
def _character_table() -> SortedTable:
    return SortedTable(resource("res", "text", "zh", "pinyin_characters.tsv"))
