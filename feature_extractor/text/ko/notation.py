"""Korean pronunciations as users write them."""

from __future__ import annotations

from feature_extractor.text.ko.jamo import is_syllable, plain_vowels, take_apart
from feature_extractor.text.ko.sounds import CLASSES
from feature_extractor.text.notation import unknown_element
from gpt_sovits.core.errors import TextError


def pronounce(reading: str) -> list[str]:
    """Phones of hangul as it is pronounced, such as `궁물` for 국물; a space is a break between words.

    Raises:
        TextError: a character is no hangul syllable.
    """
    syllables = reading.strip()
    if not syllables:
        raise TextError("the pronunciation is empty; write hangul as it is pronounced, such as 궁물")
    phones: list[str] = []
    for char in " ".join(syllables.split()):
        if char == " ":
            phones.append("空")
        elif is_syllable(char):
            phones.extend(sounds(char))
        else:
            raise unknown_element(char, [], "hangul syllable")
    return phones


def sounds(syllable: str) -> list[str]:
    """Phones of one syllable as it is pronounced; a coda that is not said so is said as its class."""
    onset, vowel, coda = take_apart(syllable)
    return [onset, *plain_vowels(vowel), *CLASSES[coda]]
