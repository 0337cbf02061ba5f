"""Which language each part of a text is in, by the script it is written in."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gpt_sovits.core.errors import TextError

LANGUAGES = ("zh", "en", "all_zh", "auto")
_HAN = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
_LATIN = "A-Za-z\u00c0-\u024f\uff21-\uff3a\uff41-\uff5a"


@dataclass(frozen=True)
class Run:
    """A part of a text in one language; `start` and `end` count characters of the whole text."""

    language: str
    start: int
    end: int
    text: str


def split_languages(text: str, language: str, compat: bool = False) -> list[Run]:
    """Cut a text into runs of one language that cover all of it, in order.

    Args:
        language: `en`: Chinese characters are read as Chinese, all else as English (`compat`: all as English).
            `zh`, `all_zh`: runs of Latin letters are read as English, all else as Chinese.
            `auto`: each run by its script; digits and marks go with what is before them.

    Raises:
        TextError: the language is unknown.
    """
    if language not in LANGUAGES:
        raise TextError(f"the language {language!r} is not available; choose one of {', '.join(LANGUAGES)}")
    if language == "en":
        return [Run("en", 0, len(text), text)] if compat else _runs(text, _HAN_RUN, "zh", "en")
    if not compat and not re.search(f"[{_HAN}]", text):
        # Numbers and marks of a text without Chinese characters belong to its English.
        return [Run("en" if re.search(f"[{_LATIN}]", text) else "zh", 0, len(text), text)]
    return _runs(text, _PUBLIC_ENGLISH_RUN if compat else _ENGLISH_RUN, "en", "zh")


# A word, then words or numbers bound to it by a space, hyphen, apostrophe or the like: "Windows XP", "GPT-4", "R&D".
_ENGLISH_RUN = re.compile(
    rf"[{_LATIN}][{_LATIN}'’]*(?:(?:\s+|\s?[-&/.'’@_]\s?|, )[{_LATIN}][{_LATIN}'’]*|-\d+)*[.?!,]?\s*"
)
_PUBLIC_ENGLISH_RUN = re.compile(rf"[{_LATIN}][{_LATIN}\s'’\-]*[^\w\s]*")
_HAN_RUN = re.compile(rf"[{_HAN}](?:[{_HAN}\d，。！？、；：,.%\-]*[{_HAN}，。！？、；：])?")


def _runs(text: str, pattern: re.Pattern[str], inside: str, outside: str) -> list[Run]:
    runs: list[Run] = []
    done = 0
    for match in pattern.finditer(text):
        if match.start() > done:
            runs.append(Run(outside, done, match.start(), text[done : match.start()]))
        runs.append(Run(inside, match.start(), match.end(), match[0]))
        done = match.end()
    if done < len(text) or not runs:
        runs.append(Run(outside, done, len(text), text[done:]))
    return runs
