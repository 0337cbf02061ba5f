"""The words of jieba's dictionary with their frequencies and parts of speech, left on disk.

The file groups the words by their first two characters: one look-up finds all words that begin at a place of a text.
"""

from __future__ import annotations

from functools import lru_cache
from math import log

from feature_extractor.text.tables import SortedTable
from gpt_sovits.core.resources import resource

_LOG_TOTAL = log(60101967)
"""Of all frequencies."""
_UNLISTED = log(1) - _LOG_TOTAL
Entry = tuple[float, str]
"""Logarithm of a word's share, and its part of speech."""


class WordDictionary:
    """Words, their shares and tags; entries are parsed when first met, the last 8192 kept."""

    def __init__(self) -> None:
        self._table = SortedTable(resource("res", "text", "zh", "words.tsv"))
        self._group = lru_cache(maxsize=8192)(self._parse)
        self._rests = lru_cache(maxsize=8192)(self._parse_rests)

    def words_at(self, text: str, start: int) -> list[tuple[int, float]]:
        """Ends (the place of the last character) and log shares of the words that begin at a place, shortest first.

        Where none begins, the character alone counts as one of the rarest.
        """
        found = [(start, share) for _, _, share in self._rests(text[start])]
        if start + 1 < len(text):
            for length, rest, share in self._rests(text[start : start + 2]):
                if text.startswith(rest, start + 2):
                    found.append((start + length, share))
        return found or [(start, _UNLISTED)]

    def __contains__(self, word: str) -> bool:
        return (word[2:] or "-") in self._group(word[:2])

    def tag(self, word: str) -> str:
        """The part of speech of a word, `x` when it is not listed."""
        found = self._group(word[:2]).get(word[2:] or "-")
        return found[1] if found else "x"

    def _parse_rests(self, start: str) -> tuple[tuple[int, str, float], ...]:
        """Offset of the last character, what follows the first two, and log share of every word of a group."""
        rows = [("" if rest == "-" else rest, share) for rest, (share, _) in self._parse(start).items()]
        return tuple((len(rest) + 1, rest, share) for rest, share in rows)

    def _parse(self, start: str) -> dict[str, Entry]:
        fields = self._table.get(start).split(" ")
        rows = zip(fields[::3], fields[1::3], fields[2::3], strict=len(fields) > 1)
        return {rest: (log(int(count)) - _LOG_TOTAL, tag) for rest, count, tag in rows}


@lru_cache(maxsize=1)
def dictionary() -> WordDictionary:
    """The dictionary, opened once."""
    return WordDictionary()
