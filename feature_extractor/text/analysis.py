"""What the text front end says about a text, and the one function that says it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from types import MappingProxyType

from feature_extractor.text.inline import Marked, Wish, parse_inline
from feature_extractor.text.language import split_languages
from feature_extractor.text.reading import FrontEnd, Pin, Reading, Source
from feature_extractor.text.runs import Run
from feature_extractor.text.symbols import symbol_ids
from feature_extractor.text.unknown import suspects
from feature_extractor.text.user import UserDictionary
from feature_extractor.text.wishes import decide_wishes, pinned_text
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

    `start` and `end` count characters of the original text, inline marks included; `phones_start` and `phones_end`
    count phones. `sources`, where the front end tells, say what decided the phones, group by group.
    """

    language: str
    start: int
    end: int
    phones_start: int
    phones_end: int
    normalised: str
    word2ph: list[int] | None
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True)
class Unknown:
    """A character that its language's front end cannot say, and where it stands in the original text."""

    character: str
    position: int
    language: str


@dataclass(frozen=True)
class TextAnalysis:
    """Phones of a text, their ids in the symbol table, and where they came from.

    `word2ph` holds the number of phones of every character of `normalised`; it is None unless the whole text is of
    a language that is written in characters (each segment has its own). `unknown` lists the characters left unsaid.
    """

    phones: list[str]
    ids: list[int]
    word2ph: list[int] | None
    normalised: str
    segments: list[Segment]
    unknown: tuple[Unknown, ...] = ()


def analyse(
    text: str,
    language: str,
    symbols: str = "v2",
    compat: bool = False,
    *,
    pad_short: bool = True,
    dictionary: UserDictionary | None = None,
) -> TextAnalysis:
    """Turn a text into phones.

    Args:
        text: any text. `{行|hang2}` fixes a pronunciation, `{=3:45}` reads characters as they stand, see
            `feature_extractor.text.inline`.
        language: `zh`, `en`, `ja`, `ko`, `yue`; `all_zh`, `all_ja`, `all_ko`, `all_yue`; `auto` or `auto_yue`, see
            `split_languages`.
        symbols: the symbol table of the model that will speak, `v1` or `v2`.
        compat: read exactly as the public GPT-SoVITS does, faults included; meant for its checkpoints.
        pad_short: read a text of fewer than six phones again with a full stop before it, as the public one does when
            speaking; models tend to skip or repeat such short texts otherwise.
        dictionary: the user's own words.

    Raises:
        TextError: the language is not among these, the text has nothing to say, or an inline mark is wrong.
        MissingLanguageError: a package of the language is not installed; a TextError, too.
        ConfigError: there is no such symbol table, or the dictionary is wrong.
    """
    symbol_ids(symbols)
    if not text.strip():
        raise TextError("the text is empty; write at least one word")
    marked = parse_inline(text)
    result = _analyse(marked, language, symbols, compat, dictionary)
    if pad_short and 0 < len(result.phones) < _FEWEST:
        result = _analyse(_padded(marked, compat), language, symbols, compat, dictionary)
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


def _analyse(
    marked: Marked, language: str, symbols: str, compat: bool, dictionary: UserDictionary | None
) -> TextAnalysis:
    runs = split_languages(marked.text, language, compat)
    wishes = decide_wishes(marked, runs, language, dictionary)
    fixed = [(wish.start, wish.end, wish.language) for wish in wishes if wish.language]
    if fixed:
        runs = split_languages(marked.text, language, compat, fixed)
    readings = []
    for run in runs:
        text, pins = pinned_text(run, wishes)
        readings.append((run, read(text, run.language, symbols, compat, pins)))
    result = _assemble(readings, marked.places, symbol_ids(symbols))
    return result if compat else replace(result, unknown=tuple(_unknown(runs, wishes, marked, symbols)))


def _padded(marked: Marked, compat: bool) -> Marked:
    """The text behind a full stop; with `compat` its spaces are single, as in the public one."""
    kept: Sequence[int] = range(len(marked.text))
    if compat and not marked.wishes:
        kept = [i for i in kept if marked.text[i : i + 2] != "  "]
    # Before a digit the ASCII stop alone would make a decimal of it: .5.
    stop = "。 " if not compat and marked.text.lstrip()[:1].isdigit() else "."
    size = len(stop)
    wishes = tuple(replace(wish, start=wish.start + size, end=wish.end + size) for wish in marked.wishes)
    text = stop + "".join(marked.text[i] for i in kept)
    return Marked(text, wishes, [*[0] * size, *(marked.places[i] for i in kept), marked.places[-1]])


def _assemble(readings: list[tuple[Run, Reading]], places: Sequence[int], ids: Mapping[str, int]) -> TextAnalysis:
    phones: list[str] = []
    segments: list[Segment] = []
    for i, (run, reading) in enumerate(readings):
        start = len(phones)
        phones.extend(reading.phones)
        first = places[run.start] if i else 0
        last = places[run.end] if i + 1 < len(readings) else places[-1]
        span = (first, last, start, len(phones))
        segments.append(Segment(run.language, *span, reading.normalised, reading.word2ph, reading.sources))
    counts = [segment.word2ph for segment in segments]
    known = [part for part in counts if part is not None]
    word2ph = [n for part in known for n in part] if len(known) == len(counts) else None
    normalised = "".join(segment.normalised for segment in segments)
    return TextAnalysis(phones, [ids[phone] for phone in phones], word2ph, normalised, segments)


def _unknown(runs: list[Run], wishes: Sequence[Wish], marked: Marked, symbols: str) -> Iterator[Unknown]:
    said = {i for wish in wishes if wish.reading is not None for i in range(wish.start, wish.end)}
    for run in runs:
        for i, character in suspects(run.text, run.language):
            if run.start + i not in said and not _is_said(character, run.language, symbols):
                yield Unknown(character, marked.places[run.start + i], run.language)


@cache
def _is_said(character: str, language: str, symbols: str) -> bool:
    """Whether a character has phones by itself or, like a unit, behind a number."""
    alone = read(character, language, symbols).phones
    if not _MARKS.issuperset(alone):
        return True
    return len(read(f"1{character}", language, symbols).phones) > len(read("1", language, symbols).phones) + len(alone)


def _shortened(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"
