"""English words and marks to phones, in the context of their sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence

from feature_extractor.text.en.context import tag_in_context
from feature_extractor.text.en.lexicon import homographs
from feature_extractor.text.en.tagger import tagger
from feature_extractor.text.en.words import word_phones

PINNED = "\ue000"
"""Stands for a word whose phones are given."""
_TOKEN = re.compile(rf"[A-Za-z']+(?:-[A-Za-z']+)*|[,.?!…{PINNED}]")
_VOWELS = "AEIOU"


def phones_of(text: str, fixed: Sequence[tuple[str, list[str]]] = ()) -> list[str]:
    """Phones of normalised text: words of letters, apostrophes and hyphens, and the marks `, . ? ! …`.

    Args:
        fixed: the words that `PINNED` stands for in the text, in order, and their phones.
    """
    tokens = _TOKEN.findall(text)
    pinned = dict(zip((i for i, token in enumerate(tokens) if token == PINNED), fixed, strict=True))
    tokens = [pinned[i][0] if i in pinned else token for i, token in enumerate(tokens)]
    tags = tagger()(tokens)
    letters = [c for token in tokens for c in token if c.isalpha()]
    shouting = len(letters) > 12 and all(c.isupper() for c in letters)
    pieces = [pinned[i][1] if i in pinned else _token_phones(i, tokens, tags, shouting) for i in range(len(tokens))]
    for i, token in enumerate(tokens[:-1]):
        if token.lower() == "the" and i not in pinned and pieces[i + 1][:1] and pieces[i + 1][0][0] in _VOWELS:
            pieces[i] = ["DH", "IY0"]
    return [phone for piece in pieces for phone in piece]


def _token_phones(i: int, tokens: list[str], tags: list[str], shouting: bool) -> list[str]:
    token = tokens[i]
    lower = token.lower()
    if not lower[0].isalpha() and lower[0] != "'":
        return [token]
    if lower == "a" and not _is_letter_a(i, tokens):
        return ["AH0"]
    homograph = homographs().get(lower)
    if homograph is not None and not (token.isupper() and not shouting and len(token) < 4):
        return homograph.choose(tag_in_context(i, tokens, tags)).split()
    return list(word_phones(token, shouting))


def _is_letter_a(i: int, tokens: list[str]) -> bool:
    """Whether an `a` stands for the letter's name rather than for the article."""
    following = tokens[i + 1] if i + 1 < len(tokens) else "."
    if not following[0].isalpha():
        return True
    if tokens[i] == "A" and i and tokens[i - 1][0].isalpha() and following.islower():
        return True
    spelling = i > 0 and len(tokens[i - 1]) == 1 and tokens[i - 1].isupper() and tokens[i - 1] != "I"
    return tokens[i] == "A" and (spelling or len(following) == 1)
