"""The suffix 儿: where it only colours the syllable before it, it takes over that syllable's tone."""

from __future__ import annotations

from feature_extractor.text.zh.segment import Word
from feature_extractor.text.zh.syllables import tone_of

_SUFFIX = frozenset(["小院儿", "胡同儿", "范儿", "老汉儿", "撒欢儿", "寻老礼儿", "妥妥儿", "媳妇儿"])
_SYLLABLE = frozenset(
    [
    "虐儿", "为儿", "护儿", "瞒儿", "救儿", "替儿", "有儿", "一儿", "我儿", "俺儿", "妻儿", "拐儿", "聋儿", "乞儿",
    "患儿", "幼儿", "孤儿", "婴儿", "婴幼儿", "连体儿", "脑瘫儿", "流浪儿", "体弱儿", "混血儿", "蜜雪儿", "舫儿",
    "祖儿", "美儿", "应采儿", "可儿", "侄儿", "孙儿", "侄孙儿", "女儿", "男儿", "红孩儿", "花儿", "虫儿", "马儿",
    "鸟儿", "猪儿", "猫儿", "狗儿", "少儿",
    ]
)  # fmt: skip


def merge_erhua(word: Word, syllables: list[str]) -> list[str]:
    """Give a final 儿 the tone before it, unless the word is listed as keeping a syllable of its own."""
    result = list(syllables)
    if not word.text.endswith("儿") or len(word.text) != len(syllables):
        return result
    if result[-1] == "er1":
        result[-1] = "er2"
    keeps = word.text in _SYLLABLE or word.tag in {"a", "j", "nr"}
    if word.text not in _SUFFIX and keeps:
        return result
    if result[-1] in {"er2", "er5"} and word.text[-2:] not in _SYLLABLE and len(result) > 1:
        result[-1] = "er" + tone_of(result[-2])
    return result
