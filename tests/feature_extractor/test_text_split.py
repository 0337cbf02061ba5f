"""Cutting by itself: where people pause, whole numbers and words, in linear time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_extractor.text.cutting import CHARACTERS, COMFORTABLE, cut_auto, syllables
from feature_extractor.text.split import METHODS, spoken_pieces
from gpt_sovits.core.errors import TextError
from tests.feature_extractor.work import assert_linear

CHINESE = (
    "他说：“今天的气温是3.5度，比昨天低了1,200个单位。”然后他走了。你知道吗？我觉得这个问题其实没有那么复杂，"
    "关键在于我们怎么看待它，以及我们愿不愿意花时间去解决它；如果不愿意，那么再多的讨论也没有用。"
)
ENGLISH = (
    "Dr. Smith arrived at 3.15 p.m. on Jan. 5, with 1,000 books. “Is that all?” she asked. He nodded, and then, "
    "after a long pause in which nobody in the crowded room dared to say anything at all, he finally opened the box "
    "that he had carried all the way from the station. Visit https://example.com/a.b?c=d, now!"
)
JAPANESE = "「本当ですか。」と彼は言った。今日は天気がいいから、散歩しましょう。それから、店でコーヒーを飲みました。"
KOREAN = "안녕하세요. 오늘은 날씨가 좋네요! 산책하러 갈까요? 그리고 나서 카페에서 커피를 마시면서 이야기해요."
TEXTS = (CHINESE, ENGLISH, JAPANESE, KOREAN, CHINESE + ENGLISH + JAPANESE)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("comfortable", [COMFORTABLE, 20.0])
def test_pieces_are_the_text_and_comfortable(text: str, comfortable: float) -> None:
    pieces = cut_auto(text * 3, comfortable=comfortable)
    assert "".join(pieces) == text * 3
    lengths = [syllables(piece) for piece in pieces]
    assert max(lengths) <= 2 * comfortable
    assert 0.6 * comfortable < sum(lengths) / len(lengths) < 1.4 * comfortable


def test_text_without_marks_is_cut_where_people_pause() -> None:
    text = (
        "i don't think it was his wealth accomplishments or position that most attracted polly though these doubtless "
        "possessed a greater influence than she suspected"
    )
    first, second = cut_auto(text, comfortable=20)
    assert first.endswith("attracted polly") and second.startswith(" though these")
    assert len(cut_auto(text)) == 1


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("价格是1，200，300元，" * 12, "1，200，300"),
        ("It costs 1,234,567.89 dollars, " * 12, "1,234,567.89"),
        ("We met at 12:30, " * 20, "12:30"),
        ("Ask Dr. Brown, e.g. Mr. J. Brown, " * 12, "Dr. Brown"),
        ("Ask Dr. Brown, e.g. Mr. J. Brown, " * 12, "Mr. J. Brown"),
        ("Go to https://example.com/a,b?c=d!e now, " * 12, "https://example.com/a,b?c=d!e"),
        ("他说：“好的。”我说：“不行！”" * 12, "。”"),
        ('He said "No." She said "Yes!" ' * 12, '."'),
        ("彼は「はい。」と言った。" * 12, "。」"),
        ("（真的吗？）不是的，" * 12, "？）"),
        ("1. 打开文件。2. 保存文件。", "1. 打开"),
        ("这是北京天安门广场" * 40, "广场"),
        ("internationalization " * 80, "internationalization"),
    ],
)
def test_never_inside(text: str, whole: str) -> None:
    pieces = cut_auto(text) if "广场" not in text else spoken_pieces(text, "zh")
    assert sum(piece.count(whole) for piece in pieces) == text.count(whole)


def test_inline_marks_stay_whole_in_every_method() -> None:
    mark = "{行，行|hang2 hang2}"
    for method in METHODS:
        pieces = spoken_pieces(f"我们去银{mark}吧，好的。" * 40, "zh", method)
        assert sum(piece.count(mark) for piece in pieces) == 40


def test_pieces_end_with_a_mark_and_a_comma_where_the_sentence_goes_on() -> None:
    assert spoken_pieces("hello world\n\n你好世界", "auto") == ["hello world.", "你好世界。"]
    pieces = spoken_pieces("internationalization " * 40, "en")
    assert [piece[-1] for piece in pieces] == [","] * (len(pieces) - 1) + ["."]
    assert spoken_pieces("他对我们说：“好的。”", "zh") == ["他对我们说：“好的。”"]
    assert spoken_pieces("你好，世界很大。", "zh") == ["。你好，世界很大。"]


@pytest.mark.parametrize("text", ["", "\n\n", "...", "！？\n…"])
def test_marks_alone_are_nothing_to_say(text: str) -> None:
    with pytest.raises(TextError, match="nothing to say"):
        spoken_pieces(text, "zh")


@pytest.mark.parametrize(
    "unit", ["我们", "a", "1", "a,", "，", '".', "ab ", "(。", "他说：“好。”", "カタカナ", "\U0001f600"]
)
def test_the_work_grows_with_the_length(unit: str) -> None:
    text = (unit * 10_000)[:10_000]
    pieces = cut_auto(text)
    assert "".join(pieces) == text
    assert max(map(len, pieces)) <= CHARACTERS
    assert_linear(cut_auto, unit, long=100_000)


@pytest.mark.parametrize("text", [CHINESE, ENGLISH])
def test_a_hundred_thousand_characters(text: str) -> None:
    long = (text * 1000)[:100_000]
    pieces = spoken_pieces(long, "auto")
    assert 500 < len(pieces) < 2500


@settings(max_examples=150, deadline=None)
@given(st.text(st.sampled_from('你。，a1 .,"”“！?—:{}|=\n\u3000\ud800가か'), max_size=200))
def test_nothing_is_lost(text: str) -> None:
    pieces = cut_auto(text)
    assert "".join(pieces) == "".join(line for line in text.splitlines() if line.strip())
