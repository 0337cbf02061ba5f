"""Score the Japanese and Korean front ends on their tables, `python -m tests.feature_extractor.japanese_korean_tables`.

`tables/ja.tsv` and `tables/ko.tsv` have a row per sentence: the rule it is about, the text, and how it is said; `||`
parts equally good ways. Japanese is written in katakana, with an apostrophe after the accented mora and a space
between accent phrases; both count in the rows of the rule `accent` only, and エイ counts as エー. Korean is written in
hangul as pronounced; spaces do not count. Marks count nowhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from feature_extractor.text.ja.front_end import read_japanese
from feature_extractor.text.ja.notation import pronounce as pronounce_kana
from feature_extractor.text.ko.front_end import read_korean
from feature_extractor.text.ko.jamo import is_syllable
from feature_extractor.text.ko.notation import pronounce as pronounce_hangul
from feature_extractor.text.reading import FrontEnd

TABLES = Path(__file__).parent / "tables"
_MARKS = frozenset("!,-.?…")
_PITCH = frozenset(["[", "]", "UNK"])


class Row(NamedTuple):
    """One sentence: the rule it is about, the text, and how it is said."""

    rule: str
    text: str
    said: str


@lru_cache(maxsize=2)
def rows(language: str) -> list[Row]:
    """The table of one language."""
    return [Row(*line.split("\t")) for line in (TABLES / f"{language}.tsv").read_text(encoding="utf8").splitlines()]


def phones_of(language: str, row: Row, compat: bool) -> list[str]:
    """What the front end says, without what does not count in this row."""
    read: FrontEnd = read_japanese if language == "ja" else read_korean
    return _counted(language, row.rule, read(row.text, "v2", compat).phones)


def ways(language: str, row: Row) -> list[list[str]]:
    """The phones of every good way to say a row."""
    pronounce: Callable[[str], list[str]] = pronounce_kana if language == "ja" else _loose_hangul
    return [_counted(language, row.rule, pronounce(way)) for way in row.said.split("||")]


def failures(language: str, compat: bool) -> list[Row]:
    """The rows that the front end reads in no good way."""
    return [row for row in rows(language) if phones_of(language, row, compat) not in ways(language, row)]


def report(language: str) -> str:
    """The score of `compat` and of the default per rule, as a Markdown table, and the rows that the default misses."""
    missed = {compat: Counter(row.rule for row in failures(language, compat)) for compat in (True, False)}
    sizes = Counter(row.rule for row in rows(language))
    lines = [f"| {language} | sentences | compat | default |", "|---|---|---|---|"]
    lines += [f"| {rule} | {n} | {n - missed[True][rule]} | {n - missed[False][rule]} |" for rule, n in sizes.items()]
    total = sizes.total()
    lines.append(f"| all | {total} | {total - missed[True].total()} | {total - missed[False].total()} |")
    for row in failures(language, False):
        lines.append(f"{row.rule}: {row.text}: {' '.join(phones_of(language, row, False))}, not {row.said}")
    return "\n".join(lines)


def _counted(language: str, rule: str, phones: list[str]) -> list[str]:
    kept = [phone for phone in phones if phone not in _MARKS and phone != "空"]
    if language == "ko":
        return kept
    if rule != "accent":
        kept = [phone for phone in kept if phone not in _PITCH]
    return ["e" if (phone, before) == ("i", "e") else phone for phone, before in zip(kept, ["", *kept], strict=False)]


def _loose_hangul(said: str) -> list[str]:
    """Phones of hangul and of single letters, such as ㅋ."""
    return [
        phone for char in said if char != " " for phone in (pronounce_hangul(char) if is_syllable(char) else [char])
    ]


if __name__ == "__main__":
    for name in ("ja", "ko"):
        print(report(name))
