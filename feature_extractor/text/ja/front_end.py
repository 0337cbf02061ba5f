"""The Japanese front end."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from feature_extractor.text.ja.normalise import normalise, verbatim
from feature_extractor.text.ja.notation import known, pronounce
from feature_extractor.text.ja.openjtalk import words_of
from feature_extractor.text.ja.prosody import PAUSE, phones_with_marks
from feature_extractor.text.ja.public import read_public
from feature_extractor.text.reading import Pin, Reading, Source, read_around

_PIECE = re.compile(
    r"([、。！？…])|([\u3005-\u3007\u3041-\u30ff\u3400-\u9fff\uf900-\ufaffA-Za-z0-9.々〆 \U00020000-\U0003134f]+)|(.)",
    re.DOTALL,
)
_MARKS = {"、": ",", "。": ".", "！": "!", "？": "?", "…": "…"}


def read_japanese(text: str, symbols: str, compat: bool, pins: Sequence[Pin] = ()) -> Reading:
    """Phones of Japanese text, with marks where the pitch rises and falls if the symbol table has them."""
    if compat:
        return read_around(text, pins, lambda piece: read_public(piece, symbols), pronounce)
    return read_around(
        text,
        pins,
        lambda piece: _read(normalise(piece), symbols),
        lambda kana: known(pronounce(kana), symbols),
        lambda piece: _read(verbatim(piece), symbols),
    )


def _read(normalised: str, symbols: str) -> Reading:
    sources = list(_sources(normalised, symbols))
    phones = [phone for _, part in sources for phone in part]
    return Reading(phones, normalised, None, tuple(source for source, _ in sources))


def _sources(normalised: str, symbols: str) -> Iterator[tuple[Source, list[str]]]:
    """Every word and mark with its phones."""
    for match in _PIECE.finditer(normalised):
        mark, spoken, unknown = match.groups()
        if mark:
            yield Source(mark, 1, "mark"), [_MARKS[mark]]
        elif unknown:
            yield Source(unknown, 1, "unknown character"), ["UNK"]
        else:
            words = words_of(spoken)
            for word, sounds in zip(words, phones_with_marks(words), strict=True):
                phones = known(["," if phone == PAUSE else phone for phone in sounds], symbols)
                if phones:
                    yield Source(word.text, len(phones), word.by), phones
