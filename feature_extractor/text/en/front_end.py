"""The English front end."""

from __future__ import annotations

from feature_extractor.text.analysis import Reading
from feature_extractor.text.en import g2p, normalise, public


def read_english(text: str, symbols: str, compat: bool) -> Reading:
    """Phones of English text; both symbol tables hold all of them."""
    if compat:
        words = public.normalise(text)
        return Reading(public.phones_of(words), words)
    words = normalise.normalise(text)
    return Reading(g2p.phones_of(words), words)
