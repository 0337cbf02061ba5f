"""Written Chinese to spoken words exactly as the public GPT-SoVITS does it, faults included.

The order of the rules is part of the behaviour: `1-2个` becomes 一减两个 because arithmetic comes before ranges.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from feature_extractor.text.characters import ascii_digits, read_pairs
from feature_extractor.text.zh.characters import half_width, simplify
from feature_extractor.text.zh.numbers import cardinal, digits, number
from gpt_sovits.core.resources import resource

_MEASURES = {
    "cm2": "平方厘米", "cm²": "平方厘米", "cm3": "立方厘米", "cm³": "立方厘米", "cm": "厘米", "db": "分贝",
    "ds": "毫秒", "kg": "千克", "km": "千米", "m2": "平方米", "m²": "平方米",
    "m³": "立方米", "m3": "立方米", "ml": "毫升",
    "m": "米", "mm": "毫米", "s": "秒",
}  # fmt: skip
_OPERATORS = {"+": "加", "-": "减", "×": "乘", "÷": "除", "=": "等于"}
_POWERS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹ˣʸⁿ", "0123456789xyn", strict=True))
QUANTIFIERS = (
    "处|台|架|枚|趟|幅|平|方|堵|间|床|株|批|项|例|列|篇|栋|注|亩|封|艘|把|目|套|段|人|所|朵|匹|张|座|回|场|尾|条|个|首|阙|阵|网|炮|"
    "顶|丘|棵|只|支|袭|辆|挑|担|颗|壳|窠|曲|墙|群|腔|砣|客|贯|扎|捆|刀|令|打|手|罗|坡|山|岭|江|溪|钟|队|单|双|对|出|口|头|脚|板|跳|"
    "枝|件|贴|针|线|管|名|位|身|堂|课|本|页|家|户|层|丝|毫|厘|分|钱|两|斤|铢|石|钧|锱|忽|(?:千|毫|微)克|公分|寸|尺|丈|里|寻|常|铺|程|"
    "(?:千|分|厘|毫|微)米|米|撮|勺|合|升|斗|盘|碗|碟|叠|桶|笼|盆|盒|杯|斛|锅|簋|篮|罐|瓶|壶|卮|盏|箩|箱|煲|啖|袋|钵|年|月|日|季|刻|时|"
    "周|天|秒|小时|旬|纪|岁|世|更|夜|春|夏|秋|冬|代|伏|辈|丸|泡|粒|幢|堆|根|道|面|片|块|(?:亿|千万|百万|万|千|百|美)?元|亿|千万|百万|"
    "万|千|百|(?:亿|千万|百万|万|千|百|十)?吨|(?:亿|千万|百万|万|千|百)块|角|毛|公(?:里|引|丈|尺|寸|分|釐)"
)
_TERM = r"(?:-?(?:\d+(?:\.\d+)?[⁰¹²³⁴⁵⁶⁷⁸⁹ˣʸⁿ]*)|\.\d+|[A-Za-z][⁰¹²³⁴⁵⁶⁷⁸⁹ˣʸⁿ]*)"
_SIGNED = r"(-?)(\d+(?:\.\d+)?)"
_UNIT = r"(?:%|°C|℃|度|摄氏度|cm2|cm²|cm3|cm³|cm|db|ds|kg|km|m2|m²|m³|m3|ml|m|mm|s)?"
_CLOCK = r"([0-1]?[0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?"
_MARKS = {
    "：": ",", "；": ",", "，": ",", "。": ".", "！": "!", "？": "?", "\n": ".", "·": ",", "、": ",", "...": "…",
    "$": ".", "/": ",", "—": "-", "~": "…", "～": "…",
}  # fmt: skip
_KEPT_MARKS = "!?…,.\\-"


def normalise(text: str) -> str:
    """Characters 一-龥 and the marks `! ? … , . -` only."""
    spoken = "".join(spoken_marks(sentence) for sentence in sentences(text))
    return re.sub(f"([{_KEPT_MARKS}])[{_KEPT_MARKS}]+", r"\1", spoken)


def sentences(text: str) -> list[str]:
    """Cut at marks, and spell out every number and symbol of each part."""
    text = re.sub(r"[——《》【】<>{}()（）#&@“”^_|\\]", "", text.replace(" ", ""))
    text = re.sub(r"([：、，；。？！,;?!][”’]?)", r"\1\n", text).strip()
    return [_sentence(part.strip()) for part in re.split(r"\n+", text)]


def long_digits(text: str) -> str:
    """Read more than thirty digits in a row one by one, before the rules, which take long to look through them."""
    return re.sub(r"\d{31,}", lambda m: digits(m[0], one="幺"), text)


def spoken_marks(text: str, interjections: bool = True) -> str:
    """Map the marks to the few that are phones, and delete all else that is not a common character.

    Args:
        interjections: also write 嗯 and 呣 as 恩 and 母, as is done for Mandarin but not for Cantonese.
    """
    if interjections:
        text = text.replace("嗯", "恩").replace("呣", "母")
    text = re.sub("|".join(map(re.escape, _MARKS)), lambda m: _MARKS[m[0]], text)
    return re.sub(f"[^\u4e00-\u9fa5{_KEPT_MARKS}]+", "", text)


@lru_cache(maxsize=1)
def _symbols() -> dict[str, str]:
    return read_pairs(resource("res", "text", "zh", "public_symbols.tsv"))


def _sentence(text: str) -> str:
    text = long_digits(half_width(simplify(ascii_digits(text))))
    for pattern, replace in _rules():
        text = pattern.sub(replace, text)
    for symbol, words in _symbols().items():
        text = text.replace(symbol, words)
    return re.sub(r"[-——《》【】<=>{}()（）#&@“”^_|\\]", "", text)


@lru_cache(maxsize=1)
def _rules() -> list[tuple[re.Pattern[str], Callable[[re.Match[str]], str]]]:
    table: list[tuple[str, Callable[[re.Match[str]], str]]] = [
        (r"(\d{4}|\d{2})年(?:(0?[1-9]|1[0-2])月)?(?:(0?[1-9]|[12][0-9]|30|31)([日号]))?", _date),
        (r"(\d{4})([- /.])(0[1-9]|1[012])\2(0[1-9]|[12][0-9]|3[01])", _numeric_date),
        (rf"{_CLOCK}[~-]{_CLOCK}", lambda m: f"{_clock(*m.groups()[:3])}至{_clock(*m.groups()[3:])}"),
        (_CLOCK, lambda m: _clock(*m.groups())),
        (rf"({_TERM}{_UNIT})~(?={_TERM}(?:%|°C|℃|度|摄氏度|cm|db|ds|kg|km|m|s))", lambda m: f"{m[1]}至"),
        (r"(-?)(\d+(?:\.\d+)?)(°C|℃|度|摄氏度)", _temperature),
        (r"$^", lambda m: ""),
        (r"([⁰¹²³⁴⁵⁶⁷⁸⁹ˣʸⁿ]+)", lambda m: f"的{''.join(_POWERS[c] for c in m[1])}次方"),
        (r"(-?)(\d+)/(\d+)", lambda m: f"{'负' * bool(m[1])}{cardinal(m[3])}分之{cardinal(m[2])}"),
        (r"(-?)(\d+(?:\.\d+)?)%", lambda m: f"{'负' * bool(m[1])}百分之{number(m[2])}"),
        (r"(?<!\d)((?:\+?86 ?)?1(?:[38]\d|5[0-35-9]|7[678]|9[89])\d{8})(?!\d)", _mobile),
        (r"(?<!\d)((?:0(?:10|2[1-3]|[3-9]\d{2})-?)?[1-9]\d{6,7})(?!\d)", _phone),
        (r"(400-?\d{3}-?\d{4})", _phone),
        (rf"(?<![\d+\-×÷=]){_SIGNED}[-~]{_SIGNED}(?![\d+\-×÷=])", _range),
        (r"(-)(\d+)", lambda m: f"负{cardinal(m[2])}"),
        (r"(\d+\.\d+(?:\.\d+)?(?:\.\d+)+)", lambda m: "点".join(cardinal(part) for part in m[1].split("."))),
        (r"(-?)(\d+\.\d+)|\.(\d+)", _decimal),
        (rf"(\d+)([多余几+])?({QUANTIFIERS})", _quantity),
        (r"\d{3}\d*", lambda m: digits(m[0], one="幺")),
        (r"(-?)(\d+(?:\.\d+)?)|\.(\d+)", _decimal),
    ]
    rules = [(re.compile(pattern), replace) for pattern, replace in table]
    rules[6] = (re.compile(r"(?s).+"), _measures_and_sums)
    return rules


def _measures_and_sums(match: re.Match[str]) -> str:
    text = match[0]
    for unit, words in _MEASURES.items():
        text = text.replace(unit, words)
    sums = re.compile(rf"({_TERM})([+\-×÷=])({_TERM})")
    while sums.search(text):
        text = sums.sub(lambda m: m[1] + _OPERATORS[m[2]] + m[3], text)
    return text


def _date(match: re.Match[str]) -> str:
    year, month, day, unit = match.groups()
    return f"{digits(year)}年" + (f"{cardinal(month)}月" if month else "") + (f"{cardinal(day)}{unit}" if day else "")


def _numeric_date(match: re.Match[str]) -> str:
    return f"{digits(match[1])}年{cardinal(match[3])}月{cardinal(match[4])}日"


def _clock(hour: str, minute: str, second: str | None) -> str:
    words = f"{cardinal(hour)}点"
    if minute.lstrip("0"):
        words += "半" if minute == "30" else f"{_two_digits(minute)}分"
    if second and second.lstrip("0"):
        words += f"{_two_digits(second)}秒"
    return words


def _two_digits(text: str) -> str:
    return ("零" if text.startswith("0") else "") + cardinal(text)


def _temperature(match: re.Match[str]) -> str:
    unit = "摄氏度" if match[3] == "摄氏度" else "度"
    return f"{'零下' if match[1] else ''}{number(match[2])}{unit}"


def _mobile(match: re.Match[str]) -> str:
    return "，".join(digits(part, one="幺") for part in match[1].strip("+").split())


def _phone(match: re.Match[str]) -> str:
    return "，".join(digits(part, one="幺") for part in match[1].split("-"))


def _range(match: re.Match[str]) -> str:
    first, second = ("负" * bool(match[i]) + number(match[i + 1]) for i in (1, 3))
    return f"{first}到{second}"


def _decimal(match: re.Match[str]) -> str:
    if match[3]:
        return f"零点{digits(match[3])}"
    return "负" * bool(match[1]) + number(match[2])


def _quantity(match: re.Match[str]) -> str:
    words = cardinal(match[1])
    more = "多" if match[2] == "+" else match[2] or ""
    return ("两" if words == "二" else words) + more + match[3]
