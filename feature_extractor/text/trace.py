"""From phones back to the characters they came from.

What a front end says of its phones is about normalised text. Here that text is aligned with the written one: characters
that stand in both are the fixed points, and what was put into other words between two of them (128 一百二十八) came
from all that is written there. Nothing of this is needed for speaking, so it is computed on request only.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import lru_cache

from feature_extractor.text.analysis import Segment, TextAnalysis
from feature_extractor.text.inline import parse_inline
from feature_extractor.text.zh.characters import simplify

_WINDOW = 64
_MARKS = str.maketrans("。、；：…！？，", ".,,,.!?,")
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Trace:
    """Phones `phones_start` to `phones_end` say `text`; it came from the characters `start` to `end` as written.

    One that stems from no character (the full stop before a short text) has an empty span.
    """

    text: str
    start: int
    end: int
    phones_start: int
    phones_end: int


def trace(written: str, analysis: TextAnalysis) -> list[Trace]:
    """All phones of an analysed text in order, by the smallest unit that each language allows.

    Chinese and Cantonese go by character, Korean by syllable, English by word, Japanese by morpheme. Spans are in order
    and leave nothing out: characters without a sound belong to the unit before them. Units that were put into words
    together (2024 twenty twenty-four) share a span.

    Args:
        written: the text that was analysed.
    """
    marked = parse_inline(written)
    places = list(marked.places)
    found: list[Trace] = []
    for segment in analysis.segments:
        first, last = bisect_left(places, segment.start), bisect_left(places, segment.end)
        units = [(text, phones) for text, phones in _units(segment) if phones]
        if not units:
            found[-1:] = [replace(unit, end=segment.end) for unit in found[-1:]]
            continue
        spans = _spans([text for text, _ in units], marked.text[first:last])
        start = segment.phones_start
        for i, ((text, phones), (a, b)) in enumerate(zip(units, spans, strict=True)):
            begin = places[first + a] if i else found[-1].end if found else 0
            end = places[first + b] if i + 1 < len(units) else segment.end
            found.append(Trace(text, begin, max(begin, end), start, start + phones))
            start += phones
    return found


def _units(segment: Segment) -> Iterator[tuple[str, int]]:
    """What is said, unit by unit, with the number of phones of each."""
    if segment.word2ph is not None:
        yield from zip(segment.normalised, segment.word2ph, strict=True)
        return
    for source in segment.sources:
        if source.parts:
            yield from zip(source.text, source.parts, strict=True)
        else:
            yield source.text, source.phones
    if not segment.sources:
        yield segment.normalised, segment.phones_end - segment.phones_start


def _spans(units: list[str], written: str) -> list[Span]:
    """The characters of `written` that each unit came from; every one belongs to some unit."""
    origins = _origins("".join(map(_plain, units)), _plain(written))
    spans: list[Span] = []
    done = start = 0
    for unit in units:
        own = origins[start : start + len(unit)]
        start += len(unit)
        begin = max(own[0][0] if own else done, spans[-1][0] if spans else 0)
        done = max(own[-1][1] if own else done, begin, done)
        spans.append((begin, done))
    # What no unit claims goes to the one before it.
    return [
        (a, max(b, following)) for (a, b), (following, _) in zip(spans, [*spans[1:], (len(written), 0)], strict=True)
    ]


def _origins(said: str, written: str) -> list[Span]:
    """For every character of what is said, the characters it came from."""
    origins: list[Span] = []
    i = j = 0
    for a, b, size in [*_common(written, said), (len(written), len(said), 0)]:
        gap = written[i:a]
        begin, end = i + len(gap) - len(gap.lstrip()), i + len(gap.rstrip())
        # What has nothing of its own came from the character before.
        origins.extend([(begin, end) if begin < end else (max(i - 1, 0), i)] * (b - j))
        origins.extend((a + k, a + k + 1) for k in range(size))
        i, j = a + size, b + size
    return origins


def _common(written: str, said: str) -> Iterator[tuple[int, int, int]]:
    """Stretches in both texts: where they begin in each, and their length; window by window, so in linear time."""
    i = j = 0
    while i < len(written) and j < len(said):
        start = i
        while i < len(written) and j < len(said) and written[i] == said[j]:
            i, j = i + 1, j + 1
        if i > start:
            yield start, j - (i - start), i - start
        left, right = written[i : i + _WINDOW], said[j : j + 3 * _WINDOW]
        whole = i + len(left) == len(written) and j + len(right) == len(said)
        blocks = SequenceMatcher(None, left, right, autojunk=False).get_matching_blocks()[:-1]
        kept = [block for block in blocks if whole or block.a < _WINDOW // 2] or blocks[:1]
        yield from ((i + block.a, j + block.b, block.size) for block in kept)
        if whole:
            return
        end = kept[-1] if kept else None
        i, j = (i + end.a + end.size, j + end.b + end.size) if end else (i + len(left), j + len(right))


@lru_cache(maxsize=4096)
def _plain_character(character: str) -> str:
    folded = unicodedata.normalize("NFKC", character).translate(_MARKS).lower()
    return simplify(folded) if len(folded) == 1 else character


def _plain(text: str) -> str:
    """The text without differences of writing that change no reading, character by character."""
    return "".join(map(_plain_character, text))
