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
    if compat:
        return _public_runs(text, language)
    _refuse_unread_scripts(text)
    if language == "en":
        return _runs(text, _HAN_RUN, "zh", "en")
    if not re.search(f"[{_HAN}]", text):
        # Numbers and marks of a text without Chinese characters belong to its English.
        return [Run("en" if re.search(f"[{_LATIN}]", text) else "zh", 0, len(text), text)]
    return _runs(text, _ENGLISH_RUN, "en", "zh", _without_units(text))


def _public_runs(text: str, language: str) -> list[Run]:
    if language == "en":
        return [Run("en", 0, len(text), text)]
    runs = _runs(text, _PUBLIC_ENGLISH_RUN, "en", "zh")
    if len(runs) > 1 and runs[0].language == "zh" and not re.search(r"\w", runs[0].text):
        # Marks before the first word go with it.
        runs[:2] = [Run("en", 0, runs[1].end, text[: runs[1].end])]
    return runs


def _refuse_unread_scripts(text: str) -> None:
    for name, pattern in (
        ("Japanese kana", "[\u3041-\u30fa\u31f0-\u31ff]"),
        ("Korean", "[\u1100-\u11ff\uac00-\ud7a3]"),
    ):
        found = re.search(pattern, text)
        if found:
            raise TextError(f"the text has {name} ({found[0]!r}), for which there is no front end; leave it out")


# A word, then words or numbers bound to it ("Windows XP", "GPT-4", "R&D"), then the marks that close it.
_WORD = rf"[{_LATIN}][{_LATIN}'’]*"
_ENGLISH_RUN = re.compile(
    rf"{_WORD}(?:(?:\s+|\s?[-&/.'’@_]\s?|, ){_WORD}|-\d+(?![\d.]))*[”\"』」）)]*[.?!,，。？！；：、…]?\s*"
)
_UNIT = re.compile(
    r"(?<=\d)\s?(?:km/h|m/s|cm|mm|nm|km|kg|mg|ml|mL|kWh|kW|MW|mAh|GHz|MHz|kHz|Hz|dB|db|ms|min|m|g|h|s|L|t|°[CF])"
    rf"(?![{_LATIN}])"
)


def _without_units(text: str) -> str:
    """The text with the letters of units after numbers blanked out: those are read with their number, in Chinese."""
    return _UNIT.sub(lambda match: "\0" * len(match[0]), text)


_PUBLIC_ENGLISH_RUN = re.compile(rf"[{_LATIN}][{_LATIN}\s'’\-]*[^\w\s]*")
_HAN_RUN = re.compile(rf"[{_HAN}](?:[{_HAN}\d，。！？、；：,.%\-]*[{_HAN}，。！？、；：])?")


def _runs(text: str, pattern: re.Pattern[str], inside: str, outside: str, searched: str | None = None) -> list[Run]:
    """Cut at every match of the pattern in the text, or in a copy of the same length."""
    runs: list[Run] = []
    done = 0
    for match in pattern.finditer(searched or text):
        if match.start() > done:
            runs.append(Run(outside, done, match.start(), text[done : match.start()]))
        runs.append(Run(inside, match.start(), match.end(), text[match.start() : match.end()]))
        done = match.end()
    if done < len(text) or not runs:
        runs.append(Run(outside, done, len(text), text[done:]))
    return runs
