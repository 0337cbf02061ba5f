"""ARPAbet as users write it."""

from __future__ import annotations

import re
from functools import lru_cache

from feature_extractor.text.notation import unknown_element
from feature_extractor.text.symbols import symbol_ids
from gpt_sovits.core.errors import TextError

_CONSONANTS = (
    "B", "CH", "D", "DH", "F", "G", "HH", "JH", "K", "L", "M", "N", "NG", "P", "R", "S", "SH", "T", "TH", "V", "W",
    "Y", "Z", "ZH",
)  # fmt: skip


def pronounce(reading: str) -> list[str]:
    """Phones of ARPAbet such as `R EH1 D`; a vowel without a stress digit is stressed when it is the only one.

    Raises:
        TextError: a phone does not exist; the nearest that do are named.
    """
    phones = reading.upper().split()
    if not phones:
        raise TextError("the pronunciation is empty; write ARPAbet such as HH AH0 L OW1")
    vowels = [phone for phone in phones if phone.rstrip("012") in _vowels()]
    return [_phone(phone, "1" if len(vowels) == 1 else "0") for phone in phones]


def _phone(phone: str, stress: str) -> str:
    if phone in _vowels():
        return phone + stress
    if phone not in _phones():
        raise unknown_element(phone, _phones(), "ARPAbet phone")
    return phone


@lru_cache(maxsize=1)
def _phones() -> frozenset[str]:
    vowels = re.compile(r"[AEIOU][A-Z][012]")
    return frozenset([*_CONSONANTS, *filter(vowels.fullmatch, symbol_ids("v1"))])


@lru_cache(maxsize=1)
def _vowels() -> frozenset[str]:
    return frozenset(phone[:-1] for phone in _phones() if phone[-1].isdigit())
