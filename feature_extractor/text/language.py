"""Which language each part of a text is in, by the script it is written in."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from feature_extractor.text import scripts
from feature_extractor.text.public_language import public_runs
from feature_extractor.text.runs import Run, cut_at, merge_equal
from gpt_sovits.core.errors import TextError

LANGUAGES = ("zh", "en", "ja", "ko", "yue", "all_zh", "all_ja", "all_yue", "all_ko", "auto", "auto_yue")
_SENTENCE = re.compile(r"[^。！？!?\n]*(?:[。！？!?\n]+[」』”’）)]*|$)")
_STRETCH = re.compile(
    f"(?P<han>[{scripts.HAN}]+(?:[\\d０-９.,]*[{scripts.HAN}]+)*)|(?P<ja>[{scripts.KANA}]+)|(?P<ko>[{scripts.HANGUL}]+)"
)
_CLOSING = re.compile("[，。！？、；：・…」』）)]*")
_CHINESE_WORDS = frozenset("是的了在我你他她它们这那不没吗吧呢啊就很")
"""Found in nearly every Chinese sentence, seldom in Japanese without kana."""


def split_languages(
    text: str, language: str, compat: bool = False, fixed: Sequence[tuple[int, int, str]] = ()
) -> list[Run]:
    """Cut a text into runs of one language that cover all of it, in order.

    Args:
        language: what Chinese characters, digits and marks are read as, `auto` deciding by script and neighbours
            between Chinese and Japanese, `auto_yue` taking Cantonese for Chinese. Other scripts keep their language:
            Latin letters are English, kana Japanese, hangul Korean. With `all_*` everything but English is read by the
            front end of that language, whatever the script. `compat`: as the public GPT-SoVITS splits.
        fixed: start, end and language of characters whose language is known.

    Raises:
        TextError: the language is unknown.
    """
    if language not in LANGUAGES:
        raise TextError(f"the language {language!r} is not available; choose one of {', '.join(LANGUAGES)}")
    runs = public_runs(text, language) if compat else _runs(text, language)
    return _with_fixed(text, runs, fixed)


def base_language(language: str) -> str:
    """The one language that a mode is about; `auto` is about Chinese, `auto_yue` about Cantonese."""
    return {"auto": "zh", "auto_yue": "yue"}.get(language, language.removeprefix("all_"))


def _runs(text: str, language: str) -> list[Run]:
    if language == "en":
        return _islands(text)
    base = base_language(language)
    if not scripts.has_east_asian(text):
        # Numbers and marks of a text without East Asian characters belong to its English.
        return [Run("en" if scripts.has_latin(text) else base, 0, len(text), text)]
    context = _Context(text)
    runs: list[Run] = []
    for run in cut_at(text, _ENGLISH_RUN, "en", base, _without_units(text, _counts_in(language, context))):
        if run.language == "en" or language.startswith("all_"):
            runs.append(run)
        else:
            runs.extend(_by_script(run, base, "" if language.startswith("auto") else base, context))
    return merge_equal(runs)


@dataclass(frozen=True)
class _Sentence:
    end: int
    kana: bool
    chinese: bool
    """Some character is Chinese only."""
    words: bool
    """Some word is one of those that mark Chinese."""


class _Context:
    """What the whole text and its sentences say about the Chinese characters in them."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sentences = [
            _Sentence(
                match.end(),
                bool(scripts.has_kana(match[0])),
                any(scripts.han_language(c) == "zh" for c in scripts.han_characters(match[0])),
                not _CHINESE_WORDS.isdisjoint(match[0]),
            )
            for match in _SENTENCE.finditer(text)
            if match[0]
        ]
        self._ends = [sentence.end for sentence in self.sentences]
        kana = len(re.findall(f"[{scripts.KANA}]", text))
        # Kana, and no sentence's worth of Chinese.
        self.japanese = kana > 0 and kana >= sum(scripts.han_language(c) == "zh" for c in scripts.han_characters(text))

    def reads_japanese(self, start: int, end: int) -> bool:
        """Whether Chinese characters are Japanese: by themselves, their neighbours, their sentence, the text."""
        votes = {scripts.han_language(c) for c in scripts.han_characters(self.text[start:end])} - {""}
        if len(votes) == 1:
            return "ja" in votes
        if scripts.has_hiragana(self.text[max(start - 1, 0) : start] + self.text[end : end + 1]):
            return True
        sentence = self.sentences[bisect_right(self._ends, start)]
        if sentence.kana:
            return not sentence.chinese
        return self.japanese and not sentence.chinese and not sentence.words


def _by_script(run: Run, neutral: str, han: str, context: _Context) -> list[Run]:
    """Runs of a stretch: `neutral` reads what has no script, `han` Chinese characters (empty: the context decides)."""
    found = list(_STRETCH.finditer(run.text))
    if not found:
        return [Run(neutral, run.start, run.end, run.text)]
    names = []
    for match in found:
        name = han if match.lastgroup == "han" else match.lastgroup or ""
        japanese = not name and context.reads_japanese(run.start + match.start(), run.start + match.end())
        names.append(name or ("ja" if japanese else neutral))
    cuts = [0, *(match.start() for match in found[1:]), len(run.text)]
    parts = zip(names, cuts, cuts[1:], strict=False)
    return [Run(name, run.start + a, run.start + b, run.text[a:b]) for name, a, b in parts]


def _islands(text: str) -> list[Run]:
    """East Asian stretches, with the marks that close them, in a text that is otherwise English."""
    runs: list[Run] = []
    done = 0
    context = _Context(text)
    for match in _STRETCH.finditer(text):
        language = match.lastgroup or ""
        if language == "han":
            language = "ja" if context.reads_japanese(*match.span()) else "zh"
        between = text[done : match.start()]
        bound = runs and runs[-1].language == language and len(between) < 6 and not scripts.has_latin(between)
        runs.append(Run(language if bound else "en", done, match.start(), between))
        closing = _CLOSING.match(text, match.end())
        done = closing.end() if closing else match.end()
        runs.append(Run(language, match.start(), done, text[match.start() : done]))
    runs.append(Run("en", done, len(text), text[done:]))
    return merge_equal([run for run in runs if run.text])


def _with_fixed(text: str, runs: list[Run], fixed: Sequence[tuple[int, int, str]]) -> list[Run]:
    """The runs with some characters given to other languages."""
    for start, end, language in fixed:
        result: list[Run] = []
        for run in runs:
            if run.language == language or run.end <= start or run.start >= end:
                result.append(run)
                continue
            cuts = [run.start, max(start, run.start), min(end, run.end), run.end]
            for a, b, name in zip(cuts, cuts[1:], (run.language, language, run.language), strict=False):
                if b > a:
                    result.append(Run(name, a, b, text[a:b]))
        runs = merge_equal(result)
    return runs


# A word, then words or numbers bound to it ("Windows XP", "GPT-4", "R&D"), then the marks that close it.
_WORD = rf"[{scripts.LATIN}][{scripts.LATIN}'’]*"
_ENGLISH_RUN = re.compile(
    rf"{_WORD}(?:(?:\s+|\s?[-&/.'’@_]\s?|, ){_WORD}|-\d+(?![\d.]))*[”\"』」）)]*[.?!,，。？！；：、…—]*\s*"
)
_METRIC = "km/h|m/s|cm|mm|nm|km|kg|mg|ml|mL|kWh|kW|MW|mAh|GHz|MHz|kHz|Hz|dB|db|ms|min|m|g|h|s|L|t|°[CF]"
_CHINESE_UNITS = rf"{_METRIC}|kcal|hPa|kPa|ha|V(?!\d)|W(?!\d)"
# In Chinese and Cantonese the letters of these are said.
_OTHER_UNITS = f"{_CHINESE_UNITS}|[KkMGT]B|[MG]bps|cal|ppm|fps|rpm|kV|kL|kl|dL|cc|ft|lb|oz|px"
_UNITS = {"zh": _CHINESE_UNITS, "yue": rf"{_CHINESE_UNITS}|ft|lb|oz", "ja": _OTHER_UNITS, "ko": _OTHER_UNITS}


def _counts_in(language: str, context: _Context) -> str:
    """The language that numbers of a text are in."""
    if language.startswith("auto") and not scripts.has_han(context.text) and scripts.has_hangul(context.text):
        return "ko"
    return "ja" if language.startswith("auto") and context.japanese else base_language(language)


def _without_units(text: str, language: str) -> str:
    """The text with the letters of the language's units after numbers blanked out: those are read with their number."""
    return _units_after_numbers(language).sub(lambda match: "\0" * len(match[0]), text)


@lru_cache(maxsize=8)
def _units_after_numbers(language: str) -> re.Pattern[str]:
    gas = rf"(?<![{scripts.LATIN}])CO[2₂](?![{scripts.LATIN}\d])"  # which each language has a word for
    return re.compile(rf"(?<=\d)\s?(?:{_UNITS[language]})(?![{scripts.LATIN}])|{gas}")
