"""Words of Latin letters inside Japanese: known words in kana, short and capital ones letter by letter."""

from __future__ import annotations

import re
from functools import lru_cache

from feature_extractor.text.characters import read_pairs
from feature_extractor.text.ja.loanwords import kana_of
from feature_extractor.text.ja.openjtalk import knows
from gpt_sovits.core.resources import resource

# Open JTalk says these letters alone with two vowels.
_LONG = {"A": "エー", "H": "エイチ", "J": "ジェー", "K": "ケー"}


def spoken_latin(word: str) -> str:
    """A word as Japanese say it; in capitals it is read letter by letter."""
    listed = _words().get(word) or _words().get(word.lower())
    if listed:
        return listed
    if len(word) > 1 and knows(word):
        return word
    if word.upper() in _LONG:
        return _LONG[word.upper()]
    if len(word) == 1 or word.isupper() or not re.search("[aeiouyAEIOUY]", word):
        return word.upper()
    parts = re.findall(r"[A-Z]{2,}(?![a-z])|[A-Z]?[a-z]+|[A-Z]", word)
    if len(parts) > 1:
        return "".join(spoken_latin(part) for part in parts)
    return kana_of(word)


@lru_cache(maxsize=1)
def _words() -> dict[str, str]:
    pairs = read_pairs(resource("res", "text", "ja", "words.tsv"))
    return {**pairs, **{word.lower(): kana for word, kana in pairs.items() if not word.isupper()}}
