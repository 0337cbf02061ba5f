"""How hangul is pronounced: what becomes of a coda and the onset after it, by the standard pronunciation of Korean.

A coda meets the onset of the next syllable in one place only, so every meeting is decided by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from feature_extractor.text.ko.jamo import is_syllable, put_together, take_apart

CLASSES = {
    **dict.fromkeys(("ㄱ", "ㄲ", "ㅋ", "ㄳ", "ㄺ"), "ㄱ"), **dict.fromkeys(("ㄴ", "ㄵ", "ㄶ"), "ㄴ"),
    **dict.fromkeys(("ㄷ", "ㅅ", "ㅆ", "ㅈ", "ㅊ", "ㅌ", "ㅎ"), "ㄷ"), **dict.fromkeys(("ㅂ", "ㅍ", "ㅄ", "ㄿ"), "ㅂ"),
    **dict.fromkeys(("ㄹ", "ㄼ", "ㄽ", "ㄾ", "ㅀ"), "ㄹ"), "ㅁ": "ㅁ", "ㄻ": "ㅁ", "ㅇ": "ㅇ", "": "",
}  # fmt: skip
"""What each coda is said as when no vowel follows."""
_TENSE = dict(zip("ㄱㄷㅂㅅㅈ", "ㄲㄸㅃㅆㅉ", strict=True))
_ASPIRATED = dict(zip("ㄱㄷㅈ", "ㅋㅌㅊ", strict=True))
_CLUSTERS = {"ㄳ": ("ㄱ", "ㅆ"), "ㄵ": ("ㄴ", "ㅈ"), "ㄺ": ("ㄹ", "ㄱ"), "ㄻ": ("ㄹ", "ㅁ"), "ㄼ": ("ㄹ", "ㅂ"),
             "ㄽ": ("ㄹ", "ㅆ"), "ㄾ": ("ㄹ", "ㅌ"), "ㄿ": ("ㄹ", "ㅍ"), "ㅄ": ("ㅂ", "ㅆ"), "ㄶ": ("", "ㄴ"),
             "ㅀ": ("", "ㄹ"), "ㅎ": ("", "ㅇ"), "ㅇ": ("ㅇ", "ㅇ")}  # fmt: skip
_BEFORE_H = {"ㄱ": ("", "ㅋ"), "ㄲ": ("", "ㅋ"), "ㅋ": ("", "ㅋ"), "ㄳ": ("", "ㅋ"), "ㄺ": ("ㄹ", "ㅋ"),
             "ㅈ": ("", "ㅊ"), "ㄵ": ("ㄴ", "ㅊ"), "ㅂ": ("", "ㅍ"), "ㅍ": ("", "ㅍ"), "ㅄ": ("", "ㅍ"),
             "ㄼ": ("ㄹ", "ㅍ"), **dict.fromkeys("ㄷㅅㅆㅊㅌ", ("", "ㅌ"))}  # fmt: skip
_H = {"ㅎ": "", "ㄶ": "ㄴ", "ㅀ": "ㄹ"}
_NASAL = {"ㄱ": "ㅇ", "ㄷ": "ㄴ", "ㅂ": "ㅁ"}
_PALATAL = {("ㄷ", "ㅇ"): ("", "ㅈ"), ("ㅌ", "ㅇ"): ("", "ㅊ"), ("ㄾ", "ㅇ"): ("ㄹ", "ㅊ"), ("ㄷ", "ㅎ"): ("", "ㅊ")}


@dataclass
class Syllable:
    """A hangul syllable and what its pronunciation depends on; anything else has no vowel and stays.

    Args:
        spaced: a space stands before it.
        bound: it belongs to the word before it: a particle, an ending, a suffix, or the middle of a morpheme.
        inserts: a compound's second part that takes ㄴ before 이, 야, 여, 요 and 유.
        stem: it ends the stem of a verb or an adjective.
        tensing: it makes the onset after it tense, as the ending -ㄹ does.
    """

    char: str
    onset: str = ""
    vowel: str = ""
    coda: str = ""
    spaced: bool = False
    bound: bool = True
    inserts: bool = False
    stem: bool = False
    tensing: bool = False

    @classmethod
    def of(cls, char: str) -> Syllable:
        """The syllable of a character."""
        return cls(char, *take_apart(char)) if is_syllable(char) else cls(char)

    def said(self) -> str:
        """The character as it is pronounced."""
        return put_together(self.onset, self.vowel, self.coda) if self.vowel else self.char


def pronounce_all(syllables: Sequence[Syllable]) -> None:
    """Turn spelling into pronunciation, in place."""
    stems = [syllable.char for syllable in syllables]
    for i, syllable in enumerate(syllables):
        following = syllables[i + 1] if i + 1 < len(syllables) else None
        if not syllable.vowel:
            continue
        if following is None or not following.vowel:
            syllable.coda = CLASSES[syllable.coda]
        elif syllable.coda:
            syllable.coda, following.onset = _meet(syllable, following, stems[i])
    for syllable in syllables:
        _settle_vowel(syllable)


def _settle_vowel(syllable: Syllable) -> None:
    if syllable.vowel == "ㅕ" and syllable.onset in {"ㅈ", "ㅉ", "ㅊ"}:
        syllable.vowel = "ㅓ"
    if syllable.vowel == "ㅢ" and syllable.onset != "ㅇ" and take_apart(syllable.char)[0] != "ㅇ":
        syllable.vowel = "ㅣ"


def _meet(first: Syllable, second: Syllable, char: str) -> tuple[str, str]:
    """The coda of a syllable and the onset of the next as they are said."""
    coda, onset = first.coda, second.onset
    if second.inserts and onset == "ㅇ" and second.vowel in "ㅣㅑㅕㅛㅠ":
        onset = "ㄴ"
    if second.bound and not second.spaced and second.vowel in "ㅣㅕ" and (coda, onset) in _PALATAL:
        return _PALATAL[coda, onset]
    if onset == "ㅇ":
        return _link(coda, second)
    if onset == "ㅎ":
        return _aspirate(coda, second.spaced)
    if coda in _H:
        return _after_h(coda, onset)
    return _consonants(first, coda, onset, char)


def _link(coda: str, second: Syllable) -> tuple[str, str]:
    """Before a vowel: a bound one takes the coda as it is written, a word of its own as it is said."""
    if second.spaced:
        return CLASSES[coda], "ㅇ"
    if second.bound:
        return _CLUSTERS.get(coda) or ("", coda)
    coda = CLASSES[coda]
    return (coda, "ㅇ") if coda == "ㅇ" else ("", coda)


def _aspirate(coda: str, spaced: bool) -> tuple[str, str]:
    if spaced and coda in {"ㅈ", "ㄵ"}:
        coda = CLASSES[coda]
    return _BEFORE_H.get(coda) or (_H.get(coda, CLASSES[coda]), "ㅎ")


def _after_h(coda: str, onset: str) -> tuple[str, str]:
    rest = _H[coda]
    if onset in _ASPIRATED:
        return rest, _ASPIRATED[onset]
    if onset == "ㅅ":
        return rest, "ㅆ"
    if onset == "ㄴ":
        return (rest, "ㄹ") if rest == "ㄹ" else ("ㄴ", "ㄴ")
    return rest or ("ㄴ" if onset == "ㅁ" else "ㄷ"), onset


def _consonants(first: Syllable, coda: str, onset: str, char: str) -> tuple[str, str]:
    if coda == "ㄼ" and (char == "밟" or (char == "넓" and onset in {"ㅈ", "ㄷ"} and not first.stem)):
        coda = "ㅂ"
    tense = _TENSE.get(onset, onset)
    if coda == "ㄺ" and first.stem and onset == "ㄱ":
        return "ㄹ", tense
    said = CLASSES[coda]
    if said in _NASAL and onset in _TENSE:
        return said, tense
    if first.stem and onset != "ㅂ" and coda in {"ㄴ", "ㅁ", "ㄵ", "ㄻ", "ㄼ", "ㄾ"}:
        return said, tense
    if first.tensing and said == "ㄹ":
        return said, tense
    return _sonorants(said, onset)


def _sonorants(said: str, onset: str) -> tuple[str, str]:
    if onset in {"ㄴ", "ㅁ"} and said in _NASAL:
        return _NASAL[said], onset
    if onset == "ㄹ" and said in {"ㄱ", "ㄷ", "ㅂ", "ㅁ", "ㅇ"}:
        return _NASAL.get(said, said), "ㄴ"
    if {said, onset} == {"ㄴ", "ㄹ"}:
        return "ㄹ", "ㄹ"
    return said, onset
