"""A pinyin syllable as two phones, an initial and a final with its tone, in the manner of the Opencpop corpus."""

from __future__ import annotations

from functools import lru_cache

_INITIALS = [
    "zh", "ch", "sh", "b", "p", "m", "f", "d", "t", "n", "l", "g", "k", "h", "j", "q", "x", "r", "z", "c", "s", "y",
    "w",
]  # fmt: skip
_ZERO = {"a": "AA", "e": "EE", "o": "OO"}
_WHOLE = {"ye": ("y", "E"), "yan": ("y", "En"), "yue": ("y", "ve"), "yuan": ("y", "van"), "yun": ("y", "vn"),
          "yu": ("y", "v")}  # fmt: skip
# Interjections without a vowel, and the spellings of ê.
_RARE = {"m": "mu", "n": "en", "ng": "en", "hm": "hen", "hng": "heng", "ê": "ei", "yo": "yo", "lo": "luo"}


@lru_cache(maxsize=4096)
def syllable_phones(syllable: str) -> tuple[str, str]:
    """Phones of a syllable such as `zhong1` or `lv4`.

    Syllables without an initial take AA, EE or OO in its place.
    """
    spelling, tone = syllable[:-1].replace("ü", "v").replace("u:", "v"), syllable[-1]
    spelling = _RARE.get(spelling, spelling)
    initial, final = _WHOLE.get(spelling) or _split(spelling)
    return initial, final + tone


@lru_cache(maxsize=16384)
def is_syllable(text: str) -> bool:
    """Whether this is a pinyin syllable with a tone digit rather than a mark or a foreign character."""
    return len(text) > 1 and text[-1] in "12345" and text[0].isalpha() and text[0].islower()


def tone_of(syllable: str) -> str:
    """The tone digit."""
    return syllable[-1]


def with_tone(syllable: str, tone: str) -> str:
    """The same syllable in another tone."""
    return syllable[:-1] + tone


def _split(spelling: str) -> tuple[str, str]:
    if spelling[0] in _ZERO:
        return _ZERO[spelling[0]], spelling
    initial = next((c for c in _INITIALS if spelling.startswith(c)), "")
    if not initial:
        return "UNK", spelling
    final = spelling[len(initial) :]
    if final == "i":
        final = "ir" if initial in {"zh", "ch", "sh", "r"} else "i0" if initial in {"z", "c", "s"} else "i"
    elif initial in {"j", "q", "x"} and final.startswith("u"):
        final = "v" + final[1:]
    elif initial in {"n", "l"} and final == "ue":
        final = "ve"
    elif initial == "y" and final.startswith("u"):
        final = "v" + final[1:]
    return initial, final
