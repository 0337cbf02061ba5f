"""The English front end."""

from __future__ import annotations

from collections.abc import Sequence

from feature_extractor.text.en import g2p, normalise, public
from feature_extractor.text.en.notation import pronounce
from feature_extractor.text.reading import Pin, Reading, read_around


def read_english(text: str, symbols: str, compat: bool, pins: Sequence[Pin] = ()) -> Reading:
    """Phones of English text; both symbol tables hold all of them."""
    if pins:
        return read_around(text, pins, lambda piece: read_english(piece, symbols, compat), pronounce, _verbatim, " ")
    if compat:
        words = public.normalise(text)
        return Reading(public.phones_of(words), words)
    words = normalise.normalise(text)
    return Reading(g2p.phones_of(words), words)


def _verbatim(text: str) -> Reading:
    return Reading(g2p.phones_of(text), text)
