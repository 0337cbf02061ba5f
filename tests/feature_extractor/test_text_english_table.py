"""English judged by the table of sentences; rows that fail stay in it and count."""

from __future__ import annotations

import pytest

from tests.feature_extractor.english_table import Row, failures, is_right, rows

LEAST = 0.97
"""Of the rows; what `python -m tests.feature_extractor.english_table` printed when this was written."""


def test_the_default_reads_the_table() -> None:
    missed = failures(compat=False)
    assert len(missed) <= (1 - LEAST) * len(rows()), "\n".join(f"{row.rule}: {row.text}" for row in missed)


def test_the_default_is_plainly_better_than_the_public_reading() -> None:
    assert len(failures(compat=True)) > 3 * len(failures(compat=False)) + 100


def test_the_table_is_a_table() -> None:
    table = rows()
    assert len(table) >= 120 and len({row.text for row in table}) == len(table)
    assert all(row.rule and row.said.strip("|") for row in table)


@pytest.mark.parametrize(
    ("text", "said", "right"),
    [
        ("It is $5.", "it is five dollars", True),
        ("It is $5.", "it is five dollar", False),
        ("It is $5.", "nonsense||it is five dollars", True),
        ("Lead on.", "/L IY1 D AA1 N/", True),
        ("Lead on.", "/L EH1 D AA1 N/", False),
        ("Lead on.", "/AA1 N/ /L IY1 D/", False),
    ],
)
def test_the_judge_can_say_no(text: str, said: str, right: bool) -> None:
    assert is_right(Row("", text, said), compat=False) is right
