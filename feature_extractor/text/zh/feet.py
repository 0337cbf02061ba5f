"""Third tones in a row: inside words first, then inside prosodic feet, into which short words gather.

Of two third tones in a foot the first becomes a second tone (Shih 1986, Chen 2000): 买|雨伞, 请你|给我, 我|很好.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from feature_extractor.text.zh.sandhi import change_third
from feature_extractor.text.zh.segment import Word
from feature_extractor.text.zh.syllables import is_syllable, with_tone

_NUMBER = re.compile("第?[零〇一二三四五六七八九十百千万亿两点幺]{2,}")
_LEANS_RIGHT = frozenset("dpvamb")
_LEANS_LEFT = frozenset("nrq")


def change_third_tones(words: list[Word], syllables: list[str]) -> list[str]:
    """Apply the rule to all words of a sentence; `syllables` has one item per character."""
    result = list(syllables)
    if sum(syllable[-1] == "3" for syllable in result) < 2:
        return result
    spans = _spans(words)
    for start, end, word in spans:
        part = result[start:end]
        if all(map(is_syllable, part)):
            if _NUMBER.fullmatch(word.text):
                _change_run(part)
            else:
                change_third(word.text, part)
            result[start:end] = part
    for group in _runs_of_single(spans, result):
        _change_feet(group, spans, result)
    return result


def _spans(words: list[Word]) -> list[tuple[int, int, Word]]:
    """Where each word is; numerals of two characters or more are words of their own."""
    text = "".join(word.text for word in words)
    numerals = [match.span() for match in _NUMBER.finditer(text)]
    if not numerals:
        return _as_cut(words)
    owner = [word for word in words for _ in word.text]
    edges = {0, len(text)} | {edge for span in numerals for edge in span}
    inside = {i for start, end in numerals for i in range(start + 1, end)}
    edges |= {start for start, _, _ in _as_cut(words)} - inside
    cuts = sorted(edges)
    return [(a, b, Word(text[a:b], owner[a].tag)) for a, b in pairwise(cuts)]


def _as_cut(words: list[Word]) -> list[tuple[int, int, Word]]:
    spans = []
    start = 0
    for word in words:
        spans.append((start, start + len(word.text), word))
        start += len(word.text)
    return spans


def _change_run(syllables: list[str]) -> None:
    """Pairs from the left, the last three together: 五五五五 is 2323, 五五五 is 223."""
    i = 0
    while i < len(syllables):
        end = i
        while end < len(syllables) and syllables[end][-1] == "3":
            end += 1
        while end - i >= 2:
            size = 3 if end - i == 3 else 2
            for k in range(i, i + size - 1):
                syllables[k] = with_tone(syllables[k], "2")
            i += size
        i = max(end, i) + 1


def _runs_of_single(spans: list[tuple[int, int, Word]], syllables: list[str]) -> Iterator[tuple[int, int]]:
    """Stretches of words of one stressed syllable, as indices of spans."""
    first = 0
    for i, (start, end, word) in enumerate([*spans, (0, 0, Word("", "x"))]):
        single = end - start == 1 and is_syllable(syllables[start]) and syllables[start][-1] != "5"
        if not single or _NUMBER.fullmatch(word.text):
            if i > first:
                yield first, i
            first = i + 1


def _change_feet(group: tuple[int, int], spans: list[tuple[int, int, Word]], syllables: list[str]) -> None:
    first, last = group
    if first and _attaches_left(spans[first - 1][2], spans[first][2], last - first):
        _meet(syllables, spans[first][0])
        first += 1
    follows = spans[last][0] if last < len(spans) else len(syllables)
    leans = first < last and (last - first == 1 or spans[last - 1][2].tag[:1] in _LEANS_RIGHT)
    if follows < len(syllables) and syllables[follows][-1] == "3" and leans:
        _meet(syllables, follows)
        last -= 1
    if (last - first) % 2 and last - first > 1:
        for i in range(first + 1, last - 1, 2):
            _meet(syllables, spans[i + 1][0])
        _meet(syllables, spans[first + 1][0])
        return
    for i in range(first, last - 1, 2):
        _meet(syllables, spans[i + 1][0])


def _attaches_left(before: Word, word: Word, singles: int) -> bool:
    """A measure word to its number; a last noun to the one before; an only object to its verb of two syllables."""
    if _NUMBER.fullmatch(before.text):
        return word.tag[:1] in {"q", "n", "m"}
    if singles == 1 and before.tag[:1] == "n" and word.tag[:1] in {"n", "z"}:
        return True
    return singles == 1 and before.tag[:1] == "v" and word.tag[:1] in _LEANS_LEFT and len(before.text) == 2


def _meet(syllables: list[str], place: int) -> None:
    """Change the syllable before a place if both are third tones."""
    if place and syllables[place - 1][-1] == syllables[place][-1] == "3":
        syllables[place - 1] = with_tone(syllables[place - 1], "2")
