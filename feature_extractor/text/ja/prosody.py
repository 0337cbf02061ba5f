"""Words with their accent as phones with the marks of pitch: `[` it rises, `]` it falls, `#` a new accent phrase."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise, zip_longest
from typing import NamedTuple

from feature_extractor.text.ja.kana import LONG, phones_of

PHRASE, RISE, FALL, PAUSE = "#", "[", "]", "_"


@dataclass(frozen=True)
class Word:
    """A word, or a pause when it has no morae.

    The accent of the first word of an accent phrase is the phrase's: the number of the mora after which the pitch
    falls, 0 for nowhere. A chained word goes on with the phrase before it.
    """

    text: str
    morae: list[str] = field(default_factory=list)
    accent: int = 0
    chained: bool = False
    by: str = "Open JTalk"


def phones_with_marks(words: Sequence[Word]) -> list[list[str]]:
    """Phones of every word, the marks after the morae they follow; pauses at the ends are left out."""
    result: list[list[str]] = [[] for _ in words]
    morae = [mora for phrase in _phrases(words) for mora in _located(words, phrase)]
    morae.sort(key=lambda mora: mora.word)
    for mora, following in zip_longest(morae, morae[1:]):
        result[mora.word].extend(mora.phones)
        if following is None or not mora.phones or not following.phones:
            continue
        if following.position == 1:
            result[mora.word].append(PHRASE)
        elif mora.position == mora.accent:
            result[mora.word].append(FALL)
        elif mora.position == 1:
            result[mora.word].append(RISE)
    said = [i for i, word in enumerate(words) if word.morae]
    for before, after in pairwise(said):
        if after - before > 1:
            result[before + 1] = [PAUSE]
    return result


class _Mora(NamedTuple):
    word: int
    phones: list[str]
    position: int
    accent: int


def _phrases(words: Sequence[Word]) -> list[list[int]]:
    """Numbers of the words of every accent phrase, which may go on after a pause, and every pause by itself."""
    phrases: list[list[int]] = []
    pauses: list[list[int]] = []
    for i, word in enumerate(words):
        if not word.morae:
            pauses.append([i])
        elif (word.chained or word.morae[0] == LONG) and phrases:
            phrases[-1].append(i)
        else:
            phrases.append([i])
    return phrases + pauses


def _located(words: Sequence[Word], phrase: list[int]) -> list[_Mora]:
    """The morae of a phrase with their places in it; a pause counts as one without phones."""
    owners = [i for i in phrase for _ in words[i].morae]
    sounds = phones_of([mora for i in phrase for mora in words[i].morae])
    heard = [(i, phones) for i, phones in zip(owners, sounds, strict=True) if phones]
    accent = words[phrase[0]].accent
    return [_Mora(i, phones, n, accent) for n, (i, phones) in enumerate(heard, 1)] or [_Mora(phrase[0], [], 0, 0)]
