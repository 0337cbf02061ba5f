"""English words in hangul, from their English phones, by the rules for writing loanwords."""

from __future__ import annotations

from feature_extractor.text.en.g2p import phones_of
from feature_extractor.text.ko.jamo import put_together, take_apart

_VOWELS = {"AA": "ㅏ", "AE": "ㅐ", "AH": "ㅓ", "AO": "ㅗ", "AW": "ㅏ우", "AY": "ㅏ이", "EH": "ㅔ", "ER": "ㅓ",
           "EY": "ㅔ이", "IH": "ㅣ", "IY": "ㅣ", "OW": "ㅗ", "OY": "ㅗ이", "UH": "ㅜ", "UW": "ㅜ"}  # fmt: skip
_ONSETS = {"B": "ㅂ", "CH": "ㅊ", "D": "ㄷ", "DH": "ㄷ", "F": "ㅍ", "G": "ㄱ", "HH": "ㅎ", "JH": "ㅈ", "K": "ㅋ",
           "L": "ㄹ", "M": "ㅁ", "N": "ㄴ", "P": "ㅍ", "R": "ㄹ", "S": "ㅅ", "SH": "ㅅ", "T": "ㅌ", "TH": "ㅅ",
           "V": "ㅂ", "Z": "ㅈ", "ZH": "ㅈ", "W": "ㅇ", "Y": "ㅇ"}  # fmt: skip
_CODAS = {"M": "ㅁ", "N": "ㄴ", "NG": "ㅇ", "L": "ㄹ"}
_STOPS = {"P": "ㅂ", "T": "ㅅ", "K": "ㄱ"}
_SHORT = frozenset(["AE", "AH", "EH", "IH", "UH", "AA"])
_Y = dict(zip("ㅏㅐㅓㅔㅗㅜㅣ", "ㅑㅒㅕㅖㅛㅠㅣ", strict=True))
_W = dict(zip("ㅏㅐㅓㅔㅗㅜㅣ", "ㅘㅙㅝㅞㅝㅜㅟ", strict=True))


def hangul_of(word: str) -> str:
    """A word as it would be written in hangul: keyboard 키보드."""
    phones = [phone.rstrip("012") for phone in phones_of(word) if phone[0].isalpha()]
    spoken: list[str] = []
    for i, phone in enumerate(phones):
        before = phones[i - 1] if i else ""
        after = phones[i + 1] if i + 1 < len(phones) else ""
        if phone in _VOWELS:
            _add_vowel(spoken, phones, i)
        elif after in _VOWELS or phone in {"W", "Y"}:
            continue
        else:
            _add_consonant(spoken, phone, before, after)
    return "".join(spoken)


def _add_vowel(spoken: list[str], phones: list[str], i: int) -> None:
    """A vowel with the consonant and the glide before it."""
    glide = phones[i - 1] if i and phones[i - 1] in {"W", "Y"} else ""
    start = i - 1 - bool(glide)
    consonant = (
        phones[start] if start >= 0 and phones[start] in _ONSETS else "" if glide else phones[i - 1] if i else ""
    )
    onset = _ONSETS.get(consonant, "ㅇ")
    if consonant == "L" and spoken and start > 0 and phones[start - 1] not in {"M", "N"}:
        _close(spoken, "ㄹ")
    sound = _VOWELS[phones[i]]
    vowel, rest = sound[0], sound[1:]
    if glide == "Y" or consonant == "SH":
        vowel = _Y[vowel]
    elif glide == "W":
        vowel = _W[vowel]
    spoken.append(put_together(onset, vowel))
    if rest:
        spoken.append(rest)


def _add_consonant(spoken: list[str], phone: str, before: str, after: str) -> None:
    if phone in _CODAS and spoken and (before in _VOWELS or phone != "L"):
        _close(spoken, _CODAS[phone])
    elif phone == "R":
        return
    elif phone in _STOPS and before in _SHORT and after not in {"L", "R", "M", "N"}:
        _close(spoken, _STOPS[phone])
    elif phone in {"CH", "JH", "ZH"}:
        spoken.append(put_together(_ONSETS[phone], "ㅣ"))
    elif phone == "SH":
        spoken.append("슈" if after else "시")
    else:
        spoken.append(put_together(_ONSETS.get(phone, "ㅇ"), "ㅡ"))


def _close(spoken: list[str], coda: str) -> None:
    """Put a coda under the last syllable, or one of its own where that is closed."""
    onset, vowel, closed = take_apart(spoken[-1][-1])
    if closed:
        spoken.append(put_together({"ㅅ": "ㅌ", "ㅂ": "ㅍ", "ㄱ": "ㅋ", "ㅇ": "ㅇ"}.get(coda, coda), "ㅡ"))
    else:
        spoken[-1] = spoken[-1][:-1] + put_together(onset, vowel, coda)
