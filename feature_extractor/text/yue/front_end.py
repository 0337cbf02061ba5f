"""The Cantonese front end."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from feature_extractor.text.characters import read_pairs
from feature_extractor.text.reading import Pin, Reading, Source, read_around
from feature_extractor.text.yue.characters import traditional
from feature_extractor.text.yue.jyutping import characters, is_syllable, syllable_phones
from feature_extractor.text.yue.normalise import normalise
from feature_extractor.text.yue.notation import pronounce
from feature_extractor.text.yue.public import read_public
from gpt_sovits.core.errors import TextError
from gpt_sovits.core.resources import resource

_MARKS = frozenset("!?…,.")
_SENTENCE = re.compile(r"[^!?…,.]*(?:[!?…,.]|$)")


def read_cantonese(text: str, symbols: str, compat: bool, pins: Sequence[Pin] = ()) -> Reading:
    """Phones of Cantonese text, in traditional or simplified characters.

    Raises:
        TextError: the symbol table is `v1`, which has no Cantonese phones.
    """
    if symbols == "v1":
        raise TextError("the symbol table v1 has no Cantonese phones; use a model with the table v2")
    if compat:
        return read_around(text, pins, read_public, pronounce)
    return read_around(text, pins, lambda piece: _read(normalise(piece)), pronounce, _read)


def jyutping(normalised: str) -> list[tuple[str, str | None, str]]:
    """Every character with its syllables and what decided them; None for a character that no dictionary has."""
    return [row for part in _SENTENCE.findall(normalised) if part for row in _sentence(part)]


def _sentence(text: str) -> list[tuple[str, str | None, str]]:
    rows: list[tuple[str, str | None, str]] = []
    done = 0
    standard = traditional(text)
    found = characters(standard)
    for match in _pattern().finditer(standard):
        rows.extend((text[i], found[i][1], "ToJyutping") for i in range(done, match.start()))
        reading = _phrases()[match[0]].split()
        rows.extend((text[match.start() + i], syllable, "phrases") for i, syllable in enumerate(reading))
        done = match.end()
    rows.extend((text[i], found[i][1], "ToJyutping") for i in range(done, len(text)))
    return rows


def _read(normalised: str) -> Reading:
    phones: list[str] = []
    counts: list[int] = []
    sources: list[Source] = []
    for char, syllables, by in jyutping(normalised):
        if char in _MARKS:
            sound, by = [char], "mark"
        elif syllables is None:
            sound, by = ["UNK"], "unknown"
        else:
            sound = [phone for s in syllables.split() if is_syllable(s) for phone in syllable_phones(s)]
        phones.extend(sound)
        counts.append(len(sound))
        if sources and sources[-1].by == by not in {"mark", "unknown"}:
            last = sources.pop()
            sources.append(Source(last.text + char, last.phones + len(sound), by))
        else:
            sources.append(Source(char, len(sound), by))
    return Reading(phones, normalised, counts, tuple(sources))


@lru_cache(maxsize=1)
def _phrases() -> dict[str, str]:
    """Words that ToJyutping reads in a rarer way, in traditional characters."""
    return read_pairs(resource("res", "text", "yue", "phrases.tsv"))


@lru_cache(maxsize=1)
def _pattern() -> re.Pattern[str]:
    return re.compile("|".join(sorted(map(re.escape, _phrases()), key=len, reverse=True)))
