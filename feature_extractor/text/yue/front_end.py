"""The Cantonese front end."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby

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
_LONGEST = 400
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
    parts = (part for part in _SENTENCE.findall(normalised) if part)
    # A part of hundreds of characters without a mark is cut: looking words up in it takes long.
    pieces = (part[i : i + _LONGEST] for part in parts for i in range(0, len(part), _LONGEST))
    return [row for piece in pieces for row in _sentence(piece)]


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
    rows = jyutping(normalised)
    sounds = [_sound(char, syllables) for char, syllables, _ in rows]
    deciders = ["mark" if c in _MARKS else "unknown" if s is None else by for c, s, by in rows]
    sources: list[Source] = []
    start = 0
    for by, group in groupby(deciders):
        end = start + sum(1 for _ in group)
        sources.append(Source(normalised[start:end], sum(map(len, sounds[start:end])), by))
        start = end
    return Reading([p for sound in sounds for p in sound], normalised, [len(sound) for sound in sounds], tuple(sources))


def _sound(char: str, syllables: str | None) -> list[str]:
    if char in _MARKS:
        return [char]
    if syllables is None:
        return ["UNK"]
    return [phone for s in syllables.split() if is_syllable(s) for phone in syllable_phones(s)]


@lru_cache(maxsize=1)
def _phrases() -> dict[str, str]:
    """Words that ToJyutping reads in a rarer way, in traditional characters."""
    return read_pairs(resource("res", "text", "yue", "phrases.tsv"))


@lru_cache(maxsize=1)
def _pattern() -> re.Pattern[str]:
    return re.compile("|".join(sorted(map(re.escape, _phrases()), key=len, reverse=True)))
