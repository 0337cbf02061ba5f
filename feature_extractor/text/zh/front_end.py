"""The Chinese front end."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import groupby
from types import MappingProxyType
from typing import NamedTuple

from feature_extractor.text.reading import Pin, Reading, Source, pieces, spread
from feature_extractor.text.scripts import HAN
from feature_extractor.text.zh.characters import simplify
from feature_extractor.text.zh.erhua import merge_erhua
from feature_extractor.text.zh.feet import change_third_tones
from feature_extractor.text.zh.network import polyphone_network
from feature_extractor.text.zh.normalise import normalise
from feature_extractor.text.zh.notation import syllables as pinned_syllables
from feature_extractor.text.zh.pinyin import chinese_syllables, word_syllables
from feature_extractor.text.zh.public_normalise import normalise as public_normalise
from feature_extractor.text.zh.readings import sentence_readings
from feature_extractor.text.zh.sandhi import change_tones, merge_words
from feature_extractor.text.zh.segment import Word, segmenter
from feature_extractor.text.zh.syllables import is_syllable, syllable_phones

_SENTENCE = re.compile(r"[^!?…,.\-]*(?:[!?…,.\-]|$)")
# 一 inside a number keeps its tone whatever follows the number: 一点五倍, 十一倍.
_COUNTING_ONE = re.compile(
    "(?<=月)一(?=[日号])|一(?=点?[零一二三四五六七八九])|(?<=[零一二三四五六七八九十点])一(?![百千万亿个些])|(?<=十)一(?=个)"
)
_LONGEST = 400
_NONE: Mapping[int, str] = MappingProxyType({})
_PAUSES = {"￥": "SP2", "^": "SP3"}


class Sentence(NamedTuple):
    """A syllable or mark per character, and how many characters in a row were decided by what."""

    syllables: list[str]
    units: list[tuple[int, str]]


def read_chinese(text: str, symbols: str, compat: bool, pins: Sequence[Pin] = ()) -> Reading:
    """Phones of Chinese text.

    With `compat` a `￥` or `^` turns every comma of the text into SP2 or SP3, as the public front end does.
    """
    if pins:
        return _read_pinned(text, symbols, compat, pins)
    if not compat:
        normalised = normalise(text)
        return _reading(normalised, [_syllables(part) for part in _sentences(normalised)], {})
    pause = next((mark for mark in _PAUSES if mark in text), None)
    normalised = public_normalise(text.replace(pause, ",") if pause else text)
    reading = _reading(normalised, [_public_syllables(part, symbols) for part in _sentences(normalised)], {})
    if pause is None:
        return reading
    phones = [_PAUSES[pause] if phone == "," else phone for phone in reading.phones]
    return replace(reading, phones=phones)


def _read_pinned(text: str, symbols: str, compat: bool, pins: Sequence[Pin]) -> Reading:
    """Read a text whose pinned characters keep the syllables they were given; their neighbours know of them.

    The stretches between pins are normalised by themselves, then all is read as one text.
    """
    normalised = ""
    fixed: dict[int, list[str]] = {}
    for piece, pin in pieces(text, pins):
        if pin is None:
            normalised += public_normalise(piece) if compat else normalise(piece)
        elif pin.reading is None:
            normalised += re.sub(f"[^{HAN}!?…,.]", "", simplify(piece))
        else:
            syllables = pinned_syllables(pin.reading)
            counts = iter(spread(len(syllables), piece))
            for i in range(len(piece)):
                count = next(counts)
                fixed[len(normalised) + i], syllables = syllables[:count], syllables[count:]
            normalised += piece
    read: list[Sentence] = []
    start = 0
    for part in _sentences(normalised):
        own = {i - start: fixed[i][0] for i in range(start, start + len(part)) if fixed.get(i)}
        read.append(_public_syllables(part, symbols, own) if compat else _syllables(part, own))
        start += len(part)
    return _reading(normalised, read, fixed)


def _sentences(text: str) -> list[str]:
    """Parts that end with a mark; a part of hundreds of characters without one is cut, as segmenting it takes long."""
    parts = (part for part in _SENTENCE.findall(text) if part)
    return [part[i : i + _LONGEST] for part in parts for i in range(0, len(part), _LONGEST)]


def _reading(normalised: str, sentences: list[Sentence], fixed: Mapping[int, list[str]]) -> Reading:
    """Put the sentences together; `fixed` are the syllables that the user has fixed, by character."""
    found = [fixed.get(i, [s]) for i, s in enumerate(s for sentence in sentences for s in sentence.syllables)]
    sounds = [[p for s in syllables for p in (syllable_phones(s) if is_syllable(s) else [s])] for syllables in found]
    units = (unit for sentence in sentences for unit in sentence.units)
    owners = [(number, by) for number, (size, by) in enumerate(units) for _ in range(size)]
    sources: list[Source] = []
    start = 0
    for (_, by), group in groupby((-1, "user") if i in fixed else owner for i, owner in enumerate(owners)):
        end = start + sum(1 for _ in group)
        sources.append(Source(normalised[start:end], sum(map(len, sounds[start:end])), by))
        start = end
    return Reading([p for sound in sounds for p in sound], normalised, [len(sound) for sound in sounds], tuple(sources))


def _syllables(sentence: str, fixed: Mapping[int, str] = _NONE) -> Sentence:
    """Readings by word and context, then the tone changes; 儿 follows in every word.

    Args:
        fixed: syllables of single characters, in the place of those found.
    """
    words = segmenter().words(sentence)
    units = sentence_readings(words)
    flat = [fixed.get(i, s) for i, s in enumerate(s for unit in units for s in unit.syllables)]
    merged = merge_words(words)
    changed = change_third_tones(merged, _by_word(merged, flat, _changed))
    result = _by_word(merged, changed, merge_erhua)
    for match in _COUNTING_ONE.finditer(sentence):
        result[match.start()] = "yi1"
    return Sentence(result, [(len(unit.text), unit.by) for unit in units])


def _changed(word: Word, syllables: list[str]) -> list[str]:
    return list(_changed_once(word, tuple(syllables)))


@lru_cache(maxsize=16384)
def _changed_once(word: Word, syllables: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(change_tones(word, list(syllables), public=False))


def _by_word(words: list[Word], syllables: list[str], change: Callable[[Word, list[str]], list[str]]) -> list[str]:
    result: list[str] = []
    for word in words:
        own = syllables[len(result) : len(result) + len(word.text)]
        result.extend(change(word, own) if all(map(is_syllable, own)) else own)
    return result


def _heard(sentence: str, symbols: str) -> list[str]:
    """The readings before any tone change: those of the network where it is installed, else pypinyin's."""
    listed = list(word_syllables(sentence))
    network = polyphone_network() if symbols != "v1" else None
    return [h or s for h, s in zip(network.read(sentence), listed, strict=True)] if network else listed


def _public_syllables(sentence: str, symbols: str, fixed: Mapping[int, str] = _NONE) -> Sentence:
    """One reading for the whole sentence (v2) or for each word (v1, which leaves 儿 alone), then the tone changes."""
    whole = [fixed.get(i, syllable) for i, syllable in enumerate(_heard(sentence, symbols))]
    result: list[str] = []
    for word in merge_words(segmenter().words(sentence), chinese_syllables):
        if symbols == "v1":
            syllables = list(word_syllables(word.text))
        else:
            syllables = list(whole[len(result) : len(result) + len(word.text)])
        if all(map(is_syllable, syllables)):
            syllables = change_tones(word, syllables, public=True)
            syllables = syllables if symbols == "v1" else merge_erhua(word, syllables)
        result.extend(syllables)
    heard = symbols != "v1" and polyphone_network() is not None
    return Sentence(result, [(len(sentence), "G2PW" if heard else "pypinyin")])
