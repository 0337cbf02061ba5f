"""Korean text as syllables that know the words they are in, and their pronunciation."""

from __future__ import annotations

import re
from functools import lru_cache

from feature_extractor.text.characters import read_pairs
from feature_extractor.text.ko.jamo import is_syllable
from feature_extractor.text.ko.morphemes import morphemes
from feature_extractor.text.ko.sounds import Syllable, pronounce_all
from gpt_sovits.core.resources import resource

_BOUND = ("J", "E", "XS", "VCP")
_STEM = ("VV", "VA", "VX", "XSV", "XSA", "VCN")
# Nouns that take ㄴ after another noun in a compound.
_INSERTING = frozenset(["잎", "이불", "약", "여름", "엿", "역", "용", "유", "연필", "염", "열차", "여우", "양말", "요"])
# Numerals whose ㄹ makes the counter after them tense: 열 개, 여덟 살.
_TENSING_NUMERALS = frozenset(["열", "여덟"])


def pronounce_words(text: str) -> str:
    """Hangul as it is pronounced; spaces and everything else stay."""
    syllables = _syllables(_respelt(text))
    pronounce_all(syllables)
    return "".join((" " if syllable.spaced else "") + syllable.said() for syllable in syllables)


def _respelt(text: str) -> str:
    """Words with sounds that spelling does not show, spelt so that it does."""
    pattern, table = _spellings()
    return pattern.sub(lambda match: table[match[0]], text)


@lru_cache(maxsize=1)
def _spellings() -> tuple[re.Pattern[str], dict[str, str]]:
    table = read_pairs(resource("res", "text", "ko", "respelling.tsv"))
    words = sorted(table, key=len, reverse=True)
    return re.compile("|".join(f"(?<![가-힣]){re.escape(w[1:])}" if w[0] == "^" else re.escape(w) for w in words)), {
        word.removeprefix("^"): spelling for word, spelling in table.items()
    }


def _syllables(text: str) -> list[Syllable]:
    tokens = morphemes(text)
    found: list[Syllable] = []
    kinds = [(tag, i) for i, (surface, tag) in enumerate(tokens) for _ in surface]
    letters = [char for char in text if not char.isspace()]
    if len(kinds) != len(letters):
        kinds = [("NNG", 0)] * len(letters)
    spaced = False
    place = 0
    for char in text:
        if char.isspace():
            spaced = bool(found)
            continue
        syllable = Syllable.of(char)
        syllable.spaced = spaced
        tag, number = kinds[place]
        starts = place == 0 or kinds[place - 1][1] != number
        if starts and place:
            before = kinds[place - 1][0]
            syllable.bound = tag.startswith(_BOUND) or before.startswith(_STEM) or (tag.startswith("VX") and not spaced)
            syllable.inserts = not spaced and _inserts(tokens, number)
        ends = place + 1 == len(kinds) or kinds[place + 1][1] != number
        if ends and is_syllable(char):
            last = tag.rpartition("+")[2]
            syllable.stem = last.startswith(_STEM)
            following = tokens[number + 1] if tokens and number + 1 < len(tokens) else ("", "")
            syllable.tensing = syllable.coda in {"ㄹ", "ㄼ"} and (
                (last == "ETM" and not following[1].startswith(("J", "E")))
                or (tokens[number][0] in _TENSING_NUMERALS and following[1].startswith("NNBC") and following[0] != "과")
            )
        elif "+E" in tag and char != tokens[number][0][-1]:
            syllable.tensing = syllable.coda == "ㄹ"
        found.append(syllable)
        place += 1
        spaced = False
    return found


def _inserts(tokens: list[tuple[str, str]], number: int) -> bool:
    """Whether a token is the second part of a compound that takes ㄴ."""
    (before, tag_before), (word, tag) = tokens[number - 1], tokens[number]
    nouns = tag_before.startswith(("NN", "XPN", "XR", "MM")) and tag.startswith(("NN", "XSN"))
    return nouns and word in _INSERTING and tag_before[:4] != "NNBC" and bool(before)
