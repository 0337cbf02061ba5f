"""The Japanese front end."""

from __future__ import annotations

from collections.abc import Sequence

from feature_extractor.text.ja.notation import pronounce
from feature_extractor.text.ja.public import read_public
from feature_extractor.text.reading import Pin, Reading, read_around


def read_japanese(text: str, symbols: str, compat: bool, pins: Sequence[Pin] = ()) -> Reading:
    """Phones of Japanese text, with marks where the pitch rises and falls if the symbol table has them."""
    return read_around(text, pins, lambda piece: read_public(piece, symbols), pronounce)
