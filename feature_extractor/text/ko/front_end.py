"""The Korean front end."""

from __future__ import annotations

from collections.abc import Sequence

from feature_extractor.text.ko.notation import pronounce
from feature_extractor.text.ko.public import read_public
from feature_extractor.text.reading import Pin, Reading, read_around
from gpt_sovits.core.errors import TextError


def read_korean(text: str, symbols: str, compat: bool, pins: Sequence[Pin] = ()) -> Reading:
    """Phones of Korean text.

    Raises:
        TextError: the symbol table is `v1`, which has no Korean phones.
    """
    if symbols == "v1":
        raise TextError("the symbol table v1 has no Korean phones; use a model with the table v2")
    return read_around(text, pins, read_public, pronounce)
