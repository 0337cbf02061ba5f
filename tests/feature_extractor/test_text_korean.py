"""Korean: the public front end's readings, and ours by the standard pronunciation of the language."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_extractor.text import read, symbol_table
from feature_extractor.text.ko import public
from feature_extractor.text.ko.front_end import read_korean
from feature_extractor.text.ko.jamo import conjoining, letters, put_together, take_apart
from feature_extractor.text.ko.loanwords import hangul_of
from feature_extractor.text.ko.normalise import normalise
from feature_extractor.text.ko.notation import pronounce
from feature_extractor.text.ko.numbers import decimal, native, one_by_one, sino
from feature_extractor.text.ko.words import pronounce_words
from feature_extractor.text.reading import Pin
from gpt_sovits.core.errors import TextError
from tests.feature_extractor.japanese_korean_tables import failures, rows
from tests.golden_data import golden_json

GOLDEN = [case for case in golden_json("text_clean_v2") if case["lang"] == "ko"]


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["text"][:8])
def test_compatible_reading_equals_the_public_one(case: dict[str, Any]) -> None:
    actual = read(case["text"], "ko", "v2", compat=True)
    assert actual.normalised == case["norm_text"]
    assert actual.phones == case["phones"]
    table = symbol_table("v2")
    assert [table.index(phone) for phone in actual.phones] == case["ids"]


def test_there_are_korean_cases() -> None:
    assert len(GOLDEN) == 4


# What g2pk2 0.0.3 itself makes of these, faults included, since models have learnt them.
@pytest.mark.parametrize(
    ("text", "hangul"),
    [
        ("나의 친구가 엠피쓰리 파일 3개를 다운받고 있다", "나의 친구가 엠피쓰리 파일 세개를 다운받꼬 읻따"),
        ("종이를 뜯어", "종이를 뜨서"),
        ("고양이 20마리", "고양이 스무마리"),
        ("3·1절", "사밀쩔"),
    ],
)
def test_compatible_rules(text: str, hangul: str) -> None:
    assert letters(public.pronounced(text)) == letters(conjoining(hangul))


def test_the_table_of_sentences() -> None:
    missed = [f"{row.rule}: {row.text}" for row in failures("ko", compat=False)]
    assert len(rows("ko")) >= 120
    assert len(missed) <= 2, "\n".join(missed)


def test_the_public_reading_is_worse() -> None:
    assert len(failures("ko", compat=True)) > 0.3 * len(rows("ko"))


def test_the_old_symbol_table_is_refused() -> None:
    for compat in (True, False):
        with pytest.raises(TextError, match="v1 has no Korean phones"):
            read_korean("안녕", "v1", compat)


@pytest.mark.parametrize(
    ("hangul", "phones"), [("궁물", "ㄱ ㅜ ㅇ ㅁ ㅜ ㄹ"), ("값", "ㄱ ㅏ ㅂ"), ("과 의", "ㄱ ㅗ ㅏ 空 ㅇ ㅡ ㅣ")]
)
def test_pronunciations_of_users(hangul: str, phones: str) -> None:
    assert " ".join(pronounce(hangul)) == phones


@pytest.mark.parametrize(("hangul", "message"), [("", "is empty"), ("a", "'a' is no hangul syllable")])
def test_wrong_pronunciations_are_named(hangul: str, message: str) -> None:
    with pytest.raises(TextError, match=message):
        pronounce(hangul)


def test_pinned_readings_come_out_as_written() -> None:
    for compat in (True, False):
        phones = "".join(read_korean("이 국물 좋다", "v2", compat, [Pin(2, 4, "국물")]).phones)
        assert "ㄱㅜㄱㅁㅜㄹ" in phones


def test_spaces_around_pinned_readings_are_kept() -> None:
    phones = read_korean("이 국물 좋다", "v2", False, [Pin(2, 4, "국물")]).phones
    assert "".join(phones) == "ㅇㅣ空ㄱㅜㄱㅁㅜㄹ空ㅈㅗㅌㅏ"


def test_an_opt_out_of_normalisation() -> None:
    assert "더하기" in read_korean("5+3=8", "v2", False).normalised
    assert "더하기" not in read_korean("5-3", "v2", False, [Pin(0, 3, None)]).normalised


def test_sources_count_all_phones() -> None:
    reading = read_korean("사과 3개, Привет!", "v2", False)
    assert sum(source.phones for source in reading.sources) == len(reading.phones)
    assert [source.text for source in reading.sources if source.by == "unknown character"] == ["Привет"]


@pytest.mark.parametrize(
    ("digits", "words"),
    [("0", "영"), ("10000", "만"), ("110000", "십일만"), ("100000000", "일억"), ("16", "십뉵"), ("10203", "만이백삼")],
)
def test_amounts(digits: str, words: str) -> None:
    assert sino(digits) == words


def test_counts_and_figures() -> None:
    assert [native(n) for n in (1, 3, 20, 21, 99, 103)] == ["한", "세", "스무", "스물한", "아흔아홉", "백세"]
    assert one_by_one("010", "공") == "공일공"
    assert decimal("2.05") == "이점영오"


def test_syllables_come_apart_and_together() -> None:
    for char in "가힣뷁닭":
        assert put_together(*take_apart(char)) == char
        assert put_together(*take_apart(char)) != "한"


@pytest.mark.parametrize(
    ("word", "hangul"), [("game", "게임"), ("smartphone", "스마트폰"), ("book", "북"), ("jump", "점프")]
)
def test_english_words_in_hangul(word: str, hangul: str) -> None:
    assert hangul_of(word) == hangul


@pytest.mark.parametrize(
    "text", ["", "。", "!?…", "\0", "\x01\x02", "\ud800", "مرحبا", "😶‍🌫️", "ㅋ", "ᄒ", "１" * 50, " "]
)
@pytest.mark.parametrize("compat", [True, False])
def test_odd_texts_are_read(text: str, compat: bool) -> None:
    assert set(read_korean(text, "v2", compat).phones) <= set(symbol_table("v2"))


def test_what_cannot_be_read_is_marked() -> None:
    assert read_korean("\ud800", "v2", False).phones == ["停"]


def test_long_lines() -> None:
    assert read_korean("오늘은 날씨가 좋다 " * 500, "v2", False).phones.count("ㅉ") == 0
    assert read_korean("가" * 20_000, "v2", False).phones.count("ㄱ") == 20_000
    assert read_korean("1" * 5000, "v2", False).phones


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40))
def test_any_text_gives_phones_of_the_table(text: str) -> None:
    reading = read_korean(text, "v2", False)
    assert set(reading.phones) <= set(symbol_table("v2"))
    assert sum(source.phones for source in reading.sources) == len(reading.phones)


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("2024/10/05", "이천이십사년 시월 오일"),
        ("010-1234-5678", "공일공, 일이삼사, 오육칠팔"),
        ("$3.5", "삼점오 달러"),
        ("사과 3개와 25명", "사과 세 개와 스물다섯 명"),
        ("30대와 3대", "삼십대와 세 대"),
    ],
)
def test_spoken_words(text: str, spoken: str) -> None:
    assert normalise(text) == spoken


def test_pronunciation_of_words_that_are_spelt_otherwise() -> None:
    assert pronounce_words("겉옷이 색연필을") == "거도시 생년피를"
