"""The English front end."""

from __future__ import annotations

from feature_extractor.text.analysis import Reading
from feature_extractor.text.en.g2p import phones_of
from feature_extractor.text.en.normalise import normalise


def read_english(text: str, symbols: str, compat: bool) -> Reading:
    """Phones of English text; both symbol tables hold all of them."""
    normalised = normalise(text)
    return Reading(phones_of(normalised), normalised)
