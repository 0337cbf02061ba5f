"""Words with their accent as phones with the marks of pitch: `[` it rises, `]` it falls, `#` a new accent phrase."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from feature_extractor.text.ja.kana import phones_of

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
    """Phones of every word, the marks after the morae they follow."""
    result: list[list[str]] = [[] for _ in words]
    phrases = list(_phrases(words))
    for phrase, following in zip(phrases, [*phrases[1:], []], strict=True):
        if not words[phrase[0]].morae:
            result[phrase[0]] = [PAUSE]
            continue
        goes_on = bool(following) and bool(words[following[0]].morae)
        _mark(words, phrase, result, goes_on)
    return result


def _phrases(words: Sequence[Word]) -> Iterator[list[int]]:
    """Numbers of the words of every accent phrase; a pause stands alone."""
    phrase: list[int] = []
    for i, word in enumerate(words):
        if phrase and not (word.chained and word.morae and words[phrase[-1]].morae):
            yield phrase
            phrase = []
        phrase.append(i)
    if phrase:
        yield phrase


def _mark(words: Sequence[Word], phrase: list[int], result: list[list[str]], goes_on: bool) -> None:
    sounds = phones_of([mora for i in phrase for mora in words[i].morae])
    owners = [i for i in phrase for _ in words[i].morae]
    kept = [(owner, phones) for owner, phones in zip(owners, sounds, strict=True) if phones]
    accent, last = words[phrase[0]].accent, len(kept)
    for position, (owner, phones) in enumerate(kept, 1):
        result[owner].extend(phones)
        if position == last:
            result[owner].extend([PHRASE] if goes_on else [])
        elif position == accent:
            result[owner].append(FALL)
        elif position == 1:
            result[owner].append(RISE)
