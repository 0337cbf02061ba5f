"""The words of jieba's dictionary with their frequencies and parts of speech, left on disk.

The file groups the words by their first two characters: one look-up finds all words that begin at a place of a text.
"""

from __future__ import annotations

from functools import lru_cache
from math import inf, log

from feature_extractor.text.tables import SortedTable
from gpt_sovits.core.resources import resource

_LOG_TOTAL = log(60101967)
"""Of all frequencies."""
_UNLISTED = log(1) - _LOG_TOTAL
Entry = tuple[float, str]
"""Logarithm of a word's share, and its part of speech."""


class WordDictionary:
    """Words, their shares and tags; entries are parsed when first met, the last ones kept."""

    def __init__(self) -> None:
        self._table = SortedTable(resource("res", "text", "zh", "words.tsv"))
        self._groups = lru_cache(maxsize=2048)(self._table.beginning)
        self._group = lru_cache(maxsize=8192)(self._parse)
        self._alone = lru_cache(maxsize=4096)(self._find_alone)

    def likeliest_ends(self, text: str) -> list[int]:
        """Where the word that begins at each place ends, on the likeliest path from there on.

        Where no word begins, the character alone counts as one of the rarest; of equal paths the longer word is taken.
        """
        scores, ends = [0.0] * (len(text) + 1), [0] * len(text)
        alone, groups, group = self._alone, self._groups, self._group
        following = ""
        for start in range(len(text) - 1, -1, -1):
            first = text[start]
            best, end = alone(first) + scores[start + 1], start + 1
            if following and following in groups(first):
                for rest, (share, _) in group(first, following).items():
                    if not rest or text.startswith(rest, start + 2):
                        last = start + 2 + len(rest)
                        score = share + scores[last]
                        if score > best or (score == best and last > end):
                            best, end = score, last
            scores[start], ends[start] = (best, end) if best > -inf else (_UNLISTED + scores[start + 1], end)
            following = first
        return ends

    def __contains__(self, word: str) -> bool:
        return word[2:] in self._group(word[:1], word[1:2])

    def tag(self, word: str) -> str:
        """The part of speech of a word, `x` when it is not listed."""
        found = self._group(word[:1], word[1:2]).get(word[2:])
        return found[1] if found else "x"

    def _find_alone(self, character: str) -> float:
        """Log share of a character as a word; -inf: it is none."""
        found = self._group(character, "").get("")
        return found[0] if found else -inf

    def _parse(self, first: str, second: str) -> dict[str, Entry]:
        """Words by what follows their first two characters."""
        fields = self._groups(first).get(second, "").split(" ")
        rows = zip(fields[::3], fields[1::3], fields[2::3], strict=len(fields) > 1)
        return {"" if rest == "-" else rest: (log(int(count)) - _LOG_TOTAL, tag) for rest, count, tag in rows}


@lru_cache(maxsize=1)
def dictionary() -> WordDictionary:
    """The dictionary, opened once."""
    return WordDictionary()
