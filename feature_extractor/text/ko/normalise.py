"""Korean text as it is said: numbers, signs and Latin letters in hangul."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache

from feature_extractor.text.characters import read_pairs
from feature_extractor.text.ko.counters import counted, spoken_count
from feature_extractor.text.ko.latin import spoken_latin
from feature_extractor.text.ko.numbers import decimal, one_by_one, roman, sino
from gpt_sovits.core.resources import resource

Rule = tuple[re.Pattern[str], Callable[["re.Match[str]"], str]]
_N = r"\d+(?:\.\d+)?"
_WAVE = "[~〜～∼]"
# Rules look at a thousand characters at most, cut at marks where there are any, so that no text takes long.
_PART = re.compile("[^!?\n]{1,1000}[!?\n]*|.", re.DOTALL)
_CURRENCIES = {"$": "달러", "€": "유로", "£": "파운드", "¥": "엔", "₩": "원"}
_MARKS = {**dict.fromkeys("、，,；;：:·・ㆍ（）()［］[]｛｝{}【】—―|/\\~〜～-–", ","), **dict.fromkeys("。．.\n", "."),
          **dict.fromkeys("！!", "!"), **dict.fromkeys("？?", "?"), "…": "…"}  # fmt: skip
_SILENT = frozenset("「」『』“”‘’\"'`〝〟«»《》〈〉<>\u200d\ufe0f_*^")
_ORNAMENTS = frozenset("♪♫♬★☆●○◎■□◆◇▲△▼▽▶◀※†‡•◦")
_DAYS = "[월화수목금토일]"
# A number in a circle names an item and a pause is behind it, but for one with a particle or a counter.
_PARTICLES = "과|와|은|는|이|가|을|를|에|의|도|만|부터|까지|로|에서|에는"
_LABEL = re.compile(rf"[①-⑳](?=[①-⑳]|\s+(?!번|항|호)[가-힣]|(?!번|항|호|(?:{_PARTICLES})(?:\s|$))[가-힣])")


def normalise(text: str) -> str:
    """The text in hangul, spaces and the marks `, . ! ? …`, but for characters that nobody can read."""
    text = re.sub(r"\d{25,}", lambda m: one_by_one(m[0], "공"), _clean(text))
    return _tidy("".join(_said(part) for part in _PART.findall(text)))


def _said(text: str) -> str:
    for pattern, spoken in _rules():
        text = pattern.sub(spoken, text)
    return _signs(text)


def verbatim(text: str) -> str:
    """The text without normalisation: only the marks are made those of the front end."""
    return _tidy(_signs(_clean(text)))


def _tidy(text: str) -> str:
    text = re.sub(r"\s*([,.!?…])[,.!?…\s]*(?=\S|$)", r"\1 ", re.sub(r"\s+", " ", text))
    return text.strip()


def _clean(text: str) -> str:
    text = re.sub("[\u2212\uff0d]", "-", text.replace("\r\n", "\n"))
    text = _LABEL.sub(r"\g<0>,", text)
    text = text.replace("㈜", "주식회사 ").replace("㈔", "사단법인 ")
    text = re.sub(r"\.{3,}|…+|⋯+", "…", text)
    # Not the letters of the block ㄱ-ㆎ, which would become conjoining ones.
    text = re.sub("[^…²³℃℉№½⅓¼¾⅔⅛㎡\u3131-\u318e]+", lambda m: unicodedata.normalize("NFKC", m[0]), text)
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060\ufeff]", "", text)


def _signs(text: str) -> str:
    names = _names()
    out: list[str] = []
    for char in text:
        if char in names:
            out.append(f", {names[char]}, " if ord(char) > 0x2600 else f" {names[char]} ")
        elif char in _MARKS:
            out.append(_MARKS[char] + " ")
        elif char in _ORNAMENTS:
            out.append(", ")
        elif char not in _SILENT:
            out.append(char)
    return "".join(out)


@lru_cache(maxsize=1)
def _names() -> dict[str, str]:
    names = read_pairs(resource("res", "text", "ko", "symbols.tsv"))
    greek = {sign.upper(): name for sign, name in names.items() if "α" <= sign <= "ω"}
    return {"Σ": "시그마", **greek, **names}


@lru_cache(maxsize=1)
def _units() -> dict[str, str]:
    return read_pairs(resource("res", "text", "ko", "units.tsv"))


def _url(match: re.Match[str]) -> str:
    names = {".": "점", "/": "슬래시", "-": "하이픈", "_": "언더바", "@": "골뱅이", ":": "콜론", "?": "물음표",
             "=": "이퀄", "&": "앤드", "#": "샵", "%": "퍼센트", "+": "플러스", "~": "물결"}  # fmt: skip
    text = re.sub(r"[A-Za-z]+", lambda m: f" {spoken_latin(m[0])} ", match[0])
    text = re.sub(r"\d+", lambda m: f" {one_by_one(m[0], '공')} ", text)
    return "".join(f" {names[char]} " if char in names else char for char in text).strip()


def _date(match: re.Match[str]) -> str:
    year, month, day = match.groups()
    return f"{year}년 {int(month)}월 {int(day)}일" if int(month) <= 12 and int(day) <= 31 else match[0]


def _time(match: re.Match[str]) -> str:
    hour, minute, second = match.groups()
    if int(hour) > 24 or int(minute) > 59:
        return match[0]
    minutes = "" if minute == "00" and not second else f" {int(minute)}분"
    return f"{int(hour)}시{minutes}" + (f" {int(second)}초" if second else "")


def _money(match: re.Match[str]) -> str:
    return f"{match[2]}{match[3]} {_CURRENCIES[match[1]]}"


def _unit(match: re.Match[str]) -> str:
    number, unit = match.groups()
    spoken = _units()[unit]
    said = decimal(number)
    if "{}" in spoken:
        return spoken.format(" " + said)
    if spoken == "퍼센트" or spoken == "도":
        return said + spoken
    return f"{said} {spoken}"


def _telephone(match: re.Match[str]) -> str:
    return ", ".join(one_by_one(part, "공") for part in re.findall(r"\d+", match[0]))


def _sum(match: re.Match[str]) -> str:
    names = {"+": " 더하기 ", "-": " 빼기 ", "×": " 곱하기 ", "x": " 곱하기 ", "*": " 곱하기 ", "÷": " 나누기 "}
    left, _, right = match[0].replace(" ", "").partition("=")
    left = re.sub(_N, lambda m: decimal(m[0]), re.sub(r"(?<=\d)[+\-×x*÷]", lambda m: names[m[0]], left))
    particle = "은" if (ord(left[-1]) - ord("가")) % 28 else "는"
    negative = "마이너스 " if right.startswith("-") else ""
    return f"{left}{particle} {negative}{decimal(right.lstrip('-'))}"


def _few(match: re.Match[str]) -> str:
    return f"{match[1]}{match[3]}에서 {match[2]}{match[3]}"


def _many(match: re.Match[str]) -> str:
    return f"{sino(match[1])}에서 {sino(match[2])}"


def _fraction(match: re.Match[str]) -> str:
    return f"{sino(match[2])}분의 {sino(match[1])}"


def _score(match: re.Match[str]) -> str:
    return f"{sino(match[1])} 대 {sino(match[2])}"


def _version(match: re.Match[str]) -> str:
    return " 점 ".join(sino(part) for part in match[0].split("."))


@lru_cache(maxsize=1)
def _rules() -> list[Rule]:
    units = "|".join(re.escape(unit) for unit in sorted(_units(), key=len, reverse=True))
    vulgar = {"½": "2분의 1", "⅓": "3분의 1", "¼": "4분의 1", "¾": "4분의 3", "⅔": "3분의 2", "⅛": "8분의 1"}
    pairs: list[tuple[str, Callable[[re.Match[str]], str]]] = [
        (
            r"(?:https?|ftp)://[A-Za-z0-9_.\-/:?=&#%+~]+[A-Za-z0-9/]|(?<![A-Za-z0-9.])www\.[A-Za-z0-9_.\-/]+[A-Za-z0-9]",
            _url,
        ),
        (r"[A-Za-z0-9._+\-]+@[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)+", _url),
        (
            r"(?<![A-Za-z0-9.])[a-z0-9\-]+(?:\.[a-z0-9\-]+)*\.(?:com|net|org|kr|co\.kr|io|dev|ai)(?:/[A-Za-z0-9_./\-]*)?(?![A-Za-z0-9])",
            _url,
        ),
        (r"(?<=\d),(?=\d{3}(?!\d))", lambda m: ""),
        (r"(?<!\d)(\d{4})[/.\-]\s?(\d{1,2})[/.\-]\s?(\d{1,2})(?!\d)\.?", _date),
        (rf"(?<![\d/])(\d{{1,2}})/(\d{{1,2}})(?=\s?\({_DAYS}\))", lambda m: f"{m[1]}월 {m[2]}일"),
        (rf"\(({_DAYS})\)", lambda m: f" {m[1]}요일,"),
        (
            r"(?<![\d.])(\d)[.·](\d{1,2})(?=\s?(?:민주|운동|절|전쟁|혁명|항쟁))",
            lambda m: one_by_one(m[1] + m[2]),
        ),
        (r"(?<![\d:])(\d{1,2}):(\d{2})(?::(\d{2}))?(?![\d:])", _time),
        (r"(?<!\d)(\d{1,3}):(\d{1,3})(?!\d)", _score),
        (r"(?<!\d)(\d{1,2})-(\d{1,2})(?=(?:으로|로)?\s?(?:승리|이겼|이기|졌|패|비겼|앞서))", _score),
        (r"(?<![\d\-])(?:\+\d{1,3}-)?\(?0\d{1,2}\)?[-)]\s?\d{3,4}-\d{4}(?![\d\-])", _telephone),
        (r"(?<![\d\-])1[568]\d{2}-\d{4}(?![\d\-])", _telephone),
        (r"(?<![\d\-])\+\d{1,3}(?:-\d{1,4}){2,4}", lambda m: "플러스 " + _telephone(m)),
        (r"(?<![\d.])0\d{9,10}(?!\d)", lambda m: one_by_one(m[0], "공")),
        (rf"([$€£¥₩])\s?({_N})((?:\s?[만억조천])*)", _money),
        (r"제\s?([IVXLC]+)(?![A-Za-z])", lambda m: f"제{sino(str(roman(m[1])))}"),
        (r"(?<![A-Za-z])([IVXLC]+)(?=\s?[세장절권부형기편급])", lambda m: sino(str(roman(m[1])))),
        (r"[½⅓¼¾⅔⅛]", lambda m: vulgar[m[0]]),
        (r"(?<![\d.+])([12])\+1(?![\d.]|\s?[=+])", lambda m: f"{'원' if m[1] == '1' else '투'} 플러스 원"),
        (rf"{_N}(?:\s?[+\-×x÷*]\s?{_N})+\s?=\s?-?{_N}", _sum),
        (rf"(?<=속)\s?({_N})\s?km/h", lambda m: f" {decimal(m[1])} 킬로미터"),
        (rf"({_N})\s?km/h", lambda m: f"시속 {decimal(m[1])} 킬로미터"),
        (rf"(?<![A-Za-z0-9)])[-](?={_N}\s?(?:℃|°C|도))", lambda m: "영하 "),
        (rf"(?<![A-Za-z0-9)])[-](?={_N})", lambda m: "마이너스 "),
        (r"(?<![\d.])(\d)[-~〜～∼](\d)\s?(개|명|살|시간|번|마리|권|병|잔|장|사람|시|배)(?!월|국|년)", _few),
        (r"(?<![\d.])(\d+)[-~〜～∼](\d+)(?=\s?(?:개|명|살|번|마리|권|병|잔|장|사람))", _many),
        (rf"({_N})(%?){_WAVE}({_N})", lambda m: f"{m[1]}{m[2]}에서 {m[3]}"),
        (rf"(?<=[년월일시분원도명개])\s?{_WAVE}\s?(?=[\d오])", lambda m: "에서 "),
        (rf"(?<![\d\-])({_N})-({_N})(?=[년월일시명개도분살세회번주층장]|%)", lambda m: f"{m[1]}에서 {m[2]}"),
        (rf"({_N})\s?({units})(?![A-Za-z])", _unit),
        (r"(?<![A-Za-z0-9/.])(\d+)/(\d+)(?![\d/])", _fraction),
        (r"(\d+)분의\s?(\d+)", lambda m: f"{sino(m[1])}분의 {sino(m[2])}"),
        (r"[vV](?:er)?\.?\s?(?=\d+\.\d)", lambda m: "버전 "),
        (r"(?<![\d.])\d+(?:\.\d+){2,}(?![\d.])", _version),
        (r"(?<=\d)\s?[×x]\s?(?=\d)", lambda m: " 곱하기 "),
        (r"(?<=\d)\s?\^\s?(\d+)", lambda m: f"의 {sino(m[1])} 제곱"),
        (r"(?<=[\dA-Za-z])([²³])", lambda m: {"²": " 제곱", "³": " 세제곱"}[m[1]]),
        (r"(?<![A-Za-z])No\.\s?(?=\d)|№\s?(?=\d)|#(?=\d)", lambda m: "넘버 "),
        (r"(?<=번호)(\s?[:는]?\s?)(\d{4,})(?!\d)", lambda m: m[1] + one_by_one(m[2], "공")),
        (r"(?<=ID)(\s?[:는]?\s?)(\d{4,})(?!\d)", lambda m: m[1] + one_by_one(m[2], "공")),
        (r"(?<![\d.])0\d+(?![\d.])|(?<![\d.])\d{17,}(?![\d.])", lambda m: one_by_one(m[0], "공")),
        (r"(?<!\d)(11[0-9]|1345|1588)(?=에|로\s|\s?(?:신고|구급|구조|대원|상황실))", lambda m: one_by_one(m[1])),
        (r"(?<!\d)6월", lambda m: "유월"),
        (r"(?<!\d)10월", lambda m: "시월"),
        (r"(?<=\d)-(?=\d)", lambda m: "다시 "),
        (r"(?<![A-Za-z0-9])CO[2₂](?![A-Za-z0-9])", lambda m: "시오투"),
        (r"(?<![A-Za-z0-9])H2O(?![A-Za-z0-9])", lambda m: "에이치투오"),
        (r"(?<=[A-Za-z])\d+(?![\d.,]|\s?(?:원|달러))", lambda m: decimal(m[0])),
        (counted().pattern, spoken_count),
        (r"[A-Za-z][A-Za-z'’\-]*[A-Za-z]|[A-Za-z]", lambda m: spoken_latin(m[0])),
        (_N, lambda m: decimal(m[0])),
    ]
    return [(re.compile(pattern), spoken) for pattern, spoken in pairs]
