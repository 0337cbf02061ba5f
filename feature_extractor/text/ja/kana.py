"""Katakana as morae, and morae as phones."""

from __future__ import annotations

import re
from functools import lru_cache

_ROWS = {
    "": "アイウエオ", "k": "カキクケコ", "g": "ガギグゲゴ", "s": "サ スセソ", "z": "ザ ズゼゾ", "t": "タ  テト",
    "d": "ダ  デド", "n": "ナニヌネノ", "h": "ハヒ ヘホ", "b": "バビブベボ", "p": "パピプペポ", "m": "マミムメモ",
    "y": "ヤ ユ ヨ", "r": "ラリルレロ", "w": "ワ", "f": "  フ", "sh": " シ", "ch": " チ", "ts": "  ツ", "j": " ジ",
}  # fmt: skip
_OTHERS = {
    "ヂ": "j i", "ヅ": "z u", "ヰ": "i", "ヱ": "e", "ヲ": "o", "ン": "N", "ッ": "cl", "ヴ": "v u", "ヵ": "k a",
    "ヶ": "k e", "ァ": "a", "ィ": "i", "ゥ": "u", "ェ": "e", "ォ": "o", "ャ": "y a", "ュ": "y u", "ョ": "y o",
    "ヮ": "w a", "イェ": "y e", "クヮ": "kw a", "グヮ": "gw a", "シィ": "s i", "スィ": "s i", "ズィ": "z i",
    "ヂャ": "j a", "ヂュ": "j u", "ヂョ": "j o", "ティ": "t i", "テャ": "ty a", "テュ": "ty u", "テョ": "ty o",
    "ディ": "d i", "デェ": "dy e", "デャ": "dy a", "デュ": "dy u", "デョ": "dy o", "トゥ": "t u", "ドゥ": "d u",
    "フュ": "fy u", "ヴャ": "by a", "ヴュ": "by u", "ヴョ": "by o",
}  # fmt: skip
_BEFORE_SMALL_VOWELS = {"ウ": ("w", "ィェォ"), "ク": ("kw", "ァィゥェォ"), "グ": ("gw", "ァィゥェォ"),
                        "ツ": ("ts", "ァィェォ"), "フ": ("f", "ァィェォ"), "ヴ": ("v", "ァィェォ")}  # fmt: skip
_SMALL_VOWELS = dict(zip("ァィゥェォ", "aiueo", strict=True))
_PALATAL = {"シ": "sh", "チ": "ch", "ジ": "j"}
LONG, DEVOICED = "ー", "’"
_HIRAGANA = {code: code + 0x60 for code in range(0x3041, 0x3097)}


def katakana(text: str) -> str:
    """Hiragana as katakana; other characters stay."""
    return text.translate(_HIRAGANA)


def morae(kana: str) -> list[str]:
    """Katakana cut into morae; the mark of a devoiced vowel goes, a character that is no mora is kept by itself."""
    return _mora().findall(kana.replace(DEVOICED, ""))


def is_mora(text: str) -> bool:
    """Whether this is one mora; the long mark is one."""
    return text == LONG or text in mora_phones()


def phones_of(parts: list[str]) -> list[list[str]]:
    """Phones of each mora; a long mark repeats the phone before it, and has none at the start."""
    table = mora_phones()
    found: list[list[str]] = []
    last = ""
    for part in parts:
        phones = table[part].split() if part in table else [last] if part == LONG and last else []
        found.append(phones)
        last = phones[-1] if phones else ""
    return found


@lru_cache(maxsize=1)
def mora_phones() -> dict[str, str]:
    """Phones of every mora that is written in katakana, joined by spaces."""
    table = {
        kana: f"{consonant} {vowel}".strip()
        for consonant, row in _ROWS.items()
        for kana, vowel in zip(row, "aiueo", strict=False)
        if kana != " "
    }
    palatal: dict[str, str] = {}
    for kana in "キギシジチニヒビピミリ":
        start = _PALATAL.get(kana, table[kana][0] + "y")
        palatal |= {kana + small: f"{start} {vowel}" for small, vowel in zip("ャュョェ", "auoe", strict=True)}
    foreign = {
        kana + small: f"{consonant} {_SMALL_VOWELS[small]}"
        for kana, (consonant, smalls) in _BEFORE_SMALL_VOWELS.items()
        for small in smalls
    }
    return table | palatal | foreign | _OTHERS


@lru_cache(maxsize=1)
def _mora() -> re.Pattern[str]:
    pairs = "|".join(kana for kana in mora_phones() if len(kana) == 2)
    return re.compile(f"{pairs}|.", re.DOTALL)
