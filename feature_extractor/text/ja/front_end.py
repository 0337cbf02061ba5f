"""The Japanese front end."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from feature_extractor.text.ja.normalise import normalise, verbatim
from feature_extractor.text.ja.notation import known, phrases, pronounce
from feature_extractor.text.ja.openjtalk import words_of
from feature_extractor.text.ja.prosody import PAUSE, Word, phones_with_marks
from feature_extractor.text.ja.public import read_public
from feature_extractor.text.reading import Pin, Reading, Source, pieces, read_around

_PIECE = re.compile(
    r"([、。！？…])|([\u3005-\u3007\u3041-\u30ff\u3400-\u9fff\uf900-\ufaffA-Za-z0-9.々〆 \U00020000-\U0003134f]+)|(.)",
    re.DOTALL,
)
_MARKS = {"、": ",", "。": ".", "！": "!", "？": "?", "…": "…"}
# After a pinned word these belong to its accent phrase.
_PARTICLES = frozenset(
    [
        *"はがをにへともので",
        *"やかねよさな",
        "から",
        "まで",
        "より",
        "だけ",
        "しか",
        "など",
        "です",
        "だ",
        "でし",
        "だっ",
    ]
)


def read_japanese(text: str, symbols: str, compat: bool, pins: Sequence[Pin] = ()) -> Reading:
    """Phones of Japanese text, with marks where the pitch rises and falls if the symbol table has them."""
    if compat:
        return read_around(text, pins, lambda piece: read_public(piece, symbols), pronounce)
    normalised = ""
    items: list[Word | str] = []
    for piece, pin in pieces(text, pins):
        if pin is not None and pin.reading is not None:
            normalised += piece
            items.extend(replace(word, text=piece) for word in phrases(pin.reading))
            continue
        spoken = normalise(piece) if pin is None else verbatim(piece)
        found = list(_items(spoken))
        first = found[0] if found else None
        if normalised and isinstance(first, Word) and first.text in _PARTICLES and isinstance(items[-1], Word):
            found[0] = replace(first, chained=True)
        normalised += spoken
        items.extend(found)
    sources = list(_said(items, symbols))
    phones = [phone for _, part in sources for phone in part]
    return Reading(phones, normalised, None, tuple(source for source, _ in sources))


def _items(normalised: str) -> Iterator[Word | str]:
    """Words, and marks and unknown characters as they are."""
    for match in _PIECE.finditer(normalised):
        mark, spoken, unknown = match.groups()
        if spoken:
            yield from words_of(spoken)
        else:
            yield mark or unknown


def _said(items: Sequence[Word | str], symbols: str) -> Iterator[tuple[Source, list[str]]]:
    """Every word and mark with its phones."""
    for is_mark, group in groupby(items, key=lambda item: isinstance(item, str)):
        if is_mark:
            for mark in map(str, group):
                yield Source(mark, 1, "mark" if mark in _MARKS else "unknown character"), [_MARKS.get(mark, "UNK")]
            continue
        words = [item for item in group if isinstance(item, Word)]
        for word, sounds in zip(words, phones_with_marks(words), strict=True):
            phones = known(["," if phone == PAUSE else phone for phone in sounds], symbols)
            if phones:
                yield Source(word.text, len(phones), word.by), phones
