"""Hangul syllables as the letters they are built from, and as phones."""

from __future__ import annotations

import re

ONSETS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
CODAS = ("", *"ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ")
_FIRST, _LAST = "가", "힣"
# The symbol table has plain vowels only; the others are said as two of them.
_SPLIT = {"ㅘ": "ㅗㅏ", "ㅙ": "ㅗㅐ", "ㅚ": "ㅗㅣ", "ㅝ": "ㅜㅓ", "ㅞ": "ㅜㅔ", "ㅟ": "ㅜㅣ", "ㅢ": "ㅡㅣ",
          "ㅑ": "ㅣㅏ", "ㅒ": "ㅣㅐ", "ㅕ": "ㅣㅓ", "ㅖ": "ㅣㅔ", "ㅛ": "ㅣㅗ", "ㅠ": "ㅣㅜ"}  # fmt: skip
_SPLIT_VOWELS = str.maketrans(_SPLIT)
# Conjoining letters (U+1100 block), by place in the lists above.
_CONJOINING = {
    **{chr(0x1100 + i): letter for i, letter in enumerate(ONSETS)},
    **{chr(0x1161 + i): letter for i, letter in enumerate(VOWELS)},
    **{chr(0x11A7 + i): letter for i, letter in enumerate(CODAS) if letter},
}
_LETTERS = str.maketrans(_CONJOINING)


def is_syllable(char: str) -> bool:
    """Whether this is one hangul syllable."""
    return _FIRST <= char <= _LAST


def take_apart(syllable: str) -> tuple[str, str, str]:
    """Onset, vowel and coda of a syllable as letters; the coda may be empty."""
    number = ord(syllable) - ord(_FIRST)
    return ONSETS[number // 588], VOWELS[number // 28 % 21], CODAS[number % 28]


def put_together(onset: str, vowel: str, coda: str = "") -> str:
    """The syllable of an onset, a vowel and a coda."""
    return chr(ord(_FIRST) + (ONSETS.index(onset) * 21 + VOWELS.index(vowel)) * 28 + CODAS.index(coda))


def conjoining(text: str) -> str:
    """Every syllable as its conjoining letters; other characters stay."""
    return re.sub(f"[{_FIRST}-{_LAST}]", _conjoined, text)


def letters(text: str) -> str:
    """Conjoining letters as plain ones."""
    return text.translate(_LETTERS)


def plain_vowels(text: str) -> str:
    """Diphthongs written as the two vowels of the symbol table that stand for them."""
    return text.translate(_SPLIT_VOWELS)


def _conjoined(match: re.Match[str]) -> str:
    number = ord(match[0]) - ord(_FIRST)
    coda = number % 28
    return chr(0x1100 + number // 588) + chr(0x1161 + number // 28 % 21) + (chr(0x11A7 + coda) if coda else "")
