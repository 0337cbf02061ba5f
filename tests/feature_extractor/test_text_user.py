"""What users write about how to read a text: inline marks and their own dictionary."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from feature_extractor.text import TextAnalysis, UserDictionary, analyse, user_dictionary
from feature_extractor.text.inline import mask_inline, parse_inline, unmask
from gpt_sovits.core.errors import ConfigError, TextError


def phones(text: str, language: str, dictionary: UserDictionary | None = None, compat: bool = False) -> str:
    return " ".join(analyse(text, language, compat=compat, dictionary=dictionary, pad_short=False).phones)


def spans(text: str, result: TextAnalysis) -> list[tuple[str, str]]:
    return [(segment.language, text[segment.start : segment.end]) for segment in result.segments]


@pytest.fixture
def dictionary(tmp_path: Path) -> UserDictionary:
    path = tmp_path / "words.tsv"
    path.write_text(
        "# language, word, pronunciation\n"
        "zh\t重庆\tzhong4 qing4\n"
        "zh\t重\tchong2\n"
        "en\tgif\tJH IH1 F\n"
        "en\tZorblax\tW IH1 N\n"
        "zh\tC位\txi1 wei4\n"
        "ko\t국물\t국물\n",
        encoding="utf8",
    )
    return user_dictionary(path)


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("银{行|xing2}", "zh", "y in2 x ing2"),
        ("你{好|hao4}", "zh", "n i3 h ao4"),
        ("你{好|hao3}", "zh", "n i2 h ao3"),
        ("{儿|er5}", "all_zh", "EE er5"),
        ("用{GPT|ji1 pi1 ti1}呢", "auto", "y ong4 j i1 p i1 t i1 n e5"),
        ("I {read|R EH1 D} it", "en", "AY1 R EH1 D IH1 T"),
        ("I {read|r eh d} it", "auto", "AY1 R EH1 D IH1 T"),
        ("我{read|R EH1 D}了", "zh", "w o3 R EH1 D l e5"),
        ("{行|HH AE1 NG}", "zh", "HH AE1 NG"),
        ("{咗|zo2}", "yue", "Yz Yo2"),
        ("{咗|zo2}", "auto_yue", "Yz Yo2"),
        ("{국물|국물}", "ko", "ㄱ ㅜ ㄱ ㅁ ㅜ ㄹ"),
        ("{橋|ハシ'}", "ja", "h a [ sh i"),
    ],
)
def test_pronunciations_in_the_text(text: str, language: str, expected: str) -> None:
    assert phones(text, language) == expected


def test_pronunciations_hold_with_the_public_reading_too() -> None:
    assert phones("银{行|xing2}", "zh", compat=True) == "y in2 x ing2"
    assert phones("I {read|R EH1 D} it", "en", compat=True) == "AY1 R EH1 D IH1 T"


@pytest.mark.parametrize(
    ("text", "language", "same_as"),
    [
        ("时间{=3:45}到", "zh", "时间三四五到"),
        ("call {=911} now", "en", "call nine one one now"),
        (r"a \{b\} c", "en", "a {b} c"),
        ("f = {a, b}", "en", "f = (a, b)"),
    ],
)
def test_characters_as_they_stand_and_plain_braces(text: str, language: str, same_as: str) -> None:
    assert phones(text, language) == phones(same_as, language)


def test_digits_of_japanese_and_korean_as_they_stand() -> None:
    assert phones("번호 {=12}", "ko").endswith("ㅇ ㅣ ㄹ ㅣ")
    assert "g o ky u u" in phones("{=59}番", "ja").replace("] ", "").replace("[ ", "")


def test_spans_count_the_text_as_written() -> None:
    text = r"银{行|hang2}说\{{OK|OW1 K EY1}\}吧"
    assert spans(text, analyse(text, "auto")) == [
        ("zh", r"银{行|hang2}说\{"),
        ("en", "{OK|OW1 K EY1}"),
        ("zh", r"\}吧"),
    ]


def test_neighbouring_marks_have_no_character_counts_where_the_language_has_none() -> None:
    (segment,) = analyse("{00|B}{0|D}", "zh", compat=True, pad_short=False).segments
    assert (segment.language, segment.normalised, segment.word2ph) == ("en", "00 0", None)


@pytest.mark.parametrize(
    ("text", "language", "message"),
    [
        ("坏{行|hang7}了", "zh", r"'hang7' of '行' at character 2 .*nearest are hang5, hang4, hang3, hang2"),
        ("ab {cd|K AX1}", "en", "'K AX1' of 'cd' at character 4 .*'AX1' is no ARPAbet phone; the nearest are A"),
        ("{咗|zo9}", "yue", "'zo9' of '咗' at character 1 .*nearest are zo"),
        ("x {行|hang2", "zh", r"'{行\|hang2' at character 3 is malformed"),
        ("x {|hang2}", "zh", "at character 3 lacks its text"),
        ("x {行| }", "zh", "at character 3 lacks its pronunciation"),
        ("x {=}", "zh", "at character 3 lacks its text"),
        ("{=abc", "en", "at character 1 is malformed"),
        ("{a{b|B IY1}", "en", ""),
        ("{a|b|c}", "en", "is malformed"),
    ],
)
def test_wrong_marks_are_named_with_their_place(text: str, language: str, message: str) -> None:
    if not message:
        assert analyse(text, language).phones
        return
    with pytest.raises(TextError, match=message):
        analyse(text, language)


def test_the_longest_word_of_the_dictionary_wins(dictionary: UserDictionary) -> None:
    assert phones("重庆重", "zh", dictionary) == "zh ong4 q ing4 ch ong2"
    assert phones("她站C位", "zh", dictionary).endswith("x i1 w ei4")


def test_english_words_are_whole_and_capitals_count_when_written(dictionary: UserDictionary) -> None:
    assert phones("a GIF", "en", dictionary).endswith("JH IH1 F")
    assert "JH" not in phones("a gift", "en", dictionary)
    assert phones("Mr. Zorblax", "en", dictionary).endswith("W IH1 N")
    assert not phones("zorblax", "en", dictionary).endswith("W IH1 N")


def test_a_word_counts_in_its_language_only(dictionary: UserDictionary) -> None:
    assert phones("重い", "ja", dictionary) == phones("重い", "ja")
    assert phones("국물", "ko", dictionary) == "ㄱ ㅜ ㄱ ㅁ ㅜ ㄹ"


def test_the_text_goes_before_the_dictionary(dictionary: UserDictionary) -> None:
    assert phones("{重|zhong4}要", "zh", dictionary).startswith("zh ong4")


def test_a_changed_dictionary_is_read_again(dictionary: UserDictionary) -> None:
    assert phones("重", "zh", dictionary) == "ch ong2"
    dictionary.path.write_text("zh\t重\tzhong3\n", encoding="utf8")
    os.utime(dictionary.path, ns=(1, 1))
    assert phones("重", "zh", dictionary) == "zh ong3"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("zh 行 hang2", "line 2 of the dictionary .* must read language<tab>word<tab>pronunciation"),
        ("fr\tbon\tB", "line 2 .* has the language 'fr'; use one of zh, en"),
        ("zh\t行\thang9", "line 2 .*行.*'hang9' is no pinyin syllable"),
        ("zh\t\thang2", "line 2"),
    ],
)
def test_wrong_lines_of_a_dictionary_are_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "words.tsv"
    path.write_text(f"# words\n{line}\n", encoding="utf8")
    with pytest.raises(ConfigError, match=message):
        analyse("行", "zh", dictionary=UserDictionary(path))


def test_an_unreadable_dictionary_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.tsv cannot be read"):
        analyse("行", "zh", dictionary=UserDictionary(tmp_path / "none.tsv"))


@pytest.mark.parametrize("text", ["a {b|B IY1}, c", r"\{x\} {=1.5} {y|W AY1}{z|Z IY1}", "no marks", "{open"])
def test_masked_marks_come_back(text: str) -> None:
    masked, hidden = mask_inline(text)
    assert "|" not in masked
    assert unmask(masked, hidden) == text


def test_places_of_every_character() -> None:
    marked = parse_inline(r"a{b|B}\{c")
    assert marked.text == "ab{c"
    assert list(marked.places) == [0, 1, 6, 8, 9]
