"""Chinese words with their parts of speech, exactly as jieba cuts and tags them, from dictionaries left on disk."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple, TypeVar

from feature_extractor.text.zh.dictionary import dictionary
from feature_extractor.text.zh.unknown import plain_words, tagged_words

_TEXT = re.compile(r"([\u4E00-\u9FD5a-zA-Z0-9+#&._]+)")
_SEARCHED = re.compile(r"([\u4E00-\u9FD5a-zA-Z0-9+#&._%\-]+)")
_SPACE = re.compile(r"(\r\n|\s)")
_HAN = re.compile("([\u4e00-\u9fd5]+)")
_LATIN = re.compile(r"([.0-9]+|[a-zA-Z0-9]+)")
_SEARCHED_LATIN = re.compile(r"([a-zA-Z0-9]+(?:\.\d+)?%?)")

Item = TypeVar("Item")


class Word(NamedTuple):
    """A word and its part of speech in jieba's letters (n noun, v verb, a adjective, d adverb, u particle ...)."""

    text: str
    tag: str


class Segmenter:
    """Most likely words of the dictionary; what it lacks goes to a hidden Markov model."""

    def __init__(self) -> None:
        self._tagged = lru_cache(maxsize=8192)(_tagged)
        self._inner = lru_cache(maxsize=8192)(_inner)

    def words(self, text: str) -> list[Word]:
        """Cut a text into tagged words."""
        result: list[Word] = []
        for i, block in enumerate(_TEXT.split(text)):
            if i % 2:
                result.extend(self._block(block))
                continue
            for part in _SPACE.split(block):
                if _SPACE.match(part):
                    result.append(Word(part, "x"))
                else:
                    result.extend(Word(c, "m" if c in ".0123456789" else "x") for c in part)
        return result

    def subwords(self, word: str) -> list[str]:
        """The shorter dictionary words inside a word, then the word itself."""
        return list(self._inner(word))

    def _block(self, text: str) -> Iterator[Word]:
        tag = dictionary().tag
        for part, known in _cut(text):
            if known:
                yield Word(part, tag(part))
            else:
                yield from self._tagged(part)


def _inner(word: str) -> tuple[str, ...]:
    result: list[str] = []
    for part in _plain(word):
        for size in (2, 3):
            if len(part) > size:
                pieces = (part[i : i + size] for i in range(len(part) - size + 1))
                result.extend(piece for piece in pieces if piece in dictionary())
        result.append(part)
    return tuple(result)


def _cut(text: str) -> Iterator[tuple[str, bool]]:
    """The likeliest words of a text; runs of characters that are none are joined and marked False."""
    ends = dictionary().likeliest_ends(text)
    start = waiting = 0
    while start < len(text):
        end = ends[start]
        if end - start > 1:
            yield from _loose(text[waiting:start])
            yield text[start:end], True
            waiting = end
        start = end
    yield from _loose(text[waiting:])


def _loose(characters: str) -> Iterator[tuple[str, bool]]:
    if len(characters) > 1 and characters not in dictionary():
        yield characters, False
    else:
        yield from ((character, True) for character in characters)


def _tagged(text: str) -> tuple[Word, ...]:
    return tuple(Word(*pair) for pair in _around(text, _LATIN, tagged_words(), _latin))


def _latin(part: str) -> tuple[str, str]:
    return part, "m" if part[0] in ".0123456789" else "eng" if part[0].isalnum() and part[0].isascii() else "x"


def _plain(text: str) -> Iterator[str]:
    for i, block in enumerate(_SEARCHED.split(text)):
        if i % 2 == 0:
            for part in _SPACE.split(block):
                yield from [part] if _SPACE.match(part) else part
            continue
        for part, known in _cut(block):
            if known:
                yield part
            else:
                yield from _around(part, _SEARCHED_LATIN, plain_words(), str)


def _around(
    text: str, latin: re.Pattern[str], chinese: Callable[[str], list[Item]], other: Callable[[str], Item]
) -> Iterator[Item]:
    """What a model makes of the Chinese characters of a text, and the rest part by part."""
    for i, block in enumerate(_HAN.split(text)):
        if i % 2:
            yield from chinese(block)
        else:
            yield from (other(part) for part in latin.split(block) if part)


@lru_cache(maxsize=1)
def segmenter() -> Segmenter:
    """The segmenter, made once."""
    return Segmenter()
