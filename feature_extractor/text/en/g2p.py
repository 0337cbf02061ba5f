"""English words and marks to phones, in the context of their sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from feature_extractor.text.en.context import tag_in_context
from feature_extractor.text.en.lexicon import homographs
from feature_extractor.text.en.tagger import tagger
from feature_extractor.text.en.words import decided_by, word_phones

PINNED = "\ue000"
"""Stands for a word whose phones are given."""
_TOKEN = re.compile(rf"[A-Za-z']+(?:-[A-Za-z']+)*|[,.?!…{PINNED}]")
_VOWELS = "AEIOU"


class Spoken(NamedTuple):
    """A word or mark, its phones, and what decided them."""

    text: str
    phones: Sequence[str]
    by: str


def phones_of(text: str, fixed: Sequence[tuple[str, list[str]]] = ()) -> list[str]:
    """Phones of normalised text, see `speak`."""
    return [phone for spoken in speak(text, fixed) for phone in spoken.phones]


def speak(text: str, fixed: Sequence[tuple[str, list[str]]] = ()) -> list[Spoken]:
    """Words of normalised text: of letters, apostrophes and hyphens, and the marks `, . ? ! …`.

    Args:
        fixed: the words that `PINNED` stands for in the text, in order, and their phones.
    """
    tokens = _TOKEN.findall(text)
    pinned = dict(zip((i for i, token in enumerate(tokens) if token == PINNED), fixed, strict=True))
    tokens = [pinned[i][0] if i in pinned else token for i, token in enumerate(tokens)]
    tags = tagger()(tokens)
    letters = [c for token in tokens for c in token if c.isalpha()]
    shouting = len(letters) > 12 and all(c.isupper() for c in letters)
    words = [
        Spoken(*pinned[i], "user") if i in pinned else _token(i, tokens, tags, shouting) for i in range(len(tokens))
    ]
    for i, token in enumerate(tokens[:-1]):
        following = words[i + 1].phones
        if token.lower() == "the" and i not in pinned and following[:1] and following[0][0] in _VOWELS:
            words[i] = Spoken(token, ["DH", "IY0"], "the before a vowel")
    return words


def _token(i: int, tokens: list[str], tags: list[str], shouting: bool) -> Spoken:
    token = tokens[i]
    lower = token.lower()
    if not lower[0].isalpha() and lower[0] != "'":
        return Spoken(token, [token], "mark")
    if lower == "a" and not _is_letter_a(i, tokens):
        return Spoken(token, ["AH0"], "article")
    homograph = homographs().get(lower)
    if homograph is not None and not (token.isupper() and not shouting and len(token) < 4):
        tag = tag_in_context(i, tokens, tags)
        return Spoken(token, homograph.choose(tag).split(), f"homograph, {tag}")
    return Spoken(token, word_phones(token, shouting), decided_by(token, shouting))


def _is_letter_a(i: int, tokens: list[str]) -> bool:
    """Whether an `a` stands for the letter's name rather than for the article."""
    following = tokens[i + 1] if i + 1 < len(tokens) else "."
    if not following[0].isalpha():
        return True
    if tokens[i] == "A" and i and tokens[i - 1][0].isalpha() and following.islower():
        return True
    spelling = i > 0 and len(tokens[i - 1]) == 1 and tokens[i - 1].isupper() and tokens[i - 1] != "I"
    return tokens[i] == "A" and (spelling or len(following) == 1)
