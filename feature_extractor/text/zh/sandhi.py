"""Tone changes in context: 不, 一, neutral tones, and third tones in a row.

The rules are those of the PaddleSpeech front end (Apache-2.0), on which the public GPT-SoVITS rests.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from feature_extractor.text.zh.segment import Word, segmenter
from feature_extractor.text.zh.syllables import tone_of, with_tone
from gpt_sovits.core.resources import resource

_PARTICLES = "吧呢哈啊呐噻嘛吖嗨呐哦哒额滴哩哟喽啰耶喔诶"
_KEEP_TONE = frozenset(
    [
    "男子", "女子", "分子", "原子", "量子", "莲子", "石子", "瓜子", "电子", "人人", "虎虎", "幺幺", "干嘛", "学子",
    "哈哈", "数数", "袅袅", "局地", "以下", "娃哈哈", "花花草草", "留得", "耕地", "想想", "熙熙", "攘攘", "卵子",
    "死死", "冉冉", "恳恳", "佼佼", "吵吵", "打打", "考考", "整整", "莘莘", "落地", "算子", "家家户户", "青青",
    ]
)  # fmt: skip
# Doubled for each and every one, each syllable in its tone.
_EVERY = frozenset(c + c for c in "处事天年家样步时代层件句字声阵夜日月岁世村户本")
_NOT_NEUTRAL = frozenset(
    [
    "幸福", "计划", "意识", "将军", "分析", "介绍", "刺激", "冷战", "下水", "笑语", "千斤", "温和", "逻辑", "编辑",
    "熟悉", "照顾", "大人", "不由", "凤凰", "两口",
    ]
)  # fmt: skip
_NEUTRAL = frozenset(
    [
    "晚上", "早上", "皇上", "乡下", "底下", "学生", "打点", "废物", "时辰", "晌午", "黄瓜", "牡丹", "唠叨", "抽屉",
    "亮堂", "身上", "路上", "街上", "世上", "地上", "手上", "脸上", "头上", "桌上", "床上", "墙上", "树上", "网上",
    "家里", "心里", "手里", "屋里", "嘴里", "夜里", "眼里", "城里", "村里", "院里", "怀里", "店里", "班里", "相公",
    "太太", "谢谢", "星星", "猩猩", "叔叔", "姑姑", "公公", "婆婆", "娃娃", "咱们", "玫瑰", "伶俐", "妥帖", "敞亮",
    ]
)  # fmt: skip
_DIGITS = "零一二三四五六七八九"
_OFTEN_COUNTED = "几有两半多各整每做是"
Tones = Callable[[str], list[str]]


@lru_cache(maxsize=2)
def neutral_words(public: bool) -> frozenset[str]:
    """Words whose last syllable is in the neutral tone; the public list has some that are not, and lacks others."""
    listed = frozenset(resource("res", "text", "zh", "neutral.txt").read_text(encoding="utf8").split())
    return listed if public else (listed - _NOT_NEUTRAL) | _NEUTRAL


def merge_words(words: list[Word], syllables_of: Tones | None = None) -> list[Word]:
    """Join words that change tone together: 不 and 一 with what follows, reduplications, short third-tone pairs, 儿.

    Args:
        syllables_of: pinyin of a word by itself, used to find third-tone pairs; None: leave those apart.
    """
    words = _merge_following(words, "不")
    words = _merge_yi(words)
    words = _merge_repeated(words)
    if syllables_of:
        words = _merge_third_tones(words, syllables_of, whole=True)
        words = _merge_third_tones(words, syllables_of, whole=False)
    return _merge_er(words)


def change_tones(word: Word, syllables: list[str], public: bool) -> list[str]:
    """Apply 不, 一 and neutral-tone sandhi inside one word.

    Args:
        public: change exactly what the public GPT-SoVITS changes, third tones included. Otherwise those are left to
            `feet`, 一 keeps its tone in digit sequences and
            ordinals (一九九零年, 十一天, 一月), a doubled character is neutral only in a word of two (妈妈, not
            银行行长), and a final 的, 地 or 得 stays as it was read (目的, 取得).
    """
    result = list(syllables)
    if len(result) != len(word.text):
        return result
    _change_bu(word.text, result)
    _change_yi(word.text, result, public)
    _change_doubled(word, result, public)
    _change_neutral(word, result, public)
    if public:
        change_third(word.text, result)
    return result


def _set(syllables: list[str], index: int, tone: str) -> None:
    syllables[index] = with_tone(syllables[index], tone)


def _change_bu(text: str, syllables: list[str]) -> None:
    if len(text) == 3 and text[1] == "不":
        _set(syllables, 1, "5")
        return
    for i, char in enumerate(text[:-1]):
        if char == "不" and tone_of(syllables[i + 1]) == "4":
            _set(syllables, i, "2")


def _change_yi(text: str, syllables: list[str], public: bool) -> None:
    if "一" not in text or (public and all(char.isnumeric() for char in text if char != "一")):
        return
    if len(text) == 3 and text[1] == "一" and text[0] == text[2]:
        _set(syllables, 1, "5")
    elif text.startswith("第一"):
        _set(syllables, 1, "1")
    else:
        for i, char in enumerate(text[:-1]):
            if char == "一" and (public or not _is_ordinal(text, i)):
                if tone_of(syllables[i + 1]) == "4":
                    _set(syllables, i, "2")
                elif text[i + 1] not in "：，；。？！“”‘’':,;.?!":
                    _set(syllables, i, "4")


def _is_ordinal(text: str, i: int) -> bool:
    """Whether the 一 at `i` is a digit among digits or names a place in a row."""
    return text[i + 1] in _DIGITS + "十月号楼班" or (i > 0 and text[i - 1] in _DIGITS + "十月")


def _change_doubled(word: Word, syllables: list[str], public: bool) -> None:
    text = word.text
    if text in _KEEP_TONE or (not public and (len(text) != 2 or text in _EVERY)):
        return
    if word.tag[:1] in {"n", "v", "a"}:
        for i in range(1, len(text)):
            if text[i] == text[i - 1]:
                _set(syllables, i, "5")


def _has_neutral_end(word: Word, public: bool) -> bool:
    text, tag = word.text, word.tag
    if text[-1] in _PARTICLES and (public or len(text) == 1 or tag[:1] != "n"):
        return True
    if public and text[-1] in "的地得":
        return True
    if len(text) == 1:
        return False
    plural = text[-1] in "们子" and tag in {"r", "n"} and text not in _KEEP_TONE
    if not public and text[-2] == "不":
        return False  # what one can or cannot do keeps its tone: 吃不下, 看不上
    direction = text[-1] in "来去" and text[-2] in "上下进出回过起开"
    inside = text[-1] in "上下里" and tag in {"s", "l", "f"} and (public or text[0] not in "以之向朝往")
    return plural or direction or inside


def _change_neutral(word: Word, syllables: list[str], public: bool) -> None:
    text = word.text
    counted = text.find("个")
    if _has_neutral_end(word, public):
        _set(syllables, -1, "5")
    elif text == "个" or (counted >= 1 and (text[counted - 1].isnumeric() or text[counted - 1] in _OFTEN_COUNTED)):
        _set(syllables, counted, "5")
    elif text in neutral_words(public) or text[-2:] in neutral_words(public):
        _set(syllables, -1, "5")
    if len(text) == 1 or not any(text[i : i + 2] in neutral_words(public) for i in range(len(text) - 1)):
        return  # all of those words have two characters
    first, second = split_in_two(text)
    for part, end in ((first, len(first)), (second, len(text))):
        if part and (part in neutral_words(public) or part[-2:] in neutral_words(public)):
            _set(syllables, end - 1, "5")


def change_third(text: str, syllables: list[str]) -> None:
    """Third tones in a row inside one word of two to four syllables."""
    if len(text) == 2 and _all_third(syllables):
        _set(syllables, 0, "2")
    elif len(text) == 3:
        _change_third_of_three(text, syllables)
    elif len(text) == 4:
        for start in (0, 2):
            if _all_third(syllables[start : start + 2]):
                _set(syllables, start, "2")


def _change_third_of_three(text: str, syllables: list[str]) -> None:
    if tone_of(syllables[1]) != "3" or "3" not in {tone_of(syllables[0]), tone_of(syllables[2])}:
        return
    cut = len(split_in_two(text)[0])
    if _all_third(syllables):
        _set(syllables, 1, "2")
        if cut == 2:
            _set(syllables, 0, "2")
        return
    head, tail = syllables[:cut], syllables[cut:]
    if len(head) == 2 and _all_third(head):
        _set(syllables, 0, "2")
    if len(tail) == 2 and _all_third(tail):
        _set(syllables, cut, "2")
    elif tail and not _all_third(tail) and tone_of(tail[0]) == "3" and tone_of(syllables[cut - 1]) == "3":
        _set(syllables, cut - 1, "2")


@lru_cache(maxsize=16384)
def split_in_two(text: str) -> tuple[str, str]:
    """Its shortest inner word and the rest, in the order of the word.

    Where the inner word stands in the middle (漂漂亮亮) the parts overlap, as in the public front end.
    """
    inner = min(segmenter().subwords(text), key=len)
    if text.startswith(inner):
        return inner, text[len(inner) :]
    return text[: -len(inner)], inner


def _all_third(syllables: list[str]) -> bool:
    return all(tone_of(s) == "3" for s in syllables)


def _merge_following(words: list[Word], char: str) -> list[Word]:
    merged: list[Word] = []
    waiting = False
    for word in words:
        text = char + word.text if waiting else word.text
        waiting = text == char
        if not waiting:
            merged.append(Word(text, word.tag))
    if waiting:
        merged.append(Word(char, "d"))
    return merged


def _merge_yi(words: list[Word]) -> list[Word]:
    merged: list[Word] = []
    i = 0
    while i < len(words):
        word = words[i]
        between = word.text == "一" and merged and i + 1 < len(words) and words[i - 1].text == words[i + 1].text
        if between and words[i - 1].tag == "v":
            merged[-1] = Word(f"{merged[-1].text}一{words[i + 1].text}", merged[-1].tag)
            i += 2
            continue
        merged.append(word)
        i += 1
    joined: list[Word] = []
    for word in merged:
        if joined and joined[-1].text == "一":
            joined[-1] = Word("一" + word.text, joined[-1].tag)
        else:
            joined.append(word)
    return joined


def _merge_repeated(words: list[Word]) -> list[Word]:
    merged: list[Word] = []
    for word in words:
        if merged and merged[-1].text == word.text:
            merged[-1] = Word(merged[-1].text + word.text, merged[-1].tag)
        else:
            merged.append(word)
    return merged


def _merge_third_tones(words: list[Word], syllables_of: Tones, whole: bool) -> list[Word]:
    """Join neighbours of at most three characters in all.

    Args:
        whole: both words are third tones throughout; otherwise the last of one meets the first of the other.
    """
    sounds = [syllables_of(word.text) for word in words]
    merged: list[Word] = []
    just_merged = False
    for i, word in enumerate(words):
        if i and not just_merged and sounds[i - 1] and sounds[i]:
            before, after = sounds[i - 1], sounds[i]
            third = _all_third(before + after) if whole else tone_of(before[-1]) == tone_of(after[0]) == "3"
            previous = words[i - 1].text
            if (
                third
                and len(previous) + len(word.text) <= 3
                and not (len(previous) == 2 and previous[0] == previous[1])
            ):
                merged[-1] = Word(merged[-1].text + word.text, merged[-1].tag)
                just_merged = True
                continue
        merged.append(word)
        just_merged = False
    return merged


def _merge_er(words: list[Word]) -> list[Word]:
    merged: list[Word] = []
    for i, word in enumerate(words):
        if i and word.text == "儿":
            merged[-1] = Word(merged[-1].text + "儿", merged[-1].tag)
        else:
            merged.append(word)
    return merged
