"""The dictionaries on disk answer as the libraries they were made from."""

from __future__ import annotations

import random
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import pytest

from feature_extractor.text.tables import SortedTable
from feature_extractor.text.zh.pinyin import listed_phrase, word_syllables
from feature_extractor.text.zh.segment import Segmenter, segmenter
from gpt_sovits.core.resources import resource
from tests.golden_data import golden_json

TABLES = sorted(
    resource("res", "text", *name.split("/"))
    for name in (
        "en/cmudict.tsv",
        "en/unigrams.tsv",
        "en/tagger_weights.tsv",
        "zh/words.tsv",
        "zh/word_states.tsv",
        "zh/word_transitions.tsv",
        "zh/word_edges.tsv",
        "zh/pinyin_phrases.tsv",
        "zh/pinyin_characters.tsv",
    )
)
SENTENCES = [case["text"] for case in golden_json("text_zh_normalize")] + [
    case["text"] for case in golden_json("text_clean_v2")
]


def odd_texts(count: int) -> list[str]:
    """Characters in an order that no dictionary foresees, with rare ones, Latin letters and marks among them."""
    source = random.Random(7)
    usual = "".join(SENTENCES)
    rare = "丟騎倉跛鼴\U00020000é ab1.%-+#\n"
    return [
        "".join(source.choice(usual if source.random() < 0.85 else rare) for _ in range(source.randint(1, 25)))
        for _ in range(count)
    ]


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.name)
def test_every_row_of_a_table_is_found(path: Path) -> None:
    table = SortedTable(path)
    rows = [line.partition("\t") for line in path.read_text(encoding="utf8").split("\n") if line]
    keys = [key.encode() for key, _, _ in rows]
    assert keys == sorted(set(keys))
    for key, _, value in rows[:50] + rows[-50:] + rows[:: max(len(rows) // 2000, 1)]:
        assert table[key] == value and key in table
    for missing in ("", "\x00", "~~nothing", "\U0010ffff", "\ud800", rows[7][0] + "\x01", rows[7][0][:-1] + "\x01"):
        assert missing not in table and table.get(missing, "none") == "none"
        with pytest.raises(KeyError):
            table[missing]


@pytest.fixture(scope="module")
def jieba() -> tuple[object, object]:
    return import_module("jieba"), import_module("jieba.posseg")


def test_words_and_tags_are_those_of_jieba(jieba: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    _, posseg = jieba
    for text in SENTENCES + odd_texts(300):
        assert [(w.word, w.flag) for w in posseg.lcut(text)] == [tuple(w) for w in segmenter().words(text)]
    monkeypatch.setattr("feature_extractor.text.zh.dictionary._LOG_TOTAL", 0.0)
    monkeypatch.setattr("feature_extractor.text.zh.segment.tagged_words", lambda: lambda text: [(text, "x")])
    assert [tuple(w) for w in Segmenter().words("他来到了网易杭研大厦")] != [
        (w.word, w.flag) for w in posseg.lcut("他来到了网易杭研大厦")
    ]


def test_inner_words_are_those_of_jieba(jieba: tuple) -> None:
    library, _ = jieba
    for text in ["漂漂亮亮", "展览馆", "小老虎", "研究所", *odd_texts(200)]:
        assert segmenter().subwords(text) == library.lcut_for_search(text)


def test_syllables_are_those_of_pypinyin() -> None:
    library = import_module("pypinyin")
    phrases = import_module("pypinyin.constants").PHRASES_DICT
    source = random.Random(3)
    some = source.sample(list(phrases), 2000)
    for text in [*SENTENCES, *odd_texts(300), *some, *(a[:3] + b for a, b in pairwise(some))]:
        rows = library.pinyin(
            text, style=library.Style.TONE3, neutral_tone_with_five=True, errors=lambda part: list(part), strict=False
        )
        assert word_syllables(text) == tuple(row[0].replace("ü", "v") for row in rows)
    assert all(bool(listed_phrase(text[:2])) == (text[:2] in phrases) for text in some)
