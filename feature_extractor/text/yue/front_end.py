"""The Cantonese front end."""

from __future__ import annotations

from collections.abc import Sequence

from feature_extractor.text.reading import Pin, Reading, read_around
from feature_extractor.text.yue.notation import pronounce
from feature_extractor.text.yue.public import read_public
from gpt_sovits.core.errors import TextError


def read_cantonese(text: str, symbols: str, compat: bool, pins: Sequence[Pin] = ()) -> Reading:
    """Phones of Cantonese text.

    Raises:
        TextError: the symbol table is `v1`, which has no Cantonese phones.
    """
    if symbols == "v1":
        raise TextError("the symbol table v1 has no Cantonese phones; use a model with the table v2")
    return read_around(text, pins, read_public, pronounce)
