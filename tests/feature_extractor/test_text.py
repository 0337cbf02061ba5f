"""The front end as a whole: spans, ids, errors, all of Unicode, work."""

from __future__ import annotations

import subprocess
import sys

import pytest

from feature_extractor.text import TextAnalysis, analyse, read, symbol_table
from gpt_sovits.core.errors import ConfigError, TextError
from tests.feature_extractor.work import assert_linear, steps


def check(text: str, result: TextAnalysis, symbols: str) -> None:
    table = symbol_table(symbols)
    assert [table[i] for i in result.ids] == result.phones
    assert result.normalised == "".join(s.normalised for s in result.segments)
    position = phone = 0
    for segment in result.segments:
        assert segment.start == position
        assert segment.start <= segment.end <= len(text)
        assert segment.phones_start == phone
        position, phone = segment.end, segment.phones_end
        if segment.word2ph is not None:
            assert sum(segment.word2ph) == segment.phones_end - segment.phones_start
            assert len(segment.word2ph) == len(segment.normalised)
    assert position == len(text)
    assert phone == len(result.phones)


@pytest.mark.parametrize("unit", ["1", "a.", "ab ", "你好，", "$", "1,", "-1"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_work_grows_with_the_length(unit: str, language: str) -> None:
    check(unit * 3000 + "1", analyse(unit * 3000 + "1", language), "v2")
    assert_linear(lambda text: analyse(text + "1", language), unit, size=500, long=10_000)


def test_unknown_names_are_refused_with_the_choices() -> None:
    with pytest.raises(TextError, match="'fr' is not available; choose one of zh, en, ja, ko, yue, all_zh"):
        analyse("bonjour", "fr")
    with pytest.raises(TextError, match="no front end for the language 'xx'"):
        read("text", "xx")
    with pytest.raises(ConfigError, match="'v9'; choose one of v1, v2"):
        analyse("hello", "en", "v9")


def test_short_texts_get_a_full_stop_unless_told_not_to() -> None:
    assert analyse("Hello!", "en").phones == [".", "HH", "AH0", "L", "OW1", "!"]
    assert analyse("Hello!", "en", pad_short=False).phones == ["HH", "AH0", "L", "OW1", "!"]
    assert analyse("Hello!", "en").segments[0].end == 6


def test_symbol_tables() -> None:
    v1, v2 = symbol_table("v1"), symbol_table("v2")
    assert (len(v1), len(v2)) == (322, 732)
    assert v2[:322] == v1
    assert v1 == sorted(v1)
    assert len(set(v2)) == 732


def test_spans_lead_from_phones_to_text() -> None:
    text = "他说 OK，然后走了。"
    result = analyse(text, "zh")
    middle = next(s for s in result.segments if s.language == "en")
    assert text[middle.start : middle.end] == "OK，"
    assert result.phones[middle.phones_start : middle.phones_end] == ["OW2", "K", "EY1", ","]


def test_importing_loads_no_heavy_library() -> None:
    code = (
        "import sys, feature_extractor.text as t; t.analyse('Hello 你好世界', 'zh');"
        "print([m for m in ('torch', 'nltk', 'g2p_en', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]", done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("text", "language", "most"),
    [
        ("The quick brown fox jumped over the lazy dog and then ran all the way home again.", "en", 50),
        ("却存在对基金持有人中小投资者利益考虑不足的情况，我们应该重新考虑。", "zh", 300),
    ],
)
def test_a_sentence_takes_few_steps_per_character(text: str, language: str, most: int) -> None:
    analyse(text, language)
    assert steps(lambda: analyse(text, language)) < most * len(text)
