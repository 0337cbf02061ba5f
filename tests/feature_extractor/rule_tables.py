"""Score a front end on its table of sentences, `python -m tests.feature_extractor.rule_tables`.

A table (`tables/zh.tsv`, `tables/yue.tsv`) has a row per sentence: the rule it is about, the text, and how it is said,
in pinyin after tone sandhi (5: neutral) or in jyutping. A row is right when all its phones are; marks do not count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from feature_extractor.text.reading import FrontEnd
from feature_extractor.text.symbols import symbol_ids
from gpt_sovits.core.errors import TextError

_MARKS = frozenset("!?…,.-")
TABLES = Path(__file__).parent / "tables"


class Row(NamedTuple):
    """One sentence: the rule it is about, the text, and how it is said."""

    rule: str
    text: str
    said: str


class Outcome(NamedTuple):
    """What a front end made of a row."""

    row: Row
    right: bool
    expected: str
    actual: str


def rows(language: str) -> list[Row]:
    """The table of one language."""
    lines = (TABLES / f"{language}.tsv").read_text(encoding="utf8").splitlines()
    return [Row(*line.split("\t")) for line in lines]


def outcomes(language: str, compat: bool, first: Callable[[str], str] = str) -> list[Outcome]:
    """Every row of the table, read; `first` sees the text before the front end does."""
    read, pronounce = _front_end(language)
    table = symbol_ids("v2")
    result = []
    for row in rows(language):
        expected = " ".join(pronounce(row.said))
        try:
            phones = [phone for phone in read(first(row.text), "v2", compat).phones if phone not in _MARKS]
        except TextError as error:
            phones = [str(error)]
        actual = " ".join(phone if phone in table else "UNK" for phone in phones)
        result.append(Outcome(row, actual == expected, expected, actual))
    return result


def _front_end(language: str) -> tuple[FrontEnd, Callable[[str], list[str]]]:
    if language == "zh":
        from feature_extractor.text.zh.front_end import read_chinese
        from feature_extractor.text.zh.notation import pronounce as pronounce_pinyin

        return read_chinese, pronounce_pinyin
    from feature_extractor.text.yue.front_end import read_cantonese
    from feature_extractor.text.yue.notation import pronounce as pronounce_jyutping

    return read_cantonese, pronounce_jyutping


def report(language: str) -> str:
    """The score of `compat` and of the default per rule, as a Markdown table, and the rows that the default misses."""
    scores = {compat: Counter(o.row.rule for o in outcomes(language, compat) if o.right) for compat in (True, False)}
    sizes = Counter(row.rule for row in rows(language))
    lines = [f"| {language} | sentences | compat | default |", "|---|---|---|---|"]
    lines += [f"| {rule} | {n} | {scores[True][rule]} | {scores[False][rule]} |" for rule, n in sizes.items()]
    lines.append(f"| all | {sizes.total()} | {scores[True].total()} | {scores[False].total()} |")
    lines += [
        f"{o.row.rule}: {o.row.text}: {o.actual}, not {o.expected}" for o in outcomes(language, False) if not o.right
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    for name in ("zh", "yue"):
        print(report(name))
