"""Japanese: the public front end's readings, and ours by the norms of the language."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_extractor.text import read, symbol_table
from feature_extractor.text.ja.front_end import read_japanese
from feature_extractor.text.ja.kana import mora_phones, morae
from feature_extractor.text.ja.loanwords import kana_of
from feature_extractor.text.ja.normalise import normalise
from feature_extractor.text.ja.notation import pronounce
from feature_extractor.text.ja.openjtalk import words_of
from feature_extractor.text.ja.prosody import Word, phones_with_marks
from feature_extractor.text.reading import Pin
from gpt_sovits.core.errors import TextError
from tests.feature_extractor.japanese_korean_tables import failures, rows
from tests.golden_data import golden_json

GOLDEN = [
    pytest.param(case, version, id=f"{version}-{case['text'][:8]}")
    for version in ("v1", "v2")
    for case in golden_json(f"text_clean_{version}")
    if case["lang"] == "ja"
]


@pytest.mark.parametrize(("case", "version"), GOLDEN)
def test_compatible_reading_equals_the_public_one(case: dict[str, Any], version: str) -> None:
    actual = read(case["text"], "ja", version, compat=True)
    assert actual.normalised == case["norm_text"]
    assert actual.phones == case["phones"]
    table = symbol_table(version)
    assert [table.index(phone) for phone in actual.phones] == case["ids"]


@pytest.mark.parametrize("case", golden_json("text_ja_prosody"), ids=lambda case: case["text"])
def test_pitch_marks_equal_those_of_the_recorded_labels(case: dict[str, Any]) -> None:
    words = phones_with_marks(words_of(case["text"]))
    assert ["^", *(phone for word in words for phone in word), "$"] == case["prosody"]


def test_an_accent_phrase_goes_on_after_a_pause() -> None:
    words = [Word("a", ["モ", "ロ"], 2), Word("・"), Word("b", ["ディ", "ル"], 0, chained=True), Word("c", ["ト"])]
    flat = [phone for word in phones_with_marks(words) for phone in word]
    assert flat == ["m", "o", "[", "r", "o", "_", "d", "i", "r", "u", "#", "t", "o"]


def test_the_table_of_sentences() -> None:
    missed = [f"{row.rule}: {row.text}" for row in failures("ja", compat=False)]
    assert len(rows("ja")) >= 120
    assert len(missed) <= 3, "\n".join(missed)


def test_the_public_reading_is_worse() -> None:
    assert len(failures("ja", compat=True)) > 0.4 * len(rows("ja"))


@pytest.mark.parametrize(
    ("kana", "phones"),
    [
        ("キョ'ー", "ky o ] o"),
        ("はし'", "h a [ sh i"),
        ("ア'メガ フ'ル", "a ] m e g a UNK f u ] r u"),
        ("がっこう", "g a [ cl k o u"),
        ("テュ'ーバ", "t y u ] u b a"),
    ],
)
def test_pronunciations_of_users(kana: str, phones: str) -> None:
    assert " ".join(pronounce(kana)) == phones


@pytest.mark.parametrize(
    ("kana", "message"),
    [("", "is empty"), ("ア'メ'", "two accents"), ("雨", "'雨' is no kana"), ("ー", "'ー' is no kana")],
)
def test_wrong_pronunciations_are_named(kana: str, message: str) -> None:
    with pytest.raises(TextError, match=message):
        pronounce(kana)


def test_pinned_readings_come_out_as_written() -> None:
    text = "その今日という日"
    for compat in (True, False):
        reading = read_japanese(text, "v2", compat, [Pin(2, 4, "コ'ンニチ")])
        assert "k o ] N n i ch i" in " ".join(reading.phones)
        assert "ky" not in reading.phones


def test_a_particle_belongs_to_the_pinned_phrase_before_it() -> None:
    phones = read_japanese("橋を渡る", "v2", False, [Pin(0, 1, "ハシ'")]).phones
    assert " ".join(phones) == "h a [ sh i ] o UNK w a [ t a r u"


def test_an_opt_out_of_normalisation() -> None:
    assert "マイナス" not in read_japanese("気温は-5", "v2", False, [Pin(3, 5, None)]).normalised


def test_the_old_table_has_no_marks_of_pitch() -> None:
    new, old = (read_japanese("箸を持って橋を渡る。", symbols, False).phones for symbols in ("v2", "v1"))
    assert old == [phone for phone in new if phone not in {"[", "]", "UNK"}]
    assert {"[", "]"} < set(new)


def test_sources_count_all_phones() -> None:
    reading = read_japanese("3本の鉛筆、Привет", "v2", False)
    assert sum(source.phones for source in reading.sources) == len(reading.phones)
    assert [source.text for source in reading.sources if source.by == "unknown character"] == list("Привет")


@pytest.mark.parametrize(
    ("word", "kana"),
    [
        ("keyboard", "キーボード"),
        ("hello", "ハロー"),
        ("game", "ゲーム"),
        ("cat", "キャット"),
        ("book", "ブック"),
        ("jump", "ジャンプ"),
    ],
)
def test_english_words_in_kana(word: str, kana: str) -> None:
    assert kana_of(word) == kana


def test_every_mora_is_in_both_tables() -> None:
    for version in ("v1", "v2"):
        table = set(symbol_table(version)) | {"ty", "dy", "fy", "kw", "gw"}
        assert all(set(phones.split()) <= table for phones in mora_phones().values())
    assert morae("キャッチャー") == ["キャ", "ッ", "チャ", "ー"]


@pytest.mark.parametrize(
    "text", ["", "。", "！？…", "\0", "\x01\x02", "\ud800", "مرحبا", "😶‍🌫️", "ー", "っ", "々", "゛", "﷽", "０" * 50]
)
@pytest.mark.parametrize("compat", [True, False])
def test_odd_texts_are_read_or_refused(text: str, compat: bool) -> None:
    reading = read_japanese(text, "v2", compat)
    assert set(reading.phones) <= set(symbol_table("v2")) | {""}


def test_what_cannot_be_read_is_marked() -> None:
    assert read_japanese("\ud800", "v2", False).phones == ["UNK"]
    assert read_japanese("مر", "v2", False).phones == ["UNK", "UNK"]


def test_long_lines_are_cut_for_the_analyser() -> None:
    text = "今日は晴れです" * 300
    assert read_japanese(text, "v2", False).phones.count("ky") == 300
    assert read_japanese("1" * 2000, "v2", False).phones


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40))
def test_any_text_gives_phones_of_the_table(text: str) -> None:
    for symbols in ("v1", "v2"):
        reading = read_japanese(text, symbols, False)
        assert set(reading.phones) <= set(symbol_table(symbols))
        assert sum(source.phones for source in reading.sources) == len(reading.phones)


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("2024/1/15", "2024年1月15日"),
        ("9:00〜17:30", "9時から17時30分"),
        ("03-1234-5678", "ゼロサン、イチニーサンヨン、ゴーロクナナハチ"),
        ("$3.5万", "3.5万ドル"),
        ("¥1,234,567", "1234567円"),
        ("ﾊﾝｶｸ　ＡＢ", "ハンカク AB"),
        ("第XIV章", "第14章"),
        ("1/2、½", "2分の1、2分の1"),
    ],
)
def test_spoken_words(text: str, spoken: str) -> None:
    assert normalise(text) == spoken
