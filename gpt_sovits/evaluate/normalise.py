"""Texts to the units an error rate counts: words of English, characters of Chinese, Japanese, Korean and Cantonese.

Both the wanted text and the transcript go through this; docs/evaluation.md lists the rules.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise

from feature_extractor.text.en.normalise import normalise as speak_english
from feature_extractor.text.zh.characters import simplify
from feature_extractor.text.zh.normalise import normalise as speak_chinese
from feature_extractor.text.zh.numbers import cardinal, digits
from gpt_sovits.core.errors import TextError

VERSION = 2
"""Of the rules: results under other ones do not compare."""
LANGUAGES = ("en", "zh", "ja", "ko", "yue")
WORDS = frozenset({"en"})
"""Languages whose unit is the word; of the others it is the character."""

_HESITATION = frozenset({"uh", "um", "hmm", "mm", "mmm", "mhm"})
_CONTRACTIONS = (
    (r"\bwon't\b", "will not"),
    (r"\bcan't\b|\bcannot\b", "can not"),
    (r"\bshan't\b", "shall not"),
    (r"\blet's\b", "let us"),
    (r"(?<!\w)'t(is|was|were|will|would)\b", r"it \1"),
    (r"\b(it|he|she|that|there|here|what|who|where|how|when)'s\b", r"\1 is"),
    (r"\b(is|are|was|were|do|does|did|have|has|had|would|could|should|must|might|need|ought|dare|ai)n't\b", r"\1 not"),
    (r"'re\b", " are"),
    (r"'d\b", " would"),
    (r"'ll\b", " will"),
    (r"'ve\b", " have"),
    (r"'m\b", " am"),
)
_SPELLING = (
    (r"\b(\w{2,})our(s|ed|ing|ful|able|ite|ites|hood|less|er|ers|ably|)\b", r"\1or\2"),
    (r"\b(\w{3,})is(e|ed|es|ing|ation|ations|er|ers)\b", r"\1iz\2"),
    (r"\b(cent|theat|met|lit|fib|spect|calib|lust|somb|meag)re(s|d|)\b", r"\1er\2"),
    (r"\b(def|off|lic|pret)ence(s|d|)\b", r"\1ense\2"),
    (r"\b(\w+)ell(ed|ing|er|ers)\b", r"\1el\2"),
    (r"\b(to|for|back|after|up|down)wards\b", r"\1ward"),
    (r"\bgrey", "gray"),
    (r"\bok\b", "okay"),
    (r"\bmould", "mold"),
    (r"\bplough", "plow"),
    (r"\bsceptic", "skeptic"),
    (r"\bjewell", "jewel"),
    (r"\bprogrammes?\b", "program"),
    (r"\bstoreys?\b", "story"),
    (r"\bcheque", "check"),
    (r"\btyre", "tire"),
)
_SAME_NUMBER = str.maketrans("两兩幺〇", "二二一零")
_LATIN = re.compile(r"(?<![0-9A-Za-z])[A-Za-z][A-Za-z'’]*")


def normalise(text: str, language: str) -> list[str]:
    """The units of a text.

    Raises:
        TextError: no normalisation is defined for the language.
    """
    if language not in LANGUAGES:
        raise TextError(f"there is no text normalisation for the language {language!r}: use {', '.join(LANGUAGES)}")
    if language == "en":
        return english(text)
    if language == "zh":
        return chinese(text)
    return characters(_read_japanese(text) if language == "ja" else simplify(text) if language == "yue" else text)


def heard_as(text: str, wanted: Sequence[str], language: str) -> list[str]:
    """The units of a transcript; compounds are spaced as the wanted units are, `box car` for `boxcar` and the reverse.

    Raises:
        TextError: no normalisation is defined for the language.
    """
    units = normalise(text, language)
    return respaced(units, wanted) if language in WORDS else units


def respaced(heard: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Words that differ from the wanted ones in a space only, with their space."""
    known, parted = set(wanted), {a + b: [a, b] for a, b in pairwise(wanted)}
    out: list[str] = []
    for word in heard:
        if out and out[-1] + word in known and (out[-1] not in known or word not in known):
            out[-1] += word
        elif word not in known and word in parted:
            out += parted[word]
        else:
            out.append(word)
    return out


def english(text: str) -> list[str]:
    """Lower-case words; numbers read out, contractions written out, American spelling, hesitations dropped."""
    text = speak_english(text).lower()
    for pattern, replacement in _CONTRACTIONS:
        text = re.sub(pattern, replacement, text)
    text = re.sub(r"[^a-z ]+", " ", text.replace("'", ""))
    for pattern, replacement in _SPELLING:
        text = re.sub(pattern, replacement, text)
    return [word for word in text.split() if word not in _HESITATION]


def chinese(text: str) -> list[str]:
    """Simplified characters, numbers read out; words in Latin letters count as one unit each."""
    text = unicodedata.normalize("NFKC", text).replace("’", "'")
    units: list[str] = []
    end = 0
    for match in _LATIN.finditer(text):
        units += speak_chinese(text[end : match.start()])
        units.append(match[0].lower().replace("'", ""))
        end = match.end()
    units += speak_chinese(text[end:])
    return [unit for unit in "\0".join(units).translate(_SAME_NUMBER).split("\0") if unit.isalnum()]


def characters(text: str) -> list[str]:
    """Letters and digits in their compatibility form, without spaces and punctuation."""
    return [c for c in unicodedata.normalize("NFKC", text).lower() if c.isalnum() or c == "ー"]


def _read_japanese(text: str) -> str:
    """Digits as number words: 1200 is 千二百."""
    text = unicodedata.normalize("NFKC", text).replace("%", "パーセント").replace("〇", "零")
    text = re.sub(r"(?<=[0-9]),(?=[0-9]{3})", "", text)
    text = re.sub(r"[0-9]+(?:\.[0-9]+)?", _japanese_number, text)  # not \d, which is any script's digits
    return text


def _japanese_number(match: re.Match[str]) -> str:
    whole, point, fraction = match[0].partition(".")
    if len(whole) > 1 and whole[0] == "0":
        return digits(whole)
    words = re.sub(r"(?<!十)一(?=[千百])|零(?=.)", "", cardinal(whole))
    return words + (f"点{digits(fraction)}" if point else "")
