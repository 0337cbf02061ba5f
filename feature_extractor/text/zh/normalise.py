"""Written Chinese to spoken words: numbers, dates, times, money, units, telephone numbers, symbols."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from feature_extractor.text.characters import ascii_digits, read_pairs
from feature_extractor.text.zh.characters import half_width, simplify
from feature_extractor.text.zh.numbers import cardinal, digits, number
from feature_extractor.text.zh.public_normalise import QUANTIFIERS, long_digits
from gpt_sovits.core.resources import resource

_MONEY = {"￥": "元", "¥": "元", "$": "美元", "€": "欧元", "£": "英镑", "₩": "韩元", "₹": "卢比"}
_FORMS = str.maketrans("％＋－／＝～：＄＠＆＜＞．﹣−‐–＃", "%+-/=~:$@&<>.---–#")
_MARKS = str.maketrans("，、；;：:。！？\n—–~（）()【】[]/|•⋯｡､", ",,,,,,.!?.,,,,,,,,,,,,,,….,", "･·")
_INT = r"\d{1,3}(?:,\d{3})+|\d+"
_NUM = rf"(?:{_INT})(?:\.\d+)?"
_CLOCK = r"([01]?\d|2[0-4]):([0-5]\d)(?::([0-5]\d))?(?!\d)"
_CODE_WORDS = (
    r"(?:号码|编号|代码|密码|房间|航班|车牌|QQ|电话|热线|拨打|邮编|尾号|账号|帐号|"
    r"学号|工号|证号|手机|座机|传真|分机|验证码)"
)
_COUNTED = "次|遍|倍|部|届|款|步|句|声|圈|番|种|类|组|点半|点钟|下"
# 着 in traditional texts; 著 remains where it means written or famous.
_DURING = re.compile("(?<![名原专论编显卓巨译遗土合拙新昭执所])著(?![名作书称述者有于录文])")
_NOT_TWO = "月日号楼层级等班路期线环代世百十"
Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], str]]


def normalise(text: str) -> str:
    """Chinese characters and the marks `! ? … , .` only."""
    text = half_width(simplify(ascii_digits(text.strip()))).translate(_FORMS)
    text = _DURING.sub("着", text)
    text = re.sub(r"(?<=[^\d\s])\s+(?=\d)|(?<=\d)\s+(?=[^\d\s])", "", text)
    text = long_digits(text)
    for pattern, replace in _rules():
        text = pattern.sub(replace, text)
    text = "".join(_symbols().get(c, c) for c in text)
    return _tidy(text)


@lru_cache(maxsize=1)
def _symbols() -> dict[str, str]:
    return read_pairs(resource("res", "text", "zh", "symbols.tsv"))


@lru_cache(maxsize=1)
def _units() -> dict[str, str]:
    return read_pairs(resource("res", "text", "zh", "units.tsv"))


def _tidy(text: str) -> str:
    text = re.sub(r"\.{2,}|。{2,}", "…", text)
    text = text.translate(_MARKS)
    text = re.sub(r"[^\u3400-\u9fff\U00020000-\U0003134f!?…,.]+", "", text)
    text = re.sub(r"[!?…,.]{2,}", lambda m: next(mark for mark in "?!….," if mark in m[0]), text)
    return text.lstrip(",")


@lru_cache(maxsize=1)
def _rules() -> list[Rule]:
    units = "|".join(sorted(map(re.escape, _units()), key=len, reverse=True))
    table: list[tuple[str, Callable[[re.Match[str]], str]]] = [
        (r"(?<![A-Za-z])CO[2₂](?![A-Za-z0-9])", lambda m: "二氧化碳"),
        (r"(\d{4})[-/.](0?[1-9]|1[0-2])[-/.](0?[1-9]|[12]\d|3[01])(?!\d)", _date),
        (
            r"(?<!\d)((?:1[5-9]|20)\d\d)\s?[-~–—至到]\s?((?:1[5-9]|20)\d\d)(?=年)",
            lambda m: f"{digits(m[1])}到{digits(m[2])}",
        ),
        (r"(?<!\d)(\d[05])后(?![面来天年悔续半])", lambda m: f"{digits(m[1])}后"),
        (
            r"(?<!\d)(\d{4})年(?=代|度|初|底|末|中|春|夏|秋|冬|版|款|级|,|，|。|\d|[^前来间多的以]|$)",
            lambda m: f"{digits(m[1])}年",
        ),
        (r"(?<!\d)(\d{2})年(?=\d{1,2}月)", lambda m: f"{digits(m[1])}年"),
        (rf"{_CLOCK}\s?[-~–—至到]\s?{_CLOCK}", lambda m: f"{_clock(*m.groups()[:3])}到{_clock(*m.groups()[3:])}"),
        (r"(?<=比分)(\D{0,2})(\d+):(\d+)", lambda m: f"{m[1]}{cardinal(m[2])}比{cardinal(m[3])}"),
        (rf"(?<![\d:]){_CLOCK}(?!\s?[:：])", lambda m: _clock(*m.groups())),
        (r"(\d+)\s?:\s?(\d+)", lambda m: f"{cardinal(m[1])}比{cardinal(m[2])}"),
        (r"(?<![\d.])(?:\+?86[- ]?)?(1[3-9]\d)[- ]?(\d{4})[- ]?(\d{4})(?!\d)", _telephone),
        (r"(?<![\d.])(0\d{2,3})-(\d{7,8})(?!\d)|(?<![\d.])([48]00)-?(\d{3,4})-?(\d{3,4})(?!\d)", _telephone),
        (rf"([￥¥$€£₩₹])\s?({_NUM})([万亿千百]*)元?", lambda m: f"{_amount(m[2], m[3])}{m[3]}{_MONEY[m[1]]}"),
        (rf"(?<!\d)-\s?(?={_NUM}\s?(?:℃|°C|度|摄氏度))", lambda m: "零下"),
        (r"(?<!\d)(\d{4})\s?[-~–—]\s?(\d{4})(?!\d)", lambda m: f"{digits(m[1])}到{digits(m[2])}"),
        (rf"({_NUM})(\s?(?:%|[万亿千]|{units}))?\s?[-~–—]\s?(?=-?{_NUM}(?:%|{units}|[\u4e00-\u9fff]))", _from_to),
        (rf"(-?)({_NUM})%", lambda m: f"{'负' * bool(m[1])}百分之{_number(m[2])}"),
        (rf"({_NUM})‰", lambda m: f"千分之{_number(m[1])}"),
        (r"(?<![\d.])(\d+)/(\d+)(?![\d/])", lambda m: f"{cardinal(m[2])}分之{cardinal(m[1])}"),
        (r"(\d+)°\s?(\d+)[′'](?:\s?(\d+)[″\"])?", _angle),
        (r"(?<=\d)([²³])", lambda m: "的平方" if m[1] == "²" else "的立方"),
        (r"(?<=[日号月年天点分])\s?[-~–—]\s?(?=\d{1,4}[日号月年天点])", lambda m: "到"),
        (r"(?<![\d.])(\d{1,2})·(\d{1,2})(?![\d.])", lambda m: digits(m[1]) + digits(m[2])),
        (r"(?<![\d.,])(1008[56]|10010|123(?:06|15|45|33|20)|955\d\d)(?![\d.,])", lambda m: digits(m[1], one="幺")),
        (rf"(?<=[打拨])(\d{{3}})(?!\d|{QUANTIFIERS}|折|分)", lambda m: digits(m[1], one="幺")),
        (rf"({_NUM})\s?({units})(?![A-Za-z0-9])", lambda m: f"{_amount(m[1], _units()[m[2]])}{_units()[m[2]]}"),
        (r"(?<=[\u4e00-\u9fff])/(?=(?:秒|分|小时|天|月|年|人|次|个|斤|公斤|吨|米|平方米))", lambda m: "每"),
        (rf"({_NUM})\^(-?)({_NUM})", lambda m: f"{_number(m[1])}的{'负' * bool(m[2])}{_number(m[3])}次方"),
        (
            r"(?<=[\d)）])\s?-\s?(?=\d[\d.+×÷*-]*=)|(?<==)-(?=\d)",
            lambda m: "减" if m.start() and m.string[m.start() - 1] != "=" else "负",
        ),
        (r"(?<=\d)\s?[*xX]\s?(?=\d)", lambda m: "乘"),
        (r"\d+(?:\.\d+){2,}", lambda m: "点".join(cardinal(part) for part in m[0].split("."))),
        (r"(?<![\d\u4e00-\u9fff])-(?=\d)|(?<=[是为到至])-(?=\d)", lambda m: "负"),
        (r"(?<=\d)-(?=\d)", lambda m: ","),
        (rf"({_CODE_WORDS}\D{{0,3}})(\d{{3,}})", lambda m: m[1] + digits(m[2], one="幺")),
        (r"(?<![\d.])(\d{3,4})(?=(?:会议|办公|教|病|包|客|号)?室|号?房[间，,。号]|(?:病|客)房)", lambda m: _room(m[1])),
        (r"(?<=[号楼栋幢])(\d{1,2})(?=单元)", lambda m: cardinal(m[1])),
        (rf"({_NUM})([多余几+]?)({_COUNTED}|{QUANTIFIERS})", _quantity),
        (rf"{_NUM}|\.\d+", lambda m: _number(m[0])),
    ]
    return [(re.compile(pattern), replace) for pattern, replace in table]


def _number(text: str) -> str:
    """A bare number; long ones and those that start with a zero are codes."""
    text = text.replace(",", "")
    if text.startswith("."):
        text = f"0{text}"
    whole = text.partition(".")[0]
    if "." not in text and ((len(text) > 1 and text[0] == "0") or len(text) > 10):
        return digits(text, one="幺")
    return _liang(number(text)) if len(whole) > 3 else number(text)


def _liang(words: str) -> str:
    """两 instead of 二 before 千, 万 and 亿: 两千, 一万两千."""
    return re.sub(r"(?<!十)二(?=[千万亿])", "两", words)


def _amount(text: str, following: str) -> str:
    """A number that counts something; trailing zeros of a decimal are dropped."""
    text = text.replace(",", "")
    if "." in text:
        return number(text.rstrip("0").rstrip("."))
    return "两" if text == "2" and following[:1] not in {"", "百", "十"} else _liang(cardinal(text))


def _quantity(match: re.Match[str]) -> str:
    count, more, unit = match.groups()
    count = count.replace(",", "")
    if "." in count:
        return _amount(count, unit) + more + unit
    before = match.string[: match.start()]
    if (count[0] == "0" and len(count) > 1) or len(count) > 10:
        return digits(count, one="幺") + unit
    if before.endswith((".", "第", "点", "初")) or unit[0] in _NOT_TWO:
        return _liang(cardinal(count)) + more.replace("+", "多") + unit
    words = "两" if count == "2" else _liang(cardinal(count))
    return words + more.replace("+", "多") + unit


def _room(text: str) -> str:
    """302 三零二, but 100 一百."""
    return cardinal(text) if text.endswith("00") else digits(text)


def _date(match: re.Match[str]) -> str:
    return f"{digits(match[1])}年{cardinal(match[2])}月{cardinal(match[3])}日"


def _clock(hour: str, minute: str, second: str | None) -> str:
    words = f"{'两' if hour in ('2', '02') else cardinal(hour)}点"
    if int(minute) or int(second or 0):
        words += "半" if minute == "30" and not int(second or 0) else _two_digits(minute) + "分"
    return words + (_two_digits(second) + "秒" if second and int(second) else "")


def _angle(match: re.Match[str]) -> str:
    words = f"{cardinal(match[1])}度{_two_digits(match[2])}分"
    return words + (f"{_two_digits(match[3])}秒" if match[3] else "")


def _two_digits(text: str) -> str:
    return ("零" if text[0] == "0" and text != "00" else "") + cardinal(text)


def _telephone(match: re.Match[str]) -> str:
    return ",".join(digits(part, one="幺") for part in match.groups() if part)


def _from_to(match: re.Match[str]) -> str:
    text, unit = match[1], (match[2] or "").strip()
    if unit == "%":
        return f"百分之{_number(text)}到"
    return f"{_number(text)}{_units().get(unit, unit)}到"
