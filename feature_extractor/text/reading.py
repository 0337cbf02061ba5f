"""What a front end is asked and what it answers.

A front end is a function `read(text, symbols, compat, pins=()) -> Reading`. Each language has one, in
`feature_extractor/text/<language>/front_end.py`; beside it, in `notation.py`, `pronounce(reading) -> list[str]` turns
the language's notation of a pronunciation into phones, or raises a TextError that names the wrong element.

Pins. A `Pin` marks characters of `text` whose reading the user has fixed:

* its `reading` is in the language's own notation: zh pinyin with a tone digit per syllable (`hang2 zhang3`, 5 for the
  neutral tone), en ARPAbet with stress (`R EH1 D`), ja kana with an apostrophe after the accented mora (`キョ'ー`),
  ko hangul as pronounced, yue jyutping (`hong4`). The frame has checked it with `pronounce` before.
* `reading` None means that the characters are to be read as they stand, without normalisation; digits have been
  spelt out before.

Pins come in order and do not overlap. What a front end does with its neighbours (tone sandhi, liaison, accent phrases)
is up to it, but the pinned phones must come out as they are written. One that has nothing better to do reads the text
around its pins piece by piece: `if pins: return read_around(text, pins, read_piece, pronounce)`.

Packages of an extra are imported when a text is read; a ModuleNotFoundError becomes an error that names the extra.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


@dataclass(frozen=True, slots=True)
class Pin:
    """Characters `start` to `end` of a text whose reading is fixed; None: read as they stand, without normalisation."""

    start: int
    end: int
    reading: str | None


class Source(NamedTuple):
    """Phones that belong together, such as a word's, and what decided them."""

    text: str
    """The normalised text they say."""
    phones: int
    """How many they are."""
    by: str
    """The dictionary, rule or network, in a word or two."""
    parts: tuple[int, ...] = ()
    """Phones of every character of `text`, where they can be told apart."""


@dataclass(frozen=True)
class Reading:
    """What a language's own front end returns for a run.

    `word2ph` counts the phones of every character of `normalised`, where the language is written in characters.
    `sources`, if there are any, count all phones in order.
    """

    phones: list[str]
    normalised: str
    word2ph: list[int] | None = None
    sources: tuple[Source, ...] = ()


class FrontEnd(Protocol):
    """One language's front end: `read(text, symbols, compat, pins)`."""

    def __call__(self, text: str, symbols: str, compat: bool, pins: Sequence[Pin] = ()) -> Reading:
        """Phones, normalised text and, where the language has it, word2ph of one run."""
        ...


def pieces(text: str, pins: Sequence[Pin]) -> Iterator[tuple[str, Pin | None]]:
    """The text in order, as stretches without a pin and pinned ones; empty stretches are left out."""
    done = 0
    for pin in pins:
        if pin.start > done:
            yield text[done : pin.start], None
        yield text[pin.start : pin.end], pin
        done = pin.end
    if done < len(text):
        yield text[done:], None


def read_around(
    text: str,
    pins: Sequence[Pin],
    read_piece: Callable[[str], Reading],
    pronounce: Callable[[str], list[str]],
    read_verbatim: Callable[[str], Reading] | None = None,
    separator: str = "",
) -> Reading:
    """Read a text piece by piece: the stretches between pins by themselves, the pinned ones as they are fixed.

    Args:
        read_piece: reads a stretch that has no pin.
        pronounce: phones of a pronunciation in the language's notation.
        read_verbatim: reads a stretch without normalising it; `read_piece` when absent.
        separator: stands between the normalised pieces; only for languages without word2ph.
    """
    readings = []
    for piece, pin in pieces(text, pins):
        if pin is None:
            readings.append(read_piece(piece))
        elif pin.reading is None:
            readings.append((read_verbatim or read_piece)(piece))
        else:
            phones = pronounce(pin.reading)
            readings.append(Reading(phones, piece, spread(len(phones), piece), (Source(piece, len(phones), "user"),)))
    return join_readings(readings, separator)


def spread(phones: int, text: str) -> list[int]:
    """Phones shared out evenly among the characters of a text, earlier ones first."""
    if not text:
        return []
    each, rest = divmod(phones, len(text))
    return [each + (i < rest) for i in range(len(text))]


def join_readings(readings: Sequence[Reading], separator: str = "") -> Reading:
    """Several readings one after the other; word2ph and sources are kept where all have them."""
    counts = [reading.word2ph for reading in readings]
    known = [count for count in counts if count is not None]
    traced = all(reading.sources or not reading.phones for reading in readings)
    return Reading(
        [phone for reading in readings for phone in reading.phones],
        separator.join(reading.normalised for reading in readings if reading.normalised),
        [n for count in known for n in count] if len(known) == len(counts) and not separator else None,
        tuple(source for reading in readings for source in reading.sources) if traced else (),
    )
