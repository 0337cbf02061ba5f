"""Any text in any language is read with spans that cover it in order, or refused in a sentence."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feature_extractor.text import TextAnalysis, analyse, symbol_table, trace
from feature_extractor.text.language import LANGUAGES
from feature_extractor.text.split import spoken_pieces
from gpt_sovits.core.errors import TextError

PARTS = (
    "你好", "2024年", "hello ", "Dr. ", "3:45", "￥12.5", "%", "-", "...", "，", "。", "’s", "\n", "A.", "℃", "儿",
    "一", "東京", "です", "カナ", "ー", "っ", "안녕", "각", "ㅋㅋ", "ㅏ", "佢哋", "嘅", "々", "〇", "ﾊﾝｶｸ", "Ａ１", "½",
    "Ⅳ", "π", "√2", "=", "{", "}", "|", "\\", "{行|hang2}", "{a|EY1}", "{=1/2}", "\u200b", "\u202e", "\ufeff",
    "\U0001f468\u200d\U0001f469", "\u0645\u0631", "\u0928\u092e", "\U00020bb7", "\ud800", "\x00", "\x85", "1" * 25,
    "http://a.b/c?d=e", "a@b.co",
)  # fmt: skip
TEXTS = st.one_of(
    st.text(max_size=25),
    st.text(st.characters(), max_size=25),
    st.lists(st.one_of(st.sampled_from(PARTS), st.text(max_size=3)), max_size=10).map("".join),
)


def check(text: str, result: TextAnalysis, symbols: str) -> None:
    table = symbol_table(symbols)
    assert result.phones
    assert [table[i] for i in result.ids] == result.phones
    assert result.normalised == "".join(segment.normalised for segment in result.segments)
    position = phone = 0
    for segment in result.segments:
        assert segment.start == position
        assert segment.end >= segment.start
        assert segment.phones_start == phone
        position, phone = segment.end, segment.phones_end
        if segment.word2ph is not None:
            assert sum(segment.word2ph) == segment.phones_end - segment.phones_start
            assert len(segment.word2ph) == len(segment.normalised)
        if segment.sources:
            assert sum(source.phones for source in segment.sources) == segment.phones_end - segment.phones_start
    assert position == len(text)
    assert phone == len(result.phones)
    check_trace(text, result)
    assert all(text[unknown.position] == unknown.character for unknown in result.unknown)


def check_trace(text: str, result: TextAnalysis) -> None:
    """Every phone belongs to one unit, every character to one at least, both in order."""
    phone = start = end = 0
    for unit in trace(text, result):
        assert unit.phones_start == phone < unit.phones_end
        assert start <= unit.start <= end <= unit.end
        phone, start, end = unit.phones_end, unit.start, unit.end
    assert phone == len(result.phones)
    assert end == len(text)


@pytest.mark.parametrize("language", LANGUAGES)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=TEXTS, symbols=st.sampled_from(["v1", "v2"]), compat=st.booleans())
def test_any_text_is_read_or_refused(language: str, text: str, symbols: str, compat: bool) -> None:
    try:
        result = analyse(text, language, symbols, compat)
    except TextError as error:
        assert len(str(error)) > 10
    else:
        check(text, result, symbols)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=TEXTS, method=st.sampled_from(["auto", "cut0", "cut1", "cut2", "cut3", "cut4", "cut5"]))
def test_any_text_is_cut_or_refused(text: str, method: str) -> None:
    try:
        pieces = spoken_pieces(text, "auto", method)
    except TextError as error:
        assert "nothing to say" in str(error)
    else:
        assert all(piece.strip() for piece in pieces)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\t\u3000",
        "...",
        "，。！？",
        "\x00\x07\x1b",
        "\ud800\udfff",
        "\u0645\u0631\u062d\u0628\u0627",
        "\u200b\ufeff\u202e",
        "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35",
    ],
    ids=repr,
)
@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_to_say_is_said(text: str, language: str) -> None:
    with pytest.raises(TextError, match=r"empty; write|nothing to say"):
        analyse(text, language)


@pytest.mark.parametrize("language", ["zh", "en", "ja", "ko", "yue", "auto"])
def test_right_to_left_marks_and_controls_do_not_change_the_words(language: str) -> None:
    words = {"en": "hello there", "ja": "こんにちは", "ko": "안녕하세요", "yue": "你好世界"}.get(language, "你好世界")
    plain = [phone for phone in analyse(words, language).phones if phone != "."]
    marked = analyse(f"\u200f{words}\u202c\x00", language).phones
    assert [phone for phone in marked if phone not in {".", "UNK", "停"}] == plain


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("unit", ["hello ", "你好，", "1", "$ ", "\U0001f600"])
def test_a_long_line(unit: str, language: str) -> None:
    text = (unit * 10_000)[:10_000]
    try:
        check(text, analyse(text, language), "v2")
    except TextError as error:
        assert len(str(error)) < 300
