"""Counting errors and the faults they tell of, on real sentences."""

from __future__ import annotations

import pytest

from gpt_sovits.evaluate.alignment import align
from gpt_sovits.evaluate.intelligibility import count_errors
from gpt_sovits.evaluate.normalise import heard_as, normalise
from gpt_sovits.evaluate.stability import word_faults

TEXT = "He said that the prisoners were taken to the old house by the river."
CHINESE = "请把窗户打开，房间里有点热。"


@pytest.mark.parametrize(
    ("heard", "substituted", "deleted", "inserted"),
    [
        (TEXT, 0, 0, 0),
        ("He said that the prisoners were taken to the cold house by the river", 1, 0, 0),
        ("He said that the prisoners were to the old house by the river", 0, 1, 0),
        ("He said that that the prisoners were taken to the old house by the river thank you", 0, 0, 3),
        ("", 0, 14, 0),
    ],
)
def test_counts(heard: str, substituted: int, deleted: int, inserted: int) -> None:
    found = count_errors(normalise(TEXT, "en"), normalise(heard, "en"))
    assert (found["substituted"], found["deleted"], found["inserted"]) == (substituted, deleted, inserted)
    assert found["edits"] == substituted + deleted + inserted
    assert found["error_rate"] == pytest.approx((substituted + deleted + inserted) / 14)


@pytest.mark.parametrize(
    ("wanted", "heard", "expected"),
    [
        ("the box car was worldwide known", "the boxcar was world wide known", "the box car was worldwide known"),
        ("go up stairs in to it", "go upstairs into it", "go up stairs in to it"),
        ("a way away", "away a way", "away a way"),  # both are words of the text: nothing to mend
        ("", "upstairs", "upstairs"),
    ],
)
def test_a_compound_with_or_without_its_space_is_no_error(wanted: str, heard: str, expected: str) -> None:
    assert heard_as(heard, wanted.split(), "en") == expected.split()


def test_alignment_covers_both_texts() -> None:
    wanted, heard = normalise(TEXT, "en"), normalise("she said the prisoners prisoners were taken by the river", "en")
    steps = align(wanted, heard).steps
    assert [i for s in steps for i in range(s.start, s.end)] == list(range(len(wanted)))
    assert [i for s in steps for i in range(s.heard_start, s.heard_end)] == list(range(len(heard)))


@pytest.mark.parametrize(
    ("language", "heard", "faults"),
    [
        ("en", TEXT, set()),
        ("en", "He said that the were taken to the old house by the river", {"skipped"}),
        ("en", "He said that the prisoners taken to the old house by the river", {"skipped"}),
        ("en", "He said that prisoners were taken to the old house by the river", set()),  # a lost "the" is no skip
        ("en", "He said that the prison as were taken to the old house by the river", set()),  # misheard
        (
            "en",
            "He said that the prison ten to the old house by the river",
            {"skipped"},
        ),  # "were" went with what is left
        ("en", "He said that the prisoners were taken were taken to the old house by the river", {"repeated"}),
        ("en", "He said that the prisoners prisoners were taken to the old house by the river", {"repeated"}),
        ("en", "He said that the prisoners were taken and were taken to the old house by the river", {"repeated"}),
        ("en", "He said that the prisoners were taken to the old house", {"early_end"}),
        ("en", TEXT + " Thank you for watching.", {"babble"}),
        ("en", "", {"early_end"}),
        ("zh", CHINESE, set()),
        ("zh", "请把窗户打开房间里热", {"skipped"}),
        ("zh", "请把窗户打开房间有点热", {"skipped"}),
        ("zh", "请把窗户打开房有点热", {"skipped"}),
        ("zh", "请把创户打开方坚里有点热", set()),  # misheard, and as many syllables as wanted
        ("zh", "请把创打开方坚里有点热", {"skipped"}),  # one syllable went with what was misheard
        ("zh", "请把窗户打开打开房间里有点热", {"repeated"}),
        ("zh", "请把窗户打开房间里", {"early_end"}),
        ("zh", CHINESE + "谢谢观看", {"babble"}),
        ("zh", "請把窗戶打开房间里有点热", set()),
    ],
)
def test_faults_of_words(language: str, heard: str, faults: set[str]) -> None:
    wanted = TEXT if language == "en" else CHINESE
    found = word_faults(normalise(wanted, language), normalise(heard, language))
    assert {name for name, value in found.items() if value} == faults


@pytest.mark.parametrize(
    ("wanted", "heard", "repeated"),
    [
        ("thou also thou also", "that was so that was so", False),  # a real recording
        (
            "when is a lobster not a lobster when it is a crayfish",
            "when it is lops do not lops do it is a crayfish",
            False,
        ),
        ("he said he said it", "he said he said it was so it was so", True),
        ("no no no no", "no no no no no no", True),
        ("she was gone she was gone to the sea", "he was gone he was gone to the to the to the sea", True),
    ],
)
def test_what_a_text_says_twice_is_no_repeat_when_misheard(wanted: str, heard: str, repeated: bool) -> None:
    found = word_faults(normalise(wanted, "en"), normalise(heard, "en"))
    assert bool(found["repeated"]) is repeated
