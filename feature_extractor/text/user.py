"""A user's own dictionary: words and how to say them, in a file that may change at any time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from feature_extractor.text import scripts
from feature_extractor.text.inline import Wish
from feature_extractor.text.runs import Run
from gpt_sovits.core.errors import ConfigError, TextError

_SPOKEN = ("zh", "en", "ja", "ko", "yue")
_EN_INSIDE = re.compile(r"[A-Za-z0-9'’]")


class Entry(NamedTuple):
    """One line of the dictionary."""

    language: str
    word: str
    reading: str


@dataclass(frozen=True)
class _Index:
    entries: dict[str, tuple[Entry, ...]]
    """By the word in small letters."""
    lengths: dict[str, tuple[int, ...]]
    """Lengths of the words that start with a character, longest first."""


class UserDictionary:
    """Lines `language<tab>word<tab>pronunciation`; lines that start with `#` are comments.

    The file is read again when its time or size has changed. Longest words win; an English word in small letters is
    found in any case, and English words match whole words only, Korean ones from their first syllable.
    """

    def __init__(self, path: str | Path) -> None:
        """Nothing is read yet."""
        self.path = Path(path)
        self._state: tuple[int, int] | None = None
        self._index = _Index({}, {})

    def wishes(self, text: str, runs: Iterable[Run], base: str) -> Iterator[Wish]:
        """The words of the dictionary in a text, in order.

        Args:
            runs: the languages of the text; a word counts where part of it is in its language, or where its language
                is `base` and the text has such a run (so that a Chinese dictionary may say how to read `GPT`).

        Raises:
            ConfigError: the file cannot be read, or a line is wrong.
        """
        index = self._current()
        if not index.entries:
            return
        lowered = "".join(c.lower() if len(c.lower()) == 1 else c for c in text)
        at = _languages_at(runs, len(text))
        everywhere = base if base in at else ""
        i = 0
        while i < len(text):
            entry = self._longest(index, text, lowered, i, at, everywhere)
            if entry is None:
                i += 1
                continue
            yield Wish(i, i + len(entry.word), entry.reading, i, entry.language)
            i += len(entry.word)

    def _longest(
        self, index: _Index, text: str, lowered: str, start: int, at: list[str], everywhere: str
    ) -> Entry | None:
        for length in index.lengths.get(lowered[start], ()):
            end = start + length
            fitting = [
                entry
                for entry in index.entries.get(lowered[start:end], ())
                if (entry.language in at[start:end] or entry.language == everywhere)
                and _same(entry, text[start:end])
                and _whole_word(entry.language, text, start, end)
            ]
            if fitting:
                return min(fitting, key=lambda entry: entry.language not in at[start:end])
        return None

    def _current(self) -> _Index:
        try:
            stat = self.path.stat()
            if self._state != (stat.st_mtime_ns, stat.st_size):
                self._index = _read(self.path)
                self._state = stat.st_mtime_ns, stat.st_size
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"the dictionary {self.path} cannot be read as UTF-8 text: {error}") from error
        return self._index


@lru_cache(maxsize=16)
def user_dictionary(path: str | Path) -> UserDictionary:
    """The dictionary in a file; one object per path, so that the file is read only when it changes."""
    return UserDictionary(path)


def pronounce(reading: str, language: str) -> list[str]:
    """Phones of a pronunciation in the notation of a language.

    Raises:
        TextError: an element does not exist; the nearest that do are named.
    """
    phones: list[str] = import_module(f"feature_extractor.text.{language}.notation").pronounce(reading)
    return phones


def _read(path: Path) -> _Index:
    entries: dict[str, list[Entry]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = [field.strip() for field in line.split("\t")]
        where = f"line {number} of the dictionary {path}"
        if len(fields) != 3 or not all(fields):
            raise ConfigError(f"{where} must read language<tab>word<tab>pronunciation; it reads {line[:60]!r}")
        entry = Entry(*fields)
        if entry.language not in _SPOKEN:
            raise ConfigError(f"{where} has the language {entry.language!r}; use one of {', '.join(_SPOKEN)}")
        try:
            pronounce(entry.reading, entry.language)
        except TextError as error:
            raise ConfigError(f"{where} ({entry.word}): {error}") from error
        entries.setdefault(entry.word.lower(), []).append(entry)
    lengths: dict[str, set[int]] = {}
    for word in entries:
        lengths.setdefault(word[0], set()).add(len(word))
    return _Index(
        {word: tuple(found) for word, found in entries.items()},
        {first: tuple(sorted(found, reverse=True)) for first, found in lengths.items()},
    )


def _languages_at(runs: Iterable[Run], length: int) -> list[str]:
    languages = [""] * length
    for run in runs:
        languages[run.start : run.end] = [run.language] * (run.end - run.start)
    return languages


def _same(entry: Entry, text: str) -> bool:
    """Words in small letters are found in any case, others only as they are written."""
    return entry.word == text or entry.word == entry.word.lower()


def _whole_word(language: str, text: str, start: int, end: int) -> bool:
    before, after = text[start - 1 : start], text[end : end + 1]
    if language == "en" or scripts.has_latin(text[start:end]):
        inside = _EN_INSIDE.match
        return not ((inside(before) and inside(text[start])) or (inside(after) and inside(text[end - 1])))
    if language == "ko":
        return not re.match(f"[{scripts.HANGUL}]", before)
    return True
