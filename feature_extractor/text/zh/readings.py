"""Characters with several readings, decided by the words around them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from feature_extractor.text.zh.dictionary import dictionary
from feature_extractor.text.zh.network import polyphone_network
from feature_extractor.text.zh.pinyin import listed_phrase, phrases, word_syllables
from feature_extractor.text.zh.segment import Word


@dataclass(frozen=True)
class Place:
    """A one-character word with its neighbours; at the ends and beside marks a neighbour has empty text and tag `x`."""

    word: Word
    before: Word
    after: Word


_NONE = Word("", "x")


class Unit(NamedTuple):
    """Characters that are read together, their syllables, and what decided them."""

    text: str
    syllables: list[str]
    by: str


def sentence_readings(words: list[Word]) -> list[Unit]:
    """The words of a sentence as units with one syllable per character; a mark stands for itself.

    一 and 不 come in their own tone, although pypinyin lists some words with the tone changed. A word of one character
    is read by the network where that is installed.
    """
    own = {"一": "yi1", "不": "bu4"}
    network = polyphone_network()
    heard = network.read("".join(word.text for word in words)) if network else []
    units: list[Unit] = []
    start = 0
    for unit in _as_listed(words):
        syllable = heard[start] if heard and len(unit.text) == 1 else None
        start += len(unit.text)
        if syllable:
            unit = Unit(unit.text, [syllable], "G2PW")
        elif "一" in unit.text or "不" in unit.text:
            pairs = zip(unit.text, unit.syllables, strict=True)
            unit = unit._replace(syllables=[own.get(c, s) if c in own and s[-1] != "5" else s for c, s in pairs])
        units.append(unit)
    return units


def _as_listed(words: list[Word]) -> Iterator[Unit]:
    i = 0
    while i < len(words):
        text = words[i].text
        pair = text + words[i + 1].text if i + 1 < len(words) and len(text) == 1 else ""
        if pair in phrases() or _is_known_pair(pair):
            listed = phrases().get(pair)
            yield Unit(pair, list(listed or word_syllables(pair)), "phrases" if listed else "pypinyin")
            i += 2
            continue
        yield Unit(text, list(_word(words, i)), _decider(words[i]))
        i += 1


def _decider(word: Word) -> str:
    if word.text in _RULES:
        return f"rule of {word.text}"
    if word.text in phrases():
        return "phrases"
    return "mark" if word.text in _MARKS else "pypinyin"


def _word(words: list[Word], i: int) -> Sequence[str]:
    text = words[i].text
    if len(text) == 1 and text in _SURNAMES and _names(words, i):
        return [_SURNAMES[text]]
    if len(text) == 1 and text in _RULES:
        before = words[i - 1] if i and words[i - 1].tag != "x" else _NONE
        after = words[i + 1] if i + 1 < len(words) and words[i + 1].tag != "x" else _NONE
        return [_RULES[text](Place(words[i], before, after))]
    lasts = len(text) == 2 and text[0] == "着" and i and words[i - 1].tag[:1] == "v" and len(words[i - 1].text) == 1
    if lasts and (words[i - 1].tag == "v" or text not in phrases()):
        return ["zhe5", *word_syllables(text[1])]
    if text[0] == "地" and len(text) > 1 and i and text not in dictionary() and _is_adverbial(words[i - 1]):
        return ["de5", *word_syllables(text[1:])]
    return _alone(words[i])


@lru_cache(maxsize=16384)
def _alone(word: Word) -> tuple[str, ...]:
    """The reading of a word whatever stands beside it."""
    text = word.text
    found = phrases().get(text)
    if found is not None:
        return tuple(found)
    if _ROWS.fullmatch(text):
        return *_word([Word(text[:-1], "m")], 0), "hang2"
    if _PIECES.fullmatch(text):
        return *word_syllables(text[:-1]), "zhi1" if text[-1] == "只" else "zhuang4"
    if len(text) == 2 and text[0] == "姓" and text[1] in _SURNAMES:
        return "xing4", _SURNAMES[text[1]]
    if text[0] in _NAME_BEGINS and word.tag == "nr" and 2 <= len(text) <= 3:
        return _SURNAMES[text[0]], *word_syllables(text[1:])
    if len(text) == 2 and text[1] == "着" and word.tag[:1] == "v":
        return *_word([Word(text[0], "v")], 0), "zhe5"
    if len(text) == 3 and text[1] == "得" and text[0] not in "获取赢夺博心难不":
        return *_word([Word(text[0], "v")], 0), "de5", *_word([Word(text[2], "a")], 0)
    if len(text) == 2 and text[0] in "很太更最越真" and text[1] in "长重":
        return *word_syllables(text[0]), "chang2" if text[1] == "长" else "zhong4"
    for size in (3, 2):
        # A listed phrase at either end of a longer word that the dictionary does not list.
        if len(text) > size and text[:size] in phrases():
            return *phrases()[text[:size]], *_word([Word(text[size:], word.tag)], 0)
        if len(text) > size and text[-size:] in phrases():
            return *_word([Word(text[:-size], word.tag)], 0), *phrases()[text[-size:]]
    return word_syllables(text)


def _is_known_pair(pair: str) -> bool:
    """Whether pypinyin lists it; where a rule below knows more, the rule decides."""
    return len(pair) == 2 and not any(c in _RULES or c == "一" for c in pair) and bool(listed_phrase(pair))


def _names(words: list[Word], i: int) -> bool:
    """Whether a one-character word is a surname: 姓单, 仇先生."""
    before, after = words[i - 1].text if i else "", words[i + 1].text if i + 1 < len(words) else ""
    return before.endswith("姓") or bool(_TITLE.match(after))


def _de(place: Place) -> str:
    """得: must (before a verb, after a subject), else the particle."""
    before, after = place.before, place.after
    if before.tag == "m":
        return "de2"
    if before.tag[:1] in {"v", "a", "i", "l"} or before.text in {"想", "来", "过"}:
        return "de5"
    if not before.text and after.text.startswith("了"):
        return "de2"
    if after.tag[:1] in {"v", "p", "d"} or after.text[:1] in "把先去有":
        return "dei3"
    return "de2" if after.tag[:1] in {"m", "n"} else "de5"


def _di(place: Place) -> str:
    """地: the adverb's particle, else the noun."""
    verbal = place.after.tag[:1] in {"v", "d", "p", "a", "l", "i", "r"} or not place.after.text
    return "de5" if place.before.text and _is_adverbial(place.before) and verbal else "di4"


def _is_adverbial(word: Word) -> bool:
    """Whether 地 makes an adverb of a word."""
    return word.tag[:1] in {"d", "a", "z", "i", "l", "v", "o", "b"} or word.text[-1:] in {"样", "般"}


def _hai(place: Place) -> str:
    return "huan2" if re.match("[钱书债款清贷账给]|[了完]$", place.after.text) and place.before.tag != "c" else "hai2"


def _zhang(place: Place) -> str:
    grows = place.after.text[:1] and place.after.text[0] in "得大出满成高胖了着在到进什啥"
    subject = place.before.tag[:1] in {"n", "r", "v", "d"} and place.before.text not in _DEGREE
    return "zhang3" if grows and (subject or not place.before.text) else "chang2"


def _hang(place: Place) -> str:
    return "hang2" if place.before.tag[:1] == "m" else "xing2"


def _wei(place: Place) -> str:
    linking = place.before.tag[:1] in {"v", "n", "d"} and place.after.tag[:1] in {"m", "n", "a", "x"}
    reason = place.after.text in {"什么", "何", "此", "了", "其"} or place.after.tag[:1] == "r"
    return "wei2" if (linking and not reason and place.before.tag != "n") or place.after.tag[:1] == "m" else "wei4"


def _zhi(place: Place) -> str:
    return (
        "zhi1" if place.before.tag[:1] == "m" or place.before.text in {"这", "那", "哪", "每", "几", "两"} else "zhi3"
    )


def _zhong(place: Place) -> str:
    plants = place.before.tag[:1] != "m" and place.before.text not in set("这那哪每各几某两") | {"什么"}
    return (
        "zhong4"
        if plants and re.match("[了过着下上在树花菜地田瓜豆草]|庄稼|粮食|水稻|玉米|蔬菜|小麦", place.after.text)
        else "zhong3"
    )


def _chong(place: Place) -> str:
    return "chong2" if place.after.tag[:1] == "v" and place.before.text not in _DEGREE else "zhong4"


def _shu(place: Place) -> str:
    counts = re.match("[了着过]", place.after.text) or (
        re.match("[一数钱到出不]", place.after.text) and place.before.tag[:1] != "n"
    )
    return "shu3" if counts else "shu4"


def _dao(place: Place) -> str:
    fell = place.before.tag[:1] == "v" and len(place.before.text) == 1
    return "dao3" if fell or re.match("[了下在闭塌]", place.after.text) else "dao4"


def _diao(place: Place) -> str:
    return "tiao2" if re.match("[高低大小整音好节成到一]", place.after.text) else "diao4"


def _liang(place: Place) -> str:
    return "liang2" if re.match("一|了|体温|血压|身高|尺寸", place.after.text) else "liang4"


def _gan(place: Place) -> str:
    return "gan1" if place.before.text in _DEGREE or re.match("[了透枯燥]", place.after.text) else "gan4"


def _chu(place: Place) -> str:
    return "chu3" if place.after.text[:1] and place.after.text[0] in "在于死事理" else "chu4"


def _bei(place: Place) -> str:
    return "bei1" if re.match("[着包起了]|书包", place.after.text) else "bei4"


def _jiao(place: Place) -> str:
    return "jiao1" if place.after.tag[:1] in {"r", "n", "v"} or place.after.text[:1] in "会给" else "jiao4"


def _ceng(place: Place) -> str:
    return "zeng1" if place.word.tag == "nr" else "ceng2"


def _shang(place: Place) -> str:
    """上 after a noun, unless it is the verb."""
    after = place.after.tag[:1]
    noun = place.before.tag[:1] == "n" and place.before.tag != "nr"
    return "shang5" if noun and after in {"x", "u", "v", "d", "p", "c", "r", "a"} else "shang4"


def _li(place: Place) -> str:
    return "li5" if place.before.tag[:1] in {"n", "s"} and place.before.tag != "nr" else "li3"


_ROWS = re.compile("第?[一二三四五六七八九十两几]+行")
_PIECES = re.compile("[一二三四五六七八九十两几百千万]+[只幢]")
_SURNAMES = {
    "单": "shan4", "仇": "qiu2", "解": "xie4", "任": "ren2", "曾": "zeng1", "查": "zha1", "区": "ou1", "朴": "piao2",
    "华": "hua4", "乐": "yue4", "葛": "ge3", "燕": "yan1", "缪": "miao4", "召": "shao4", "冼": "xian3", "盖": "ge3",
    "员": "yun4", "黑": "he4", "繁": "po2", "重": "chong2", "宁": "ning4", "应": "ying1",
}  # fmt: skip
_NAME_BEGINS = frozenset("单仇解任曾朴")
_TITLE = re.compile("先生|女士|小姐|太太|老师|教授|医生|主任|经理|总[^是共在体统]?$|局长|校长|同学|某|氏")
_MARKS = frozenset("!?…,.-")
_DEGREE = frozenset(
    [
    "很", "太", "更", "最", "不", "多", "越", "好", "真", "非常", "十分", "特别", "有点", "比较", "这么", "那么",
    "极", "挺", "较", "够", "如此",
    ]
)  # fmt: skip
_RULES: dict[str, Callable[[Place], str]] = {
    "得": _de, "地": _di, "还": _hai, "长": _zhang, "行": _hang, "为": _wei, "只": _zhi, "种": _zhong, "重": _chong,
    "数": _shu, "倒": _dao, "调": _diao, "量": _liang, "干": _gan, "处": _chu, "背": _bei, "教": _jiao, "曾": _ceng,
    "上": _shang, "里": _li,
}  # fmt: skip
