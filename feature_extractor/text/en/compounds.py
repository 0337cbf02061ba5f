"""Unknown words that are two or three known ones written together."""

from __future__ import annotations

from functools import lru_cache

from feature_extractor.text.tables import SortedTable
from gpt_sovits.core.resources import resource

_SHORTEST, _LEAST = 3, -6.3
"""A part has at least this many letters and this logarithm (base 10) of its share of running text."""


def split_compound(word: str) -> list[str]:
    """The likeliest two (or three) frequent words that make up `word`; an empty list when there are none.

    Args:
        word: lower-case letters.
    """
    best: tuple[float, list[str]] = (-99.0, [])
    for i in range(_SHORTEST, len(word) - _SHORTEST + 1):
        first = _share(word[:i])
        if first < _LEAST:
            continue
        second = _share(word[i:])
        if second >= _LEAST:
            best = max(best, (first + second, [word[:i], word[i:]]))
    return best[1]


def _share(part: str) -> float:
    value = _shares().get(part)
    return int(value) / 100 if value else -99.0


@lru_cache(maxsize=1)
def _shares() -> SortedTable:
    return SortedTable(resource("res", "text", "en", "unigrams.tsv"))
