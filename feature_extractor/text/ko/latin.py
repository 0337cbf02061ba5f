"""Words of Latin letters inside Korean: known words in hangul, short and capital ones letter by letter."""

from __future__ import annotations

import re
from functools import lru_cache

from feature_extractor.text.characters import read_pairs
from feature_extractor.text.ko.loanwords import hangul_of
from feature_extractor.text.ko.numbers import LETTER_NAMES
from gpt_sovits.core.resources import resource

# What speakers say for the letter, where the name of the dictionary is out of use.
_NAMES = LETTER_NAMES | {"c": "씨", "r": "알"}


def spoken_latin(word: str) -> str:
    """A word as Koreans say it."""
    listed = _words().get(word) or _words().get(word.lower())
    if listed:
        return listed
    if len(word) == 1 or word.isupper() or not re.search("[aeiouyAEIOUY]", word):
        return letter_by_letter(word)
    parts = re.findall(r"[A-Z]{2,}(?![a-z])|[A-Z]?[a-z]+|[A-Z]", word)
    if len(parts) > 1:
        return "".join(spoken_latin(part) for part in parts)
    return hangul_of(word)


def letter_by_letter(word: str) -> str:
    """The names of the letters; other characters are left out."""
    return "".join(_NAMES.get(letter, "") for letter in word.lower())


@lru_cache(maxsize=1)
def _words() -> dict[str, str]:
    pairs = read_pairs(resource("res", "text", "ko", "words.tsv"))
    return {**pairs, **{word.lower(): hangul for word, hangul in pairs.items() if not word.isupper()}}
