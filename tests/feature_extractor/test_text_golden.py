"""The compatible mode against recorded results of the public GPT-SoVITS, and its cuts.

Recorded with sentence-level pypinyin in the place of the polyphone network, so those readings are pypinyin's.
"""

from __future__ import annotations

from typing import Any

import pytest

from feature_extractor.text import read, symbol_table
from feature_extractor.text.en import public as public_english
from feature_extractor.text.split import cut, pre_segment, replace_consecutive_punctuation
from feature_extractor.text.zh import public_normalise as public_chinese
from gpt_sovits.core.errors import TextError
from tests.golden_data import golden_json

LANGUAGES = ("zh", "en")


def cleaned(version: str) -> list[Any]:
    cases = [(case, version) for case in golden_json(f"text_clean_{version}") if case["lang"] in LANGUAGES]
    return [pytest.param(*case, id=f"{version}-{case[0]['lang']}-{i}") for i, case in enumerate(cases)]


@pytest.mark.parametrize(("case", "version"), [*cleaned("v1"), *cleaned("v2")])
def test_compatible_reading_equals_the_public_one(case: dict[str, Any], version: str) -> None:
    actual = read(case["text"], case["lang"], version, compat=True)
    assert actual.normalised == case["norm_text"]
    assert actual.phones == case["phones"]
    assert actual.word2ph == case["word2ph"]
    table = symbol_table(version)
    assert [table.index(phone) for phone in actual.phones] == case["ids"]


def test_a_changed_rule_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    case = next(c for c in golden_json("text_clean_v2") if c["text"] == "不是，不对，看不看，不好。")
    monkeypatch.setattr("feature_extractor.text.zh.sandhi._change_bu", lambda text, syllables: None)
    assert read(case["text"], "zh", "v2", compat=True).phones != case["phones"]


@pytest.mark.parametrize("case", golden_json("text_en_normalize"), ids=lambda case: case["text"][:20])
def test_public_english_normaliser(case: dict[str, str]) -> None:
    assert public_english.normalise(case["text"]) == case["norm"]


@pytest.mark.parametrize("case", golden_json("text_zh_normalize"), ids=lambda case: case["text"][:20])
def test_public_chinese_normaliser(case: dict[str, Any]) -> None:
    assert public_chinese.sentences(case["text"]) == case["sentences"]
    assert public_chinese.normalise(case["text"]) == case["zh"]


@pytest.mark.parametrize("method", [f"cut{i}" for i in range(6)])
def test_cuts(method: str) -> None:
    for case in golden_json("text_cuts"):
        assert cut(case["text"], method) == case[method]


def test_segments_before_reading() -> None:
    for case in golden_json("text_preseg"):
        text = replace_consecutive_punctuation(case["text"])
        if isinstance(case["out"], str):
            with pytest.raises(TextError, match="nothing to say"):
                pre_segment(text, case["lang"], case["method"])
        else:
            assert pre_segment(text, case["lang"], case["method"]) == case["out"]


def test_an_unknown_cut_is_named() -> None:
    with pytest.raises(TextError, match="'cut9'; choose one of auto, cut0"):
        cut("text", "cut9")


def test_big_pieces_are_split_at_marks() -> None:
    pieces = pre_segment("这是一句话，" * 300, "zh", "cut0")
    assert "".join(pieces) == "这是一句话，" * 300
    assert max(map(len, pieces)) <= 510
