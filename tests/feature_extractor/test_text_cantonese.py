"""Cantonese: the public front end's readings, and ours by the norms of the language."""

from __future__ import annotations

from typing import Any

import pytest

from feature_extractor.text import analyse, read, symbol_table
from feature_extractor.text.reading import Pin
from feature_extractor.text.yue.characters import traditional
from feature_extractor.text.yue.front_end import read_cantonese
from feature_extractor.text.yue.jyutping import syllable_phones
from feature_extractor.text.yue.normalise import normalise
from feature_extractor.text.yue.notation import pronounce
from gpt_sovits.core.errors import TextError
from tests.feature_extractor.rule_tables import outcomes
from tests.feature_extractor.work import assert_linear
from tests.golden_data import golden_json

GOLDEN = [case for case in golden_json("text_clean_v2") if case["lang"] == "yue"]


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["text"][:12])
def test_compatible_reading_equals_the_public_one(case: dict[str, Any]) -> None:
    actual = read(case["text"], "yue", "v2", compat=True)
    assert actual.normalised == case["norm_text"]
    assert actual.phones == case["phones"]
    assert actual.word2ph == case["word2ph"]
    table = symbol_table("v2")
    assert [table.index(phone) for phone in actual.phones] == case["ids"]


def test_there_are_cantonese_cases() -> None:
    assert len(GOLDEN) == 19


def test_the_old_symbol_table_is_refused() -> None:
    for compat in (True, False):
        with pytest.raises(TextError, match="v1 has no Cantonese phones"):
            read_cantonese("你好", "v1", compat)


def test_the_table_of_sentences() -> None:
    rows = outcomes("yue", compat=False)
    assert len(rows) >= 120
    wrong = [f"{row.row.text}: {row.actual}, not {row.expected}" for row in rows if not row.right]
    assert len(wrong) <= 1, "\n".join(wrong)


def test_the_public_reading_is_worse() -> None:
    rows = outcomes("yue", compat=True)
    assert sum(row.right for row in rows) < 0.6 * len(rows)


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("廿幾度", "廿幾度"),
        ("6:30pm", "夜晚六點半"),
        ("$0.5，$3億", "五毫,三億元"),
        ("简体字：几只狗", "簡體字,幾隻狗"),
        ("茶几喺呢度", "茶几喺呢度"),
        ("（三）《書名》", ",三,書名"),
        ("12345678901", "一二三四五六七八九零一"),
    ],
)
def test_spoken_words(text: str, spoken: str) -> None:
    assert normalise(text) == spoken.lstrip(",")


def test_traditional_text_keeps_its_characters() -> None:
    assert traditional("皇后同太后，一只能言鳥") == "皇后同太后，一只能言鳥"
    assert traditional("后面有几只鸟") == "後面有幾隻鳥"


def test_every_syllable_of_the_dictionary_is_in_the_table() -> None:
    import ToJyutping

    table = set(symbol_table("v2"))
    common = "".join(map(chr, range(0x4E00, 0x9FA6)))
    found = {s for _, readings in ToJyutping.get_jyutping_list(common) if readings for s in readings.split()}
    missing = {s for s in found if not set(syllable_phones(s)) <= table}
    assert len(found) > 1500
    assert not missing


def test_a_fixed_reading_stays() -> None:
    reading = read_cantonese("銀行開門", "v2", False, [Pin(1, 2, "haang4")])
    assert reading.phones[2:4] == ["Yh", "Yaang4"]
    assert reading.normalised == "銀行開門"
    assert sum(reading.word2ph or []) == len(reading.phones)
    assert read_cantonese("買10個", "v2", False, [Pin(1, 3, "jat1 ling4")]).normalised == "買10個"


def test_wrong_jyutping_is_named() -> None:
    with pytest.raises(TextError, match="'hong9' is no jyutping syllable"):
        pronounce("ngan4 hong9")


def test_what_decided_is_told() -> None:
    reading = read_cantonese("銀行行長，", "v2", False)
    assert [(s.text, s.by) for s in reading.sources] == [("銀行", "ToJyutping"), ("行長", "phrases"), (",", "mark")]
    assert sum(source.phones for source in reading.sources) == len(reading.phones)


@pytest.mark.parametrize(
    "text", ["", "。，！", "😀😀", "\x00\x07\u200b", "\ud800", "שלום", "𰻞", "\U0003134f", "￥^", "%$#@", "-", "1/0"]
)
def test_strange_text_gives_phones_or_our_error(text: str) -> None:
    for compat in (True, False):
        try:
            result = analyse(text, "yue", "v2", compat)
        except TextError as error:
            assert str(error)
        else:
            assert result.phones
            assert len(result.ids) == len(result.phones)


@pytest.mark.parametrize("unit", ["一", "1", "我哋今日去咗飲茶，使咗$128.50，仲買咗3條魚。"])
def test_the_work_grows_with_the_length(unit: str) -> None:
    assert_linear(lambda text: read_cantonese(text, "v2", False), unit)


def test_long_lines() -> None:
    reading = read_cantonese("我哋今日去咗飲茶，使咗$128.50，仲買咗3條魚。" * 200, "v2", False)
    assert sum(reading.word2ph or []) == len(reading.phones)
    assert read_cantonese("一" * 20_000, "v2", False).phones[:2] == ["Yj", "Yat1"]
    assert len(read_cantonese("1" * 50_000, "v2", False).phones) == 100_000
