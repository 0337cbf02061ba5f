"""Cantonese exactly as the public GPT-SoVITS reads it: written Mandarin words in simplified characters."""

from __future__ import annotations

from feature_extractor.text.reading import Reading
from feature_extractor.text.yue.jyutping import characters, public_phones
from feature_extractor.text.zh.public_normalise import sentences, spoken_marks
from gpt_sovits.core.errors import TextError

_MARKS = frozenset("!?…,.-")


def normalise(text: str) -> str:
    """Characters 一-龥 and the marks `! ? … , . -` only."""
    return "".join(spoken_marks(sentence, interjections=False) for sentence in sentences(text))


def read_public(text: str) -> Reading:
    """Phones as the public front end gives them.

    Raises:
        TextError: the dictionary has no reading of a character; the public one stops there too.
    """
    normalised = normalise(text)
    phones: list[str] = []
    counts: list[int] = []
    for char, syllable in characters(normalised):
        if char in _MARKS:
            sound: tuple[str, ...] = (char,)
        elif syllable is None:
            raise TextError(f"there is no Cantonese reading of {char!r}; leave it out, or read without compat")
        else:
            sound = public_phones(syllable)
        phones.extend(sound)
        counts.append(len(sound))
    return Reading(phones, normalised, counts)
