"""How a user's wishes meet the languages of a text: whose notation a pronunciation is in, and what front ends get."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from feature_extractor.text import scripts
from feature_extractor.text.characters import ascii_digits
from feature_extractor.text.inline import Marked, Wish
from feature_extractor.text.language import base_language
from feature_extractor.text.reading import Pin
from feature_extractor.text.runs import Run
from feature_extractor.text.user import UserDictionary, pronounce
from gpt_sovits.core.errors import TextError

_DIGITS: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "zh": "零一二三四五六七八九",
        "yue": "零一二三四五六七八九",
        "ja": ["ゼロ", "イチ", "ニ", "サン", "ヨン", "ゴ", "ロク", "ナナ", "ハチ", "キュー"],
        "ko": "영일이삼사오육칠팔구",
        "en": [f" {word} " for word in "zero one two three four five six seven eight nine".split()],  # noqa: SIM905
    }
)


def decide_wishes(marked: Marked, runs: list[Run], mode: str, dictionary: UserDictionary | None) -> list[Wish]:
    """Inline wishes and dictionary words of a text in order, each pronunciation in a known language.

    What is marked in the text goes before the dictionary.

    Raises:
        TextError: a pronunciation is in no language that it could be in.
    """
    wishes = [_with_language(wish, marked, runs, mode) for wish in marked.wishes]
    if dictionary is not None:
        taken = [(wish.start, wish.end) for wish in wishes]
        base = "" if mode == "auto" else base_language(mode)
        for word in dictionary.wishes(marked.text, runs, base):
            if not any(start < word.end and word.start < end for start, end in taken):
                wishes.append(word)
    return sorted(wishes, key=lambda wish: wish.start)


def pinned_text(run: Run, wishes: Sequence[Wish]) -> tuple[str, list[Pin]]:
    """What the front end of a run reads: its text, the digits of what stands as it is spelt out, and the pins."""
    text, pins, done = "", [], run.start
    for wish in wishes:
        start, end = max(wish.start, run.start), min(wish.end, run.end)
        if start >= end:
            continue
        text += run.text[done - run.start : start - run.start]
        words = run.text[start - run.start : end - run.start]
        if wish.reading is None:
            words = spell_digits(words, run.language)
        pins.append(Pin(len(text), len(text) + len(words), wish.reading))
        text += words
        done = end
    return text + run.text[done - run.start :], pins


def spell_digits(text: str, language: str) -> str:
    """Digits one by one in the words of a language."""
    return re.sub("[0-9]", lambda match: _DIGITS[language][int(match[0])], ascii_digits(text))


def _with_language(wish: Wish, marked: Marked, runs: list[Run], mode: str) -> Wish:
    """The wish in the first language whose notation its pronunciation is in.

    Those of its characters come first, then the one the text was said to be in, then the one its script tells.
    """
    if wish.reading is None:
        return wish
    around = [run.language for run in runs if run.start < wish.end and run.end > wish.start]
    script = "ja" if scripts.has_kana(wish.reading) else "en"
    failure: TextError | None = None
    for language in dict.fromkeys([*around, base_language(mode), script]):
        try:
            pronounce(wish.reading, language)
        except TextError as error:
            failure = failure or error
        else:
            return Wish(wish.start, wish.end, wish.reading, wish.place, language)
    text = marked.text[wish.start : wish.end]
    raise TextError(
        f"the pronunciation {wish.reading!r} of {text!r} at character {wish.place + 1} cannot be read: {failure}"
    ) from failure
