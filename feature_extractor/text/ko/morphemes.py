"""Korean words cut into morphemes by mecab-ko."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import import_module
from typing import Any

_LONGEST = 1000
# What the analyser, which is a C library, does not take: ends of strings, halves of characters.
_UNSAFE = re.compile("[\0\ud800-\udfff]")


def morphemes(text: str) -> list[tuple[str, str]]:
    """Morphemes of a text with their Sejong tags, such as `NNG`, or `VV+EC` where two are one syllable; no spaces.

    Texts of more than a thousand characters are cut at spaces first.
    """
    tagger = _tagger()
    return [pair for part in _parts(_UNSAFE.sub("\ufffd", text)) for pair in tagger.pos(part)]


def _parts(text: str) -> list[str]:
    parts: list[str] = []
    while len(text) > _LONGEST:
        end = text.rfind(" ", 1, _LONGEST) + 1 or _LONGEST
        parts.append(text[:end])
        text = text[end:]
    return [*parts, text]


@lru_cache(maxsize=1)
def _tagger() -> Any:
    return import_module("mecab").MeCab()
