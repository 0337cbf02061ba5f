"""Pinyin as users write it."""

from __future__ import annotations

import re
from functools import lru_cache

from feature_extractor.text.notation import same_base, unknown_element
from feature_extractor.text.symbols import symbol_ids
from feature_extractor.text.zh.syllables import syllable_phones
from gpt_sovits.core.errors import TextError

_INITIALS = (
    "", "b", "p", "m", "f", "d", "t", "n", "l", "g", "k", "h", "j", "q", "x", "zh", "ch", "sh", "r", "z", "c", "s", "y",
    "w",
)  # fmt: skip
_FINALS = (
    "a", "o", "e", "ai", "ei", "ao", "ou", "an", "en", "ang", "eng", "ong", "er", "i", "ia", "ie", "iao", "iu", "ian",
    "in", "iang", "ing", "iong", "u", "ua", "uo", "uai", "ui", "uan", "un", "uang", "v", "ve", "ue", "van", "vn",
)  # fmt: skip


def pronounce(reading: str) -> list[str]:
    """Phones of pinyin with tone digits such as `hang2 zhang3`."""
    return [phone for syllable in syllables(reading) for phone in syllable_phones(syllable)]


def syllables(reading: str) -> list[str]:
    """The syllables of pinyin with tone digits, 5 for the neutral tone; `ü` and `u:` may be written for `v`.

    Raises:
        TextError: a syllable does not exist; the nearest that do are named.
    """
    found = re.findall(r"[a-zêü:]+\d?|\S", reading.lower().replace("0", "5"))
    if not found:
        raise TextError("the pronunciation is empty; write pinyin such as hang2 zhang3")
    return [_checked(syllable.replace("u:", "v").replace("ü", "v")) for syllable in found]


def _checked(syllable: str) -> str:
    if syllable in _legal():
        return syllable
    near = same_base(syllable, _legal()) or _legal()
    raise unknown_element(syllable, near, "pinyin syllable with a tone digit")


@lru_cache(maxsize=1)
def _legal() -> frozenset[str]:
    """Every spelling whose phones the symbol table holds."""
    table = symbol_ids("v1")
    spellings = [initial + final for initial in _INITIALS for final in _FINALS]
    return frozenset(
        spelling + tone
        for spelling in spellings
        for tone in "12345"
        if all(phone in table for phone in syllable_phones(spelling + tone))
    )
