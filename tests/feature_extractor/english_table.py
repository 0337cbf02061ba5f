"""Score the English front end on its table of sentences, `python -m tests.feature_extractor.english_table`.

`tables/en.tsv` has a row per sentence: the rule it is about, the text, and how it is said; `||` parts equally good
ways. A way is either the words as spoken, and the row is right when text and words get the same phones from the same
front end; or phones between slashes, which must come in this order. Where dictionaries differ from word to word
nothing is counted: secondary stress, and the weak vowels AH0 and IH0. Marks count only between slashes.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from feature_extractor.text import read
from gpt_sovits.core.errors import TextError

TABLE = Path(__file__).parent / "tables" / "en.tsv"


class Row(NamedTuple):
    """One sentence: the rule it is about, the text, and how it is said."""

    rule: str
    text: str
    said: str


def rows() -> list[Row]:
    """The table."""
    return [Row(*line.split("\t")) for line in TABLE.read_text(encoding="utf8").splitlines()]


def is_right(row: Row, compat: bool) -> bool:
    """Whether the front end reads the row in one of the good ways."""
    phones = _phones(row.text, compat)
    return any(_agrees(phones, way, compat) for way in row.said.split("||"))


def failures(compat: bool) -> list[Row]:
    """The rows that the front end reads otherwise."""
    return [row for row in rows() if not is_right(row, compat)]


def report() -> str:
    """The score of `compat` and of the default per rule, as a Markdown table, and the rows that the default misses."""
    missed = {compat: Counter(row.rule for row in failures(compat)) for compat in (True, False)}
    sizes = Counter(row.rule for row in rows())
    lines = ["| en | sentences | compat | default |", "|---|---|---|---|"]
    lines += [f"| {rule} | {n} | {n - missed[True][rule]} | {n - missed[False][rule]} |" for rule, n in sizes.items()]
    total = sizes.total()
    lines.append(f"| all | {total} | {total - missed[True].total()} | {total - missed[False].total()} |")
    lines += [f"{row.rule}: {row.text}: {_phones(row.text, False)}, not {row.said}" for row in failures(False)]
    return "\n".join(lines)


def _agrees(phones: str, way: str, compat: bool) -> bool:
    if not way.startswith("/"):
        return _words(phones) == _words(_phones(way, compat))
    place = 0
    for part in re.findall("/([^/]+)/", way):
        part = f" {_alike(part)} "
        found = f" {phones} ".find(part, place)
        if found < 0:
            return False
        place = found + 1
    return True


def _phones(text: str, compat: bool) -> str:
    try:
        return _alike(" ".join(read(text, "en", "v2", compat).phones))
    except TextError as error:
        return str(error)


def _alike(phones: str) -> str:
    return phones.replace("2", "0").replace("IH0", "AH0").strip()


def _words(phones: str) -> list[str]:
    """Phones without marks; stress is left out, since it shifts between a word and its letters or parts."""
    return [phone.rstrip("012").replace("IH", "AH") for phone in phones.split() if phone[0].isalpha()]


if __name__ == "__main__":
    print(report())
