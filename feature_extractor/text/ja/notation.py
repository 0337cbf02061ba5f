"""Japanese pronunciations as users write them."""

from __future__ import annotations

from feature_extractor.text.ja.kana import LONG, is_mora, katakana, mora_phones, morae
from feature_extractor.text.ja.prosody import Word, phones_with_marks
from feature_extractor.text.notation import unknown_element
from feature_extractor.text.symbols import symbol_ids
from gpt_sovits.core.errors import TextError

_ACCENT = "'"
_ACCENTS = str.maketrans(dict.fromkeys("’′＇ꜜ＼\\", _ACCENT))
# Sounds of loanwords that the symbol tables hold in two parts only.
_IN_PARTS = {"ty": ("t", "y"), "fy": ("f", "y"), "kw": ("k", "w"), "gw": ("g", "w")}


def pronounce(reading: str) -> list[str]:
    """Phones of kana with an apostrophe after the accented mora, such as `キョ'ー`; a space parts accent phrases.

    Raises:
        TextError: a character is no kana, or a phrase has two accents.
    """
    return [phone for word in phones_with_marks(phrases(reading)) for phone in known(word, "v2")]


def phrases(reading: str) -> list[Word]:
    """The accent phrases of a pronunciation in kana; without an apostrophe the pitch does not fall.

    Raises:
        TextError: a character is no kana, or a phrase has two accents.
    """
    found = [_phrase(part) for part in katakana(reading.translate(_ACCENTS)).split()]
    if not found:
        raise TextError("the pronunciation is empty; write kana such as キョ'ー")
    return found


def known(phones: list[str], symbols: str) -> list[str]:
    """Phones that the symbol table has; accent phrase boundaries, which none has, are UNK, as models learnt them.

    The table `v1` has no marks of pitch at all: they are left out.
    """
    table = symbol_ids(symbols)
    parts = [part for phone in phones for part in _IN_PARTS.get(phone, (phone,))]
    if "[" not in table:
        return [part for part in parts if part in table]
    return [part if part in table else "UNK" for part in parts]


def _phrase(kana: str) -> Word:
    before, accent, after = kana.partition(_ACCENT)
    if _ACCENT in after:
        raise TextError(f"the accent phrase {kana!r} has two accents; put a space where a new phrase begins")
    parts = morae(before + after)
    for i, part in enumerate(parts):
        if not is_mora(part) or (part == LONG and i == 0):
            raise unknown_element(part, mora_phones(), "kana")
    return Word(kana, parts, len(morae(before)) if accent else 0, by="user")
