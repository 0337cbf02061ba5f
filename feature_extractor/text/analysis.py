"""What the text front end says about a text, and the one function that says it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from types import MappingProxyType

from feature_extractor.text.language import split_languages
from feature_extractor.text.reading import FrontEnd, Pin, Reading
from feature_extractor.text.runs import Run
from feature_extractor.text.symbols import symbol_ids
from gpt_sovits.core.errors import MissingLanguageError, TextError

FRONT_ENDS: Mapping[str, str] = MappingProxyType(
    {
        "en": "en.front_end:read_english",
        "zh": "zh.front_end:read_chinese",
        "ja": "ja.front_end:read_japanese",
        "ko": "ko.front_end:read_korean",
        "yue": "yue.front_end:read_cantonese",
    }
)
"""Where each language's front end is; see `feature_extractor.text.reading` for what one is asked and answers."""
_FEWEST = 6
_MARKS = frozenset("!,-.?…空停_^$[]#") | {"SP", "SP2", "SP3", "UNK"}


@dataclass(frozen=True)
class Segment:
    """A run of one language.

    `start` and `end` count characters of the original text, `phones_start` and `phones_end` phones.
    """

    language: str
    start: int
    end: int
    phones_start: int
    phones_end: int
    normalised: str
    word2ph: list[int] | None


@dataclass(frozen=True)
class TextAnalysis:
    """Phones of a text, their ids in the symbol table, and where they came from.

    `word2ph` holds the number of phones of every character of `normalised`; it is None unless the whole text is of
    a language that is written in characters (each segment has its own).
    """

    phones: list[str]
    ids: list[int]
    word2ph: list[int] | None
    normalised: str
    segments: list[Segment]


def analyse(
    text: str, language: str, symbols: str = "v2", compat: bool = False, *, pad_short: bool = True
) -> TextAnalysis:
    """Turn a text into phones.

    Args:
        text: any text; runs of English inside another language are read as English.
        language: `zh`, `en`, `all_zh` or `auto` (by script).
        symbols: the symbol table of the model that will speak, `v1` or `v2`.
        compat: read exactly as the public GPT-SoVITS does, faults included; meant for its checkpoints.
        pad_short: read a text of fewer than six phones again with a full stop before it, as the public one does when
            speaking; models tend to skip or repeat such short texts otherwise.

    Raises:
        TextError: the language is not among these, or the text has nothing to say.
        ConfigError: there is no such symbol table.
    """
    ids = symbol_ids(symbols)
    if not text.strip():
        raise TextError("the text is empty; write at least one word")
    runs = split_languages(text, language, compat)
    result = _assemble([(run, read(run.text, run.language, symbols, compat)) for run in runs], ids)
    if pad_short and 0 < len(result.phones) < _FEWEST:
        result = _padded(text, language, symbols, compat)
    if not result.phones or (not compat and _MARKS.issuperset(result.phones)):
        raise TextError(f"the text {_shortened(text)!r} has nothing to say in the language {language!r}")
    return result


def read(text: str, language: str, symbols: str = "v2", compat: bool = False, pins: Sequence[Pin] = ()) -> Reading:
    """Read a text that is all of one language, without looking for others inside it.

    Raises:
        TextError: there is no front end for the language, or an optional package that it needs is not installed.
    """
    with _needing_the_extra(language):
        result = front_end(language)(text, symbols, compat, pins)
    table = symbol_ids(symbols)
    if table.keys() >= set(result.phones):
        return result
    phones = [phone if phone in table else "UNK" for phone in result.phones]
    return replace(result, phones=phones)


@cache
def front_end(language: str) -> FrontEnd:
    """The front end of one language, loaded when first needed."""
    if language not in FRONT_ENDS:
        raise TextError(f"there is no front end for the language {language!r}; choose one of {', '.join(FRONT_ENDS)}")
    module, _, function = FRONT_ENDS[language].partition(":")
    loaded: FrontEnd = getattr(import_module(f"feature_extractor.text.{module}"), function)
    return loaded


@contextmanager
def _needing_the_extra(language: str) -> Iterator[None]:
    """Say which extra to install when a package of the language is not there."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package == "feature_extractor":
            raise TextError(f"there is no front end for the language {language!r}") from error
        raise MissingLanguageError(package, language) from error


def _padded(text: str, language: str, symbols: str, compat: bool) -> TextAnalysis:
    """The analysis of the text behind a full stop, its spans moved back to the text itself."""
    padded = "." + re.sub(r" {2,}", " ", text) if compat else "." + text
    runs = split_languages(padded, language, compat)
    readings = [(run, read(run.text, run.language, symbols, compat)) for run in runs]
    moved = [(Run(run.language, max(run.start - 1, 0), max(run.end - 1, 0), run.text), r) for run, r in readings]
    return _assemble(moved, symbol_ids(symbols))


def _assemble(readings: list[tuple[Run, Reading]], ids: Mapping[str, int]) -> TextAnalysis:
    phones: list[str] = []
    segments: list[Segment] = []
    for run, reading in readings:
        start = len(phones)
        phones.extend(reading.phones)
        segments.append(
            Segment(run.language, run.start, run.end, start, len(phones), reading.normalised, reading.word2ph)
        )
    counts = [segment.word2ph for segment in segments]
    known = [part for part in counts if part is not None]
    word2ph = [n for part in known for n in part] if len(known) == len(counts) else None
    normalised = "".join(segment.normalised for segment in segments)
    return TextAnalysis(phones, [ids[phone] for phone in phones], word2ph, normalised, segments)


def _shortened(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"
