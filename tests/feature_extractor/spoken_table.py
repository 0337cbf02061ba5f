"""Sentences with figures and their words, and what a library's normaliser makes of them.

    python -m tests.feature_extractor.spoken_table [--wetext]

`tables/spoken.tsv` has a sentence per row: its language, the text as written, and the same text in words. A row is
right when both are said alike; marks and pauses do not count. With `--wetext` (`pip install wetext`) the rows, and
those of the tables of each language, are also read behind wetext's normaliser: our own rules see what it leaves.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NamedTuple

from feature_extractor.text import analyse
from gpt_sovits.core.errors import TextError
from tests.feature_extractor import english_table, japanese_korean_tables, rule_tables
from tests.feature_extractor.rule_tables import TABLES

_SILENT = frozenset("!,-.?…空[]#") | {"UNK"}
Normalise = Callable[[str], str]


class Spoken(NamedTuple):
    """A sentence as written and in words."""

    language: str
    text: str
    words: str


def rows(language: str | None = None) -> list[Spoken]:
    """The table, or the part of one language."""
    lines = (TABLES / "spoken.tsv").read_text(encoding="utf8").splitlines()
    found = [Spoken(*line.split("\t")) for line in lines]
    return [row for row in found if language in {None, row.language}]


def sounds(text: str, language: str, compat: bool = False) -> list[str]:
    """What is heard of a text."""
    try:
        return [phone for phone in analyse(text, language, compat=compat).phones if phone not in _SILENT]
    except TextError as error:
        return [str(error)]


def is_right(row: Spoken, compat: bool = False, first: Normalise = str) -> bool:
    """Whether the figures are said as the words are; `first` sees the text before we do."""
    return sounds(first(row.text), row.language, compat) == sounds(row.words, row.language)


def table_score(language: str, first: Normalise) -> int:
    """Right rows of the language's own table behind a normaliser."""
    if language == "en":
        return sum(english_table.is_right(row._replace(text=first(row.text)), False) for row in english_table.rows())
    if language == "ja":
        tables = japanese_korean_tables
        return sum(
            tables.phones_of("ja", row._replace(text=first(row.text)), False) in tables.ways("ja", row)
            for row in tables.rows("ja")
        )
    return sum(outcome.right for outcome in rule_tables.outcomes("zh", False, first))


def wetext(language: str) -> Normalise:
    """wetext's normaliser; a text on which it fails stays as it is."""
    from wetext import Normalizer  # type: ignore[import-not-found]

    library = Normalizer(lang=language, operator="tn")

    def normalise(text: str) -> str:
        try:
            return str(library.normalize(text))
        except AssertionError:  # what it raises for texts that its grammar does not take
            return text

    return normalise


def compare() -> str:
    """Our rules alone and behind wetext, as a Markdown table."""
    lines = ["| | sentences | own rules | wetext, then own rules |", "|---|---|---|---|"]
    for language in ("zh", "en", "ja"):
        library = wetext(language)
        size = len((TABLES / f"{language}.tsv").read_text(encoding="utf8").splitlines())
        scores = [table_score(language, first) for first in (str, library)]
        lines.append(f"| {language}, its table | {size} | {scores[0]} | {scores[1]} |")
        part = rows(language)
        scores = [sum(is_right(row, first=first) for row in part) for first in (str, library)]
        lines.append(f"| {language}, `spoken.tsv` | {len(part)} | {scores[0]} | {scores[1]} |")
    return "\n".join(lines)


def main() -> None:
    """Print the scores and the rows that are missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wetext", action="store_true")
    if parser.parse_args().wetext:
        print(compare())
        return
    for language in dict.fromkeys(row.language for row in rows()):
        part = rows(language)
        print(language, len(part), *(sum(is_right(row, compat) for row in part) for compat in (True, False)))
    for row in rows():
        if not is_right(row):
            print(*row, analyse(row.text, row.language).normalised, sep="\n  ")


if __name__ == "__main__":
    main()
