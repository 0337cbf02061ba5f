"""Written Cantonese to spoken words: numbers, dates, times, money, units, telephone numbers, symbols."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from feature_extractor.text.characters import ascii_digits, read_pairs
from feature_extractor.text.yue.characters import traditional
from feature_extractor.text.yue.numbers import cardinal, count, digits, number
from feature_extractor.text.zh.characters import half_width
from gpt_sovits.core.resources import resource

_FORMS = str.maketrans("％＋－／＝～：＄＠＆＜＞．﹣−‐–＃", "%+-/=~:$@&<>.---–#")
_MARKS = str.maketrans(
    '，、；;：:。！？\n—–~（）()【】[]/|•⋯｡､「」『』《》〈〉“”"', ",,,,,,.!?.,,,,,,,,,,,,,,….,           ", "･·"
)
_MONEY = {
    "HK$": "港元",
    "US$": "美元",
    "NT$": "新台幣",
    "A$": "澳元",
    "￥": "元",
    "¥": "元",
    "€": "歐元",
    "£": "英鎊",
    "₩": "韓圜",
}
_NUM = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
_CLOCK = r"([01]?\d|2[0-4]):([0-5]\d)(?::([0-5]\d))?(?!\d)"
_NOT_TWO = "月號樓級班期線代世百十路座室"
_COUNTED = (
    "個|隻|條|張|本|部|架|間|次|位|名|件|份|杯|碗|碟|枝|支|把|對|雙|套|層|頁|封|粒|塊|片|包|盒|箱|袋|樽|罐|棵|朵|"
    "座|幢|棟|場|班|篇|首|句|段|題|項|款|種|類|組|隊|輪|季|歲|年|日|晚|週|星期|禮拜|點|鐘頭|小時|分鐘|秒|分|秒鐘|倍|成|蚊|元|毫|"
    "萬|億|千|人|戶|口|啖|餐|味|呎|米|公里|公斤|斤|磅|吋|里|寸|噸|升|度|號|月|樓|期|線|代|路"
)
_CODE_WORDS = (
    "(?:號碼|編號|密碼|代碼|電話|熱線|打去|致電|房號|房間|班機|航班|車牌|郵編|尾數|戶口|賬號|帳號|學號|證號|手機|"
    "手提|傳真|內線)"
)
Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], str]]


def normalise(text: str) -> str:
    """Traditional characters and the marks `! ? … , .` only."""
    text = traditional(half_width(ascii_digits(text.strip())).translate(_FORMS))
    text = re.sub(r"(?<=[^\d\s])\s+(?=\d)|(?<=\d)\s+(?=[^\d\s])", "", text)
    text = re.sub(r"\d{31,}", lambda m: digits(m[0]), text)
    for pattern, replace in _rules():
        text = pattern.sub(replace, text)
    text = "".join(_symbols().get(c, c) for c in text)
    return _tidy(text)


def _tidy(text: str) -> str:
    text = re.sub(r"\.{2,}|。{2,}", "…", text).translate(_MARKS)
    text = re.sub(r"[^\u3005\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003134f!?…,.]+", "", text)
    text = re.sub(r"[!?…,.]{2,}", lambda m: next(mark for mark in "?!….," if mark in m[0]), text)
    return text.lstrip(",")


@lru_cache(maxsize=1)
def _symbols() -> dict[str, str]:
    pairs = read_pairs(resource("res", "text", "zh", "symbols.tsv"))
    return {symbol: traditional(words) for symbol, words in pairs.items()}


@lru_cache(maxsize=1)
def _units() -> dict[str, str]:
    return read_pairs(resource("res", "text", "yue", "units.tsv"))


@lru_cache(maxsize=1)
def _rules() -> list[Rule]:
    units = "|".join(sorted(map(re.escape, _units()), key=len, reverse=True))
    money = "|".join(map(re.escape, _MONEY))
    measure = rf"%|{units}|\$|[\u3400-\u9fff]"
    table: list[tuple[str, Callable[[re.Match[str]], str]]] = [
        (r"(?<![A-Za-z])CO[2₂](?![A-Za-z0-9])", lambda m: "二氧化碳"),
        (r"(?<!\d)(\d{4})[-/.](0?[1-9]|1[0-2])[-/.](0?[1-9]|[12]\d|3[01])(?!\d)", lambda m: _date(m[1], m[2], m[3])),
        (r"(?<!\d)(0?[1-9]|[12]\d|3[01])/(0?[1-9]|1[0-2])/(\d{4})(?!\d)", lambda m: _date(m[3], m[2], m[1])),
        (r"(?<!\d)(\d{4})\s?[-~–—]\s?(\d{4})(?=年|[^\d個人蚊]|$)", lambda m: f"{digits(m[1])}至{digits(m[2])}"),
        (r"(?<!\d)(\d{4}|\d{2}(?=年\d{1,2}月))年(?!前|後|來|多|嚟)", lambda m: f"{digits(m[1])}年"),
        (r"(?<![\d咗過足有用近了])([5-9]\d)年(?![代前後內來嚟間])", lambda m: f"{digits(m[1])}年"),
        (
            rf"{_CLOCK}\s?([APap])\.?[Mm](?![A-Za-z])\.?",
            lambda m: _half(m[4].lower(), m[1]) + _clock(*_twelve(m[1], m[2], m[3])),
        ),
        (
            r"(?<!\d)(1[0-2]|[1-9])\s?([APap])\.?[Mm](?![A-Za-z])\.?",
            lambda m: _half(m[2].lower(), m[1]) + _clock(m[1], "00", None),
        ),
        (r"(?<=[點半分])\s?[-~–—]\s?(?=[凌朝下夜])", lambda m: "至"),
        (rf"{_CLOCK}\s?[-~–—至到]\s?{_CLOCK}", lambda m: f"{_clock(*m.groups()[:3])}至{_clock(*m.groups()[3:])}"),
        (r"(?<=比分|比數)(\D{0,2})(\d+):(\d+)", lambda m: f"{m[1]}{cardinal(m[2])}比{cardinal(m[3])}"),
        (rf"(?<![\d:]){_CLOCK}(?!\s?:)", lambda m: _clock(*m.groups())),
        (r"(\d+)\s?:\s?(\d+)", lambda m: f"{cardinal(m[1])}比{cardinal(m[2])}"),
        (r"(?<![\d.])(?:\+?852[- ]?)([2-9]\d{3})[- ]?(\d{4})(?!\d)", lambda m: f"八五二,{_telephone(m)}"),
        (r"(?<![\d.,])([235-9]\d{3})[- ](\d{4})(?![\d年])", lambda m: _telephone(m)),
        (r"(?<![\d.,$])([235-9]\d{3})(\d{4})(?![\d個蚊元人萬億,.])", lambda m: _telephone(m)),
        (r"(?<![\d.])(?:\+?86[- ]?)?(1[3-9]\d)[- ]?(\d{4})[- ]?(\d{4})(?!\d)", lambda m: _telephone(m)),
        (rf"((?:{money}|\$)\s?{_NUM}[萬億千百]*)\s?[-~–—]\s?(?={money}|\$)", lambda m: f"{m[1]}至"),
        (rf"({money})\s?({_NUM})([萬億千百]*)", lambda m: f"{_amount(m[2], m[3])}{m[3]}{_MONEY[m[1]]}"),
        (rf"\$\s?({_NUM})([萬億千百]*)", _dollars),
        (rf"(?<![\d\u3400-\u9fff])-\s?({_NUM})\s?(?:℃|°C)|(?<=[\u3400-\u9fff])-\s?({_NUM})\s?(?:℃|°C)",
         lambda m: f"零下{number(m[1] or m[2])}度"),
        (rf"({_NUM})(?:℃|°C)?\s?[-~–—至到]\s?({_NUM})\s?(?:℃|°C)", lambda m: f"攝氏{number(m[1])}至{number(m[2])}度"),
        (rf"({_NUM})\s?(?:℃|°C)", lambda m: f"攝氏{number(m[1])}度"),
        (rf"({_NUM})\s?(?:℉|°F)", lambda m: f"華氏{number(m[1])}度"),
        (rf"({_NUM})(\s?(?:%|[萬億千]|{units}))?\s?[-~–—]\s?(?=-?{_NUM}(?:{measure}))", _from_to),
        (rf"(-?)({_NUM})%", lambda m: f"{'負' * bool(m[1])}百分之{number(m[2])}"),
        (rf"({_NUM})‰", lambda m: f"千分之{number(m[1])}"),
        (r"(?<![\d.])(\d+)/(\d+)(?![\d/])", lambda m: f"{cardinal(m[2])}分之{cardinal(m[1])}"),
        (rf"({_NUM})\s?km/h", lambda m: f"每小時{number(m[1])}公里"),
        (rf"({_NUM})\s?m/s", lambda m: f"每秒{number(m[1])}米"),
        (rf"({_NUM})\s?({units})(?![A-Za-z0-9])", lambda m: f"{_amount(m[1], '')}{_units()[m[2]]}"),
        (r"(?<=[\u3400-\u9fff])/(?=(?:秒|分|小時|日|月|年|人|次|個|斤|公斤|噸|米|呎))", lambda m: "每"),
        (rf"({_NUM})\^(-?)({_NUM})", lambda m: f"{number(m[1])}嘅{'負' * bool(m[2])}{number(m[3])}次方"),
        (r"(?<=[\d)）])\s?-\s?(?=\d[\d.+×÷*-]*=)", lambda m: "減"),
        (r"(?<=\d)\s?[*xX]\s?(?=\d)", lambda m: "乘"),
        (r"\d+(?:\.\d+){2,}", lambda m: "點".join(cardinal(part) for part in m[0].split("."))),
        (r"(?<![\d\u3400-\u9fff])-(?=\d)|(?<=[是係為到至=])-(?=\d)", lambda m: "負"),
        (r"(?<=\d)-(?=\d)", lambda m: ","),
        (rf"(?<=[打撥])(\d{{3,5}})(?!\d|{_COUNTED})", lambda m: digits(m[1])),
        (rf"({_CODE_WORDS}[^\d,.，。]{{0,3}})(\d{{3,}})", lambda m: m[1] + digits(m[2])),
        (rf"({_NUM})([多幾余餘+]?)({_COUNTED}|只)", _quantity),
        (rf"{_NUM}|\.\d+", lambda m: _bare(m[0])),
    ]  # fmt: skip
    return [(re.compile(pattern), replace) for pattern, replace in table]


def _bare(text: str) -> str:
    """A bare number; long ones and those that start with a zero are codes."""
    text = f"0{text}" if text.startswith(".") else text.replace(",", "")
    if "." not in text and ((len(text) > 1 and text[0] == "0") or len(text) > 10):
        return digits(text)
    return number(text)


def _amount(text: str, following: str) -> str:
    text = text.replace(",", "")
    if "." in text:
        return number(text.rstrip("0").rstrip("."))
    return number(text) if following[:1] in {"百", "十"} else count(text)


def _dollars(match: re.Match[str]) -> str:
    """Hong Kong dollars as they are spoken: 五十蚊, 三蚊半, 十二蚊八毫, but 三億元."""
    text, large = match[1].replace(",", ""), match[2]
    whole, _, cents = text.partition(".")
    cents = cents.rstrip("0")
    if large:
        return f"{_amount(text, large)}{large}{'元' if large[-1] in '億' else '蚊'}"
    if len(cents) == 1 and whole.strip("0"):
        return f"{count(whole)}蚊{'半' if cents == '5' else digits(cents) + '毫'}"
    return f"{count(cents)}毫" if len(cents) == 1 else f"{_amount(text, '')}蚊"


def _quantity(match: re.Match[str]) -> str:
    text, more, unit = match[1].replace(",", ""), match[2].replace("+", "多"), match[3].replace("只", "隻")
    if "." in text:
        return number(text) + more + unit
    if (text[0] == "0" and len(text) > 1) or len(text) > 10:
        return digits(text) + more + unit
    before = match.string[: match.start()]
    if before.endswith((".", "第", "初", "月")) or unit[0] in _NOT_TWO:
        return cardinal(text) + more + unit
    return count(text) + more + unit


def _date(year: str, month: str, day: str) -> str:
    return f"{digits(year)}年{cardinal(month)}月{cardinal(day)}日"


def _clock(hour: str, minute: str, second: str | None) -> str:
    words = f"{count(hour.lstrip('0') or '0')}點"
    if int(minute) or int(second or 0):
        words += "半" if minute == "30" and not int(second or 0) else _two_digits(minute) + "分"
    return words + (_two_digits(second) + "秒" if second and int(second) else "")


def _twelve(hour: str, minute: str, second: str | None) -> tuple[str, str, str | None]:
    return (str(int(hour) - 12) if int(hour) > 12 else hour), minute, second


def _half(half: str, hour: str) -> str:
    if half == "a":
        return "凌晨" if int(hour) % 12 < 5 else "朝早"
    return "下晝" if int(hour) % 12 < 6 else "夜晚"


def _two_digits(text: str) -> str:
    return ("零" if text[0] == "0" and text != "00" else "") + cardinal(text)


def _telephone(match: re.Match[str]) -> str:
    return ",".join(digits(part) for part in match.groups() if part)


def _from_to(match: re.Match[str]) -> str:
    text, unit = match[1].replace(",", ""), (match[2] or "").strip()
    if unit == "%":
        return f"百分之{number(text)}至"
    follows = match.string[match.end() :]
    counts = text == "2" and not re.match(rf"{_NUM}[{_NOT_TWO}%]", follows)
    return f"{'兩' if counts else number(text)}{_units().get(unit, unit)}至"
