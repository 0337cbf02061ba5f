"""Words, readings and accents of Japanese text, from Open JTalk with the dictionary of pyopenjtalk-plus."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import import_module
from typing import Any

from feature_extractor.text.ja.kana import LONG, morae
from feature_extractor.text.ja.prosody import Word

_LONGEST = 400
# What the analyser, which is a C library, does not take: ends of strings, halves of characters.
_UNSAFE = re.compile("[\0\ud800-\udfff]")
_PAUSES = frozenset("、。？！")


def words_of(text: str) -> list[Word]:
    """Words of a text; long ones are cut first, as the analyser takes no more than some thousand characters.

    Symbols without a sound are words without morae, that is, pauses.
    """
    analyser = _analyser()
    found: list[Word] = []
    for part in _parts(_UNSAFE.sub("", text).lstrip(LONG)):
        found.extend(filter(None, map(_word, analyser.run_frontend(part))))
    return found


def _word(feature: dict[str, Any]) -> Word | None:
    parts = [] if feature["pron"] in _PAUSES else morae(feature["pron"])
    if not parts and feature["pron"] not in _PAUSES:
        return None
    return Word(feature["string"], parts, feature["acc"], feature["chain_flag"] == 1)


def _parts(text: str) -> list[str]:
    """Parts that the analyser takes, cut between scripts where it can be."""
    parts = []
    while len(text) > _LONGEST:
        ends = [match.end() for match in re.finditer("[ぁ-ん](?=[^ぁ-ん])", text[:_LONGEST])]
        end = ends[-1] if ends else _LONGEST
        parts.append(text[:end])
        text = text[end:]
    return [*parts, text] if text else parts


def knows(word: str) -> bool:
    """Whether the dictionary has a word as a whole."""
    morphemes = _analyser().run_mecab_detailed(_UNSAFE.sub("", word))[1]
    return len(morphemes) == 1 and not morphemes[0]["is_unknown"]


@lru_cache(maxsize=1)
def _analyser() -> Any:
    return import_module("pyopenjtalk")
