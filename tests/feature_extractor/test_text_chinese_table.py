"""Mandarin judged by a table of sentences, by odd texts and by the work they take."""

from __future__ import annotations

import pytest

from feature_extractor.text import analyse
from feature_extractor.text.symbols import symbol_ids
from feature_extractor.text.zh.feet import change_third_tones
from feature_extractor.text.zh.front_end import read_chinese
from feature_extractor.text.zh.notation import pronounce
from feature_extractor.text.zh.segment import Word
from gpt_sovits.core.errors import TextError
from tests.feature_extractor.rule_tables import outcomes, report
from tests.feature_extractor.work import assert_linear


def test_the_table_of_sentences() -> None:
    rows = outcomes("zh", compat=False)
    assert len(rows) >= 120
    wrong = [f"{row.row.text}: {row.actual}, not {row.expected}" for row in rows if not row.right]
    assert len(wrong) <= 3, "\n".join(wrong)


def test_the_public_reading_is_worse() -> None:
    rows = outcomes("zh", compat=True)
    assert sum(row.right for row in rows) < 0.72 * len(rows)


def test_the_report_has_a_row_per_rule_and_names_failures() -> None:
    text = report("zh")
    assert "| polyphone | " in text
    assert text.count("\n| ") == len({row.row.rule for row in outcomes("zh", compat=False)}) + 1
    for row in outcomes("zh", compat=False):
        assert row.right or row.row.text in text


@pytest.mark.parametrize(
    ("words", "before", "after"),
    [
        ("我/r 很/d 好/a", "wo3 hen3 hao3", "wo3 hen2 hao3"),
        ("请/v 你/r 给/p 我/r", "qing3 ni3 gei3 wo3", "qing2 ni3 gei2 wo3"),
        ("买/v 雨伞/n", "mai3 yu3 san3", "mai3 yu2 san3"),
        ("我/r 老师/n", "wo3 lao3 shi1", "wo2 lao3 shi1"),
        ("五百/m 米/q", "wu3 bai3 mi3", "wu2 bai2 mi3"),
        ("五五五五/m", "wu3 wu3 wu3 wu3", "wu2 wu3 wu2 wu3"),
        ("雨伞/n 厂/n", "yu3 san3 chang3", "yu2 san2 chang3"),
        ("水果/n 很/d 好/a", "shui3 guo3 hen3 hao3", "shui2 guo3 hen2 hao3"),
    ],
)
def test_third_tones_change_inside_feet(words: str, before: str, after: str) -> None:
    tagged = [Word(*word.split("/")) for word in words.split()]
    assert " ".join(change_third_tones(tagged, before.split())) == after


@pytest.mark.parametrize(
    "text", ["", "。，！", "😀😀", "\x00\x07\u200b", "\ud800", "שלום", "𰻞", "￥^", "%$#@", "-", "1/0"]
)
def test_strange_text_gives_phones_or_our_error(text: str) -> None:
    for compat in (True, False):
        try:
            result = analyse(text, "zh", "v2", compat)
        except TextError as error:
            assert str(error)
        else:
            assert result.phones
            assert set(result.phones) <= symbol_ids("v2").keys()


@pytest.mark.parametrize("unit", ["一", "1", "，", "你3.5%$", "今天天气很好，我们看见了3只小狗和2只猫。"])
def test_the_work_grows_with_the_length(unit: str) -> None:
    assert_linear(lambda text: read_chinese(text, "v2", compat=False), unit)


def test_pronunciations_are_written_as_they_are_read() -> None:
    assert pronounce("yin2 hang2") == read_chinese("银行", "v2", compat=False).phones


def test_what_decided_each_word_is_told() -> None:
    reading = read_chinese("我得走，重庆的行长", "v2", compat=False)
    assert [(source.text, source.by) for source in reading.sources] == [
        ("我", "pypinyin"),
        ("得", "rule of 得"),
        ("走", "pypinyin"),
        (",", "mark"),
        ("重庆", "phrases"),
        ("的", "pypinyin"),
        ("行长", "phrases"),
    ]
    for compat in (True, False):
        sources = read_chinese("我得走，重庆的行长", "v2", compat).sources
        assert "".join(source.text for source in sources) == "我得走,重庆的行长"
        assert sum(source.phones for source in sources) == 17


@pytest.mark.parametrize(
    ("text", "language", "spoken"), [("3", "zh", ".三"), ("5折", "yue", ".五折"), ("3", "en", ". three")]
)
def test_a_short_text_that_begins_with_a_digit_is_no_decimal(text: str, language: str, spoken: str) -> None:
    result = analyse(text, language)
    assert result.normalised == spoken
    assert (result.segments[0].start, result.segments[-1].end) == (0, len(text))
