"""Phones of one English word: dictionaries, letters, inflection, compounds, and the network last."""

from __future__ import annotations

import re
from functools import lru_cache

from feature_extractor.text.en.compounds import split_compound
from feature_extractor.text.en.lexicon import additions, cmudict
from feature_extractor.text.en.neural import spelling_to_sound

_VOICELESS = {"P", "T", "K", "F", "TH"}
_SIBILANT = {"S", "Z", "SH", "ZH", "CH", "JH"}
_INITIALISMS = {
    "AI", "AM", "PM", "US", "IT", "UK", "EU", "UN", "TV", "ID", "PC", "CD", "DVD", "WHO", "IRS", "CIA", "FBI", "USA",
    "ATM", "CFO", "CTO", "HR", "PR", "VIP", "DIY", "FAQ", "HIV", "MS", "BC", "IQ", "IP", "OS", "PE", "IOS", "UI",
    "ER", "DC", "LA", "LED", "EST", "SAT", "CST", "LAN", "ISO", "DOS", "NY", "JFK",
}  # fmt: skip
"""Read letter by letter when in capitals, although the dictionary knows a word of that spelling."""
_PIECES = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")
_BRITISH = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"is(e|es|ed|er|ers|ing|ation|ations)$", r"iz\1"),
        (r"ys(e|es|ed|er|ers|ing)$", r"yz\1"),
        (r"our(s|ed|ing|ful|less|able|ite|ites|y)?$", r"or\1"),
        (r"([bcdghkptv])re(s|d)?$", r"\1er\2"),
        (r"ogue(s|d)?$", r"og\1"),
        (r"ll(ed|ing|er|ers|ery|ous)$", r"l\1"),
        (r"ae|oe", "e"),
        (r"ence(s)?$", r"ense\1"),
        (r"mme(s)?$", r"m\1"),
    )
]
_SHORTEST_BRITISH = 4
_LONGEST = 64
"""What is longer than this is no word; it is read in halves."""
_ENDINGS = {
    "ification": "IH2 F AH0 K EY1 SH AH0 N", "ization": "AH0 Z EY1 SH AH0 N", "ized": "AY2 Z D",
    "izing": "AY2 Z IH0 NG", "ize": "AY2 Z", "able": "AH0 B AH0 L", "ism": "IH2 Z AH0 M", "ists": "IH0 S T S",
    "ist": "IH0 S T", "ish": "IH0 SH", "ers": "ER0 Z", "er": "ER0", "est": "AH0 S T", "y": "IY0",
}  # fmt: skip
"""Endings that make new words of known ones."""
Phones = tuple[str, ...]


@lru_cache(maxsize=65536)
def word_phones(word: str, shouting: bool = False) -> Phones:
    """Phones of a word of letters, apostrophes and hyphens, in the case it was written in.

    Args:
        shouting: the whole sentence is in capitals, so that capitals do not mean an abbreviation.
    """
    if len(word) > _LONGEST:
        halves = word[: len(word) // 2], word[len(word) // 2 :]
        return tuple(phone for half in halves for phone in word_phones(half, shouting))
    known = _known(word, shouting) or _american(word.lower())
    if known:
        return known
    if "-" in word:
        parts = [part for part in word.split("-") if part]
        return tuple(p for part in parts for p in (("AH0",) if part == "a" else word_phones(part, shouting)))
    if "'" in word:
        return _with_apostrophe(word, shouting)
    if word.isupper() and not shouting and len(word) <= 5:
        return spell(word)
    plural = re.fullmatch(r"([A-Z]{2,5})s", word)
    if plural:
        return add_s(spell(plural[1]))
    pieces = _PIECES.findall(word)
    if len(pieces) > 1 and not shouting:
        return tuple(phone for piece in pieces for phone in word_phones(piece))
    return _unknown(word.lower())


@lru_cache(maxsize=65536)
def decided_by(word: str, shouting: bool = False) -> str:
    """What gave `word_phones` of a word, in a word or two."""
    lower = word.lower()
    if word in additions() or lower in additions():
        return "own dictionary"
    if word.isupper() and not shouting and word_phones(word) == spell(word):
        return "letters"
    if lower in cmudict():
        return "CMUdict"
    if not word.isalpha() or len(_PIECES.findall(word)) > 1:
        return "parts"
    if not re.search("[aeiouy]", lower):
        return "letters"
    return "ending" if _inflected(lower) else "compound" if _compound(lower) else "network"


def spell(letters: str) -> Phones:
    """The names of the letters."""
    return tuple(phone for letter in letters.lower() for phone in letter_name(letter).split())


def letter_name(letter: str) -> str:
    """`a` is named with EY1, although the article is AH0."""
    return "EY1" if letter == "a" else cmudict().get(letter, "")


def add_s(stem: Phones) -> Phones:
    """Plural, possessive or third person of what `stem` says."""
    if not stem:
        return ("EH1", "S")
    if stem[-1] in _SIBILANT:
        return (*stem, "IH0", "Z")
    return (*stem, "S" if stem[-1] in _VOICELESS else "Z")


def add_ed(stem: Phones) -> Phones:
    """Past tense of what `stem` says."""
    if stem[-1] in {"T", "D"}:
        return (*stem, "IH0", "D")
    return (*stem, "T" if stem[-1] in _VOICELESS | {"S", "SH", "CH"} else "D")


def _known(word: str, shouting: bool) -> Phones:
    lower = word.lower()
    if len(word) == 1:
        return tuple(letter_name(lower).split())
    spelt = word in _INITIALISMS or not re.search("[AEIOUY]", word)
    if word.isupper() and not shouting and spelt and lower not in additions():
        return spell(word)
    return _listed(word) or _listed(lower)


def _listed(word: str) -> Phones:
    return tuple((additions().get(word) or cmudict().get(word) or "").split())


def _american(word: str) -> Phones:
    """What the American spelling of a British word says, when the dictionary has it."""
    for british, american in _BRITISH:
        spelling = british.sub(american, word)
        if spelling != word and len(word) > _SHORTEST_BRITISH:
            found = _listed(spelling)
            if found:
                return found
    return ()


def _with_apostrophe(word: str, shouting: bool) -> Phones:
    stem, _, ending = word.rpartition("'")
    if not ending:
        return word_phones(stem, shouting)
    base = word_phones(stem, shouting) if stem else ()
    tails = {"ll": ("AH0", "L"), "ve": ("AH0", "V"), "re": ("ER0",), "d": ("D",), "m": ("M",), "t": ("T",)}
    if ending.lower() == "s":
        return add_s(base)
    return (*base, *tails.get(ending.lower(), word_phones(ending, shouting)))


def _unknown(word: str) -> Phones:
    if not re.search("[aeiouy]", word):
        return spell(word)
    return _inflected(word) or _compound(word) or tuple(p for p in spelling_to_sound()(word) if p != "UW")


def _inflected(word: str) -> Phones:
    """Regular endings on a word that the dictionary has."""
    for ending, stems in _stems(word):
        for stem in stems:
            found = (_listed(stem) or (_compound(stem) if ending in _ENDINGS else ())) if len(stem) > 2 else ()
            if found:
                return _join(found, ending)
    return ()


def _stems(word: str) -> list[tuple[str, list[str]]]:
    rows: list[tuple[str, list[str]]] = []
    if word.endswith("s") and not word.endswith("ss"):
        rows.append(("s", [word[:-1], *([word[:-2]] if word.endswith("es") else []), re.sub("ies$", "y", word)]))
    if word.endswith("ed"):
        rows.append(("ed", [word[:-1], word[:-2], re.sub("ied$", "y", word), re.sub(r"(.)\1ed$", r"\1", word)]))
    if word.endswith("ing"):
        rows.append(("ing", [word[:-3], word[:-3] + "e", re.sub(r"(.)\1ing$", r"\1", word)]))
    for ending in ("ly", "ness", "less", "like", "ship", "hood", "wise", "ful", "ment", *_ENDINGS):
        if word.endswith(ending):
            stem = word[: -len(ending)]
            doubled = [stem[:-1]] if len(stem) > 3 and stem[-1] == stem[-2] else []
            stem = stem[:-1] + "y" if stem.endswith("i") else stem
            rows.append((ending, [stem, *([stem + "e", *doubled] if ending[0] in "aei" else [])]))
    for start in ("un", "re", "non", "over", "under", "out", "mis", "anti", "super", "multi"):
        if word.startswith(start) and len(word) > len(start) + 3:
            rows.append((start + "-", [word[len(start) :]]))
    return rows


def _join(stem: Phones, ending: str) -> Phones:
    if ending == "s":
        return add_s(stem)
    if ending == "ed":
        return add_ed(stem)
    sounds = _ENDINGS | {
        "ing": "IH0 NG", "ly": "L IY0", "ness": "N AH0 S", "less": "L AH0 S", "like": "L AY2 K", "ship": "SH IH2 P",
        "hood": "HH UH2 D", "wise": "W AY2 Z", "ful": "F AH0 L", "ment": "M AH0 N T", "un-": "AH0 N", "re-": "R IY0",
        "non-": "N AA0 N", "over-": "OW2 V ER0", "under-": "AH2 N D ER0", "out-": "AW2 T", "mis-": "M IH0 S",
        "anti-": "AE2 N T IY0", "super-": "S UW2 P ER0", "multi-": "M AH2 L T IY0",
    }  # fmt: skip
    sound = tuple(sounds[ending].split())
    return (*sound, *stem) if ending.endswith("-") else (*stem, *sound)


def _compound(word: str) -> Phones:
    first, *rest = split_compound(word) or [""]
    if not rest:
        return ()
    tail = " ".join(cmudict()[part] for part in rest).replace("1", "2")
    return (*cmudict()[first].split(), *tail.split())
