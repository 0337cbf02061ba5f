"""Simplified characters as the traditional ones that the pronunciation dictionary is written in."""

from __future__ import annotations

from functools import lru_cache

from feature_extractor.text.characters import read_pairs
from gpt_sovits.core.resources import resource

# Cantonese words that are written with these in simplified texts too.
_SHARED = frozenset("嗰點係搵𨋢諗講邊喎囉啲嘅喺咗冇嚟嘢")


def traditional(text: str) -> str:
    """The same text, character for character, in traditional characters.

    A simplified character that is also a traditional one (几, 里, 只, 干) is decided by the word it stands in; in a
    text with more traditional than simplified characters it stays as it is.
    """
    if text.isascii():
        return text
    only_simplified = sum(c in _only_simplified() for c in text)
    if sum(c in _only_traditional() for c in text) > only_simplified:
        return text.translate(_only_simplified_table())
    return _convert(text)


def _convert(text: str) -> str:
    """Longest words first, from the left."""
    table, longest = _table(), _longest()
    parts: list[str] = []
    i = 0
    while i < len(text):
        size = next((n for n in range(longest.get(text[i], 1), 1, -1) if text[i : i + n] in table), 1)
        word = text[i : i + size]
        parts.append(table.get(word, word))
        i += size
    return "".join(parts)


@lru_cache(maxsize=1)
def _table() -> dict[str, str]:
    return read_pairs(resource("res", "text", "yue", "traditional.tsv"))


@lru_cache(maxsize=1)
def _longest() -> dict[str, int]:
    """By first character, the length of the longest word in the table."""
    lengths: dict[str, int] = {}
    for word in _table():
        lengths[word[0]] = max(len(word), lengths.get(word[0], 1))
    return lengths


@lru_cache(maxsize=1)
def _only_traditional() -> frozenset[str]:
    pairs = read_pairs(resource("res", "text", "zh", "simplified.tsv"))
    return frozenset(old for old, new in pairs.items() if old != new) - _SHARED


@lru_cache(maxsize=1)
def _only_simplified() -> frozenset[str]:
    """Simplified characters that no traditional text has."""
    pairs = read_pairs(resource("res", "text", "yue", "traditional.tsv"))
    both = (
        "万丑丰于云仆价余佣党准几凶划制占卷厂只台叶吁后周咸夸姜尸岩岳帘干广征御志愿扎托挂据斗曲朱朴杆松极柜梁沈涂涌淀游"
        "种筑系胜胡腊致舍里谷面冲别布回困"
    )
    return frozenset(word for word in pairs if len(word) == 1) - frozenset(both)


@lru_cache(maxsize=1)
def _only_simplified_table() -> dict[int, str]:
    return {ord(c): _table()[c] for c in _only_simplified()}
