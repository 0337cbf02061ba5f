"""Jyutping as users write it."""

from __future__ import annotations

import re
from functools import lru_cache

from feature_extractor.text.notation import same_base, unknown_element
from feature_extractor.text.symbols import symbol_ids
from feature_extractor.text.yue.jyutping import is_syllable, syllable_phones
from gpt_sovits.core.errors import TextError

_ONSETS = ("", *["b", "p", "m", "f", "d", "t", "n", "l", "g", "k", "ng", "h", "gw", "kw", "w", "z", "c", "s", "j"])
_RIMES = [
    "aa",
    "aai",
    "aau",
    "aam",
    "aan",
    "aang",
    "aap",
    "aat",
    "aak",
    "a",
    "ai",
    "au",
    "am",
    "an",
    "ang",
    "ap",
    "at",
    "ak",
    "e",
    "ei",
    "eu",
    "em",
    "eng",
    "ep",
    "ek",
    "i",
    "iu",
    "im",
    "in",
    "ing",
    "ip",
    "it",
    "ik",
    "o",
    "oi",
    "ou",
    "on",
    "ong",
    "ot",
    "ok",
    "u",
    "ui",
    "un",
    "ung",
    "ut",
    "uk",
    "oe",
    "oeng",
    "oek",
    "eoi",
    "eon",
    "eot",
    "yu",
    "yun",
    "yut",
    "m",
    "ng",
]


def pronounce(reading: str) -> list[str]:
    """Phones of jyutping with tone digits such as `ngan4 hong4`."""
    return [phone for syllable in syllables(reading) for phone in syllable_phones(syllable)]


def syllables(reading: str) -> list[str]:
    """The syllables of jyutping with tone digits 1 to 6.

    Raises:
        TextError: a syllable does not exist; the nearest that do are named.
    """
    found = re.findall(r"[a-z]+\d?|\S", reading.lower())
    if not found:
        raise TextError("the pronunciation is empty; write jyutping such as ngan4 hong4")
    return [_checked(syllable) for syllable in found]


def _checked(syllable: str) -> str:
    if syllable in _legal():
        return syllable
    raise unknown_element(syllable, same_base(syllable, _legal()) or _legal(), "jyutping syllable with a tone digit")


@lru_cache(maxsize=1)
def _legal() -> frozenset[str]:
    """Every spelling whose phones the symbol table holds."""
    table = symbol_ids("v2")
    spellings = [onset + rime + tone for onset in _ONSETS for rime in _RIMES for tone in "123456"]
    return frozenset(s for s in filter(is_syllable, spellings) if all(phone in table for phone in syllable_phones(s)))
