"""The Korean front end."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from feature_extractor.text.ko.jamo import is_syllable
from feature_extractor.text.ko.normalise import normalise, verbatim
from feature_extractor.text.ko.notation import pronounce, sounds
from feature_extractor.text.ko.public import read_public
from feature_extractor.text.ko.words import pronounce_words
from feature_extractor.text.reading import Pin, Reading, Source, join_readings, read_around
from feature_extractor.text.symbols import symbol_ids
from gpt_sovits.core.errors import TextError

_CLAUSE = re.compile(r"([,.!?…])|([^,.!?…]+)")
_LETTERS = re.compile("[ㄱ-ㅣ]")


def read_korean(text: str, symbols: str, compat: bool, pins: Sequence[Pin] = ()) -> Reading:
    """Phones of Korean text; `空` is a space, `停` a character that cannot be read.

    Raises:
        TextError: the symbol table is `v1`, which has no Korean phones.
    """
    if symbols == "v1":
        raise TextError("the symbol table v1 has no Korean phones; use a model with the table v2")
    if compat:
        return read_around(text, pins, read_public, pronounce)
    return read_around(
        text,
        pins,
        lambda piece: _spaced(_read(normalise(piece)), piece, text),
        pronounce,
        lambda piece: _spaced(_read(verbatim(piece)), piece, text),
    )


def _spaced(reading: Reading, piece: str, text: str) -> Reading:
    """The reading of a piece of a text with the spaces that stand between the piece and its neighbours."""
    space = Reading(["空"], " ", None, (Source(" ", 1, "space"),))
    before = [space] if piece[:1] == " " and not text.startswith(piece) else []
    after = [space] if piece[-1:] == " " and not text.endswith(piece) and reading.phones else []
    return join_readings([*before, reading, *after]) if before or after else reading


def _read(normalised: str) -> Reading:
    sources = list(_sources(normalised))
    return Reading(
        [phone for _, phones in sources for phone in phones],
        normalised,
        None,
        tuple(source for source, _ in sources),
    )


def _sources(normalised: str) -> Iterator[tuple[Source, list[str]]]:
    """Every word, mark and break with its phones."""
    for match in _CLAUSE.finditer(normalised):
        mark, clause = match.groups()
        if mark:
            yield Source(mark, 1, "mark"), [mark]
            continue
        words = clause.split()
        said = pronounce_words(" ".join(words)).split()
        if clause[0] == " " and match.start():
            yield Source(" ", 1, "space"), ["空"]
        for i, (word, pronounced) in enumerate(zip(words, said, strict=True)):
            if i:
                yield Source(" ", 1, "space"), ["空"]
            sounds_of = [_phones(char) for char in pronounced]
            phones = [phone for sound in sounds_of for phone in sound]
            by = "unknown character" if "停" in phones else "pronunciation rules"
            yield Source(word, len(phones), by, _parts(word, sounds_of)), phones


def _parts(word: str, sounds_of: list[list[str]]) -> tuple[int, ...]:
    """Phones of every character of a word; a respelling may have made it longer or shorter, then they are not known."""
    return tuple(map(len, sounds_of)) if len(word) == len(sounds_of) else ()


def _phones(char: str) -> list[str]:
    if is_syllable(char):
        return sounds(char)
    return [char] if _LETTERS.fullmatch(char) and char in symbol_ids("v2") else ["停"]
