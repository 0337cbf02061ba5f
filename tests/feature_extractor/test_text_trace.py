"""Phones are traced to the characters they came from."""

from __future__ import annotations

import pytest

from feature_extractor.text import analyse, trace
from tests.feature_extractor.work import assert_linear

TRACED = [
    ("zh", "共128元，和銀{行|hang2}。",
     "共:共 一:128 百:128 二:128 十:128 八:128 元:元 ,:， 和:和 银:銀 行:{行|hang2} .:。"),
    ("yue", "我哋128蚊買咗。", "我:我 哋:哋 一:128 百:128 二:128 十:128 八:128 蚊:蚊 買:買 咗:咗 .:。"),
    ("en", "Dr. Lee paid $3.50, didn't he?", "Doctor:Dr._ Lee:Lee_ paid:paid_ three:$3.50 dollars:$3.50 and:$3.50 "
     "fifty:$3.50 cents:$3.50 ,:,_ didn't:didn't_ he:he ?:?"),
    ("ja", "彼は東京で128円払いました。",
     "彼:彼 は:は 東京:東京 で:で 百:128 二:128 十:128 八:128 円:円 払い:払い まし:まし た:た 。:。"),
    ("ko", "국물을 3개 먹었다.", "국:국 물:물 을:을 _:_ 세:3 _:3 개:개 _:_ 먹:먹 었:었 다:다 .:."),
    ("zh", "他说OK了，走吧。", "他:他 说:说 OK:OK 了:了 ,:， 走:走 吧:吧 .:。"),
]  # fmt: skip
PUBLIC = [
    ("zh", "共128元。", "共:共 一:128 百:128 二:128 十:128 八:128 元:元 .:。"),
    ("en", "Dr. Lee paid $3.50, didn't he?", "Dr:Dr .:._ Lee:Lee_ paid:paid_ three:$3.50 dollars:$3.50 and:$3.50 "
     "fifty:$3.50 cents:$3.50 ,:,_ didn't:didn't_ he:he ?:?"),
    ("ja", "彼は東京で。", "彼:彼 は:は 東京:東京 で:で 。:。"),
    ("ko", "국물을 먹었다.", "국물을:국물을 _:_ 먹었다.:먹었다."),
]  # fmt: skip


@pytest.mark.parametrize(("language", "text", "expected"), TRACED)
def test_units_and_what_they_came_from(language: str, text: str, expected: str) -> None:
    assert traced(text, language) == expected


@pytest.mark.parametrize(("language", "text", "expected"), PUBLIC)
def test_the_compatible_reading_is_traced_too(language: str, text: str, expected: str) -> None:
    assert traced(text, language, True) == expected


def traced(text: str, language: str, compat: bool = False) -> str:
    units = trace(text, analyse(text, language, compat=compat))
    return " ".join(f"{unit.text}:{text[unit.start : unit.end]}".replace(" ", "_") for unit in units)


def test_every_syllable_has_its_phones() -> None:
    result = analyse("국물을 먹었습니다", "ko")
    phones = [" ".join(result.phones[u.phones_start : u.phones_end]) for u in trace("국물을 먹었습니다", result)]
    assert phones == ["ㄱ ㅜ ㅇ", "ㅁ ㅜ", "ㄹ ㅡ ㄹ", "空", "ㅁ ㅓ", "ㄱ ㅓ ㄷ", "ㅆ ㅡ ㅁ", "ㄴ ㅣ", "ㄷ ㅏ"]


def test_the_stop_before_a_short_text_comes_from_nothing() -> None:
    units = trace("Hi!", analyse("Hi!", "en"))
    assert [(unit.text, unit.start, unit.end) for unit in units] == [(".", 0, 0), ("Hi", 0, 2), ("!", 2, 3)]


@pytest.mark.parametrize("unit", ["我们", "1", "a1 ", "$3.50 "])
def test_the_work_grows_with_the_length(unit: str) -> None:
    assert_linear(lambda text: trace(text, analyse(text, "zh")), unit, 500, 10_000)
