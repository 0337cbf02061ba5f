"""Japanese text as it is said: numbers, signs and Latin letters in words that Open JTalk reads."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache

from feature_extractor.text.characters import read_pairs
from feature_extractor.text.ja.latin import spoken_latin
from feature_extractor.text.ja.numbers import figures, roman, with_points
from gpt_sovits.core.resources import resource

Rule = tuple[re.Pattern[str], Callable[["re.Match[str]"], str]]
_N = r"\d+(?:\.\d+)?"
_WAVE = "[~〜～∼]"
_DASH = "[-‐‑–—−]"
# Rules look at a thousand characters at most, cut at marks where there are any, so that no text takes long.
_PART = re.compile("[^。！？\n]{1,1000}[。！？\n]*|.", re.DOTALL)
_MAGNITUDE = "[万億兆千百]*"
_CURRENCIES = {
    "$": "ドル",
    "＄": "ドル",
    "€": "ユーロ",
    "£": "ポンド",
    "¥": "円",
    "￥": "円",
    "₩": "ウォン",
    "₿": "ビットコイン",
}
# Marks of rhythm; whatever else has no sound becomes one of them.
_MARKS = {**dict.fromkeys("、，,；;：:・·･（）()［］[]｛｝{}【】〔〕―—–│|/／\\~〜～ー", "、"),
          **dict.fromkeys("。．.｡\n", "。"), **dict.fromkeys("！!‼", "！"), **dict.fromkeys("？?⁇", "？")}  # fmt: skip
_ORNAMENTS = frozenset("→♪♫♬★☆●○◎■□◆◇▲△▼▽▶◀※†‡•◦゛゜´¨−-")
_SAID_IN_LINE = frozenset("＝￥＄〒")
_COMPANIES = {"㈱": "株式会社", "㈲": "有限会社", "㍿": "株式会社", "㈹": "代表"}
_SILENT = frozenset("「」『』｢｣“”‘’\"'〝〟«»《》〈〉<>＜＞\u200d\ufe0f_＿*＊`^")


def normalise(text: str) -> str:
    """The text in kana, characters and the marks 、。！？… only, but for characters that nobody can read."""
    text = re.sub(r"\d{25,}", lambda m: figures(m[0]), _clean(text))
    return _tidy("".join(_said(part) for part in _PART.findall(text)))


def _said(text: str) -> str:
    for pattern, spoken in _rules():
        text = pattern.sub(spoken, text)
    for context, kana in _readings():
        text = context.sub(kana, text)
    return _signs(text)


def _tidy(text: str) -> str:
    return re.sub(r"([、。！？…])[、。！？…\s]*", r"\1", text)


def _clean(text: str) -> str:
    """Half-width kana and full-width letters as ordinary ones; signs that would lose their meaning are kept."""
    text = re.sub("[㈱㈲㍿㈹]", lambda m: _COMPANIES[m[0]], re.sub(r"(?<=[①-⑳])(?=[①-⑳])", "、", text))
    text = re.sub("[㎀-㏟]", _square, text)
    text = re.sub(r"\.{3,}|…+|⋯+|。{2,}", "…", text.replace("\r\n", "\n").translate(_SUPERSCRIPTS_SAFE))
    text = re.sub("[^…²³°℃℉½⅓¼¾⅔⅛´¨゛゜\u3000-\u303f]+", lambda m: unicodedata.normalize("NFKC", m[0]), text)
    text = text.replace("\u3000", " ").replace("\t", " ")
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060\ufeff]", "", text)


_SUPERSCRIPTS_SAFE = {0x2212: "-", 0x301C: "〜", 0xFF5E: "〜", 0x2236: ":", 0xFF1A: ":"}


def _square(match: re.Match[str]) -> str:
    """A unit in one character by its name."""
    letters = unicodedata.normalize("NFKC", match[0])
    name = _units().get(letters, letters)
    return letters if "{}" in name else name


def _signs(text: str) -> str:
    """What is left that is neither kana nor a character: signs by name, marks as marks."""
    names = _names()
    out: list[str] = []
    for i, char in enumerate(text):
        if char == "." and text[i - 1 : i].isdigit() and text[i + 1 : i + 2].isdigit():
            out.append(char)
        elif char in names:
            out.append(f"、{names[char]}、" if ord(char) > 0x2600 and char not in _SAID_IN_LINE else names[char])
        elif char in "ー〜～~" and i and _is_kana(text[i - 1]):
            out.append("ー")
        elif char in _MARKS:
            out.append(_MARKS[char])
        elif char == " ":
            out.append(" ")
        elif char not in _SILENT:
            out.append("、" if char in _ORNAMENTS else char)
    return "".join(out)


def _is_kana(char: str) -> bool:
    return "\u3041" <= char <= "\u30ff"


@lru_cache(maxsize=1)
def _names() -> dict[str, str]:
    names = read_pairs(resource("res", "text", "ja", "symbols.tsv"))
    greek = {sign.upper(): name for sign, name in names.items() if "α" <= sign <= "ω"}
    return {"Σ": "シグマ", **greek, **names}


@lru_cache(maxsize=1)
def _readings() -> list[tuple[re.Pattern[str], str]]:
    """Readings that the words around decide."""
    pairs = read_pairs(resource("res", "text", "ja", "readings.tsv"))
    return [(re.compile(pattern), kana) for pattern, kana in pairs.items()]


@lru_cache(maxsize=1)
def _units() -> dict[str, str]:
    return read_pairs(resource("res", "text", "ja", "units.tsv"))


def _url(match: re.Match[str]) -> str:
    """An address, its words as words, its marks by name."""
    text = re.sub(r"^[a-z]+://", lambda m: "".join(f"{spoken_latin(m[0][:-3])}コロンスラッシュスラッシュ"), match[0])
    names = {".": "ドット", "/": "スラッシュ", "-": "ハイフン", "_": "アンダーバー", "@": "アットマーク", ":": "コロン",
             "?": "クエスチョン", "=": "イコール", "&": "アンド", "#": "シャープ", "%": "パーセント", "+": "プラス",
             "~": "チルダ"}  # fmt: skip
    text = re.sub(r"[A-Za-z]+", lambda m: spoken_latin(m[0]), text)
    text = re.sub(r"\d+", lambda m: figures(m[0]), text)
    return "".join(names.get(char, char) for char in text)


def _date(match: re.Match[str]) -> str:
    year, month, day = (int(part) for part in match.groups())
    return f"{year}年{month}月{day}日" if month <= 12 and day <= 31 else match[0]


def _time(match: re.Match[str]) -> str:
    hour, minute, second = match.groups()
    if int(hour) > 29 or int(minute) > 59:
        return match[0]
    minutes = "" if minute == "00" and not second else f"{int(minute)}分"
    return f"{int(hour)}時{minutes}" + (f"{int(second)}秒" if second else "")


def _money(match: re.Match[str]) -> str:
    sign, number, magnitude = match.groups()
    return f"{number}{magnitude}{_CURRENCIES[sign]}"


def _fraction(match: re.Match[str]) -> str:
    return f"{match[2]}分の{match[1]}"


def _unit(match: re.Match[str]) -> str:
    number, unit = match.groups()
    spoken = _units()[unit]
    return spoken.format(number) if "{}" in spoken else number + spoken


def _sum(match: re.Match[str]) -> str:
    """A sum as it is said at school."""
    names = {"+": "たす", "-": "ひく", "−": "ひく", "×": "かける", "x": "かける", "*": "かける", "÷": "わる", "=": "は"}
    text = re.sub(r"(?<==)\s?-", "マイナス", match[0])
    return "".join(names.get(char, char) for char in text if char != " ")


def _telephone(match: re.Match[str]) -> str:
    return "、".join(figures(part) for part in re.split(r"\D+", match[0].strip("()")) if part)


def _long(match: re.Match[str]) -> str:
    return figures(match[0])


@lru_cache(maxsize=1)
def _rules() -> list[Rule]:
    units = "|".join(re.escape(unit) for unit in sorted(_units(), key=len, reverse=True))
    vulgar = {"½": "2分の1", "⅓": "3分の1", "¼": "4分の1", "¾": "4分の3", "⅔": "3分の2", "⅛": "8分の1"}
    pairs: list[tuple[str, Callable[[re.Match[str]], str]]] = [
        (
            r"(?:https?|ftp)://[A-Za-z0-9_.\-/:?=&#%+~]+[A-Za-z0-9/]|(?<![A-Za-z0-9.])www\.[A-Za-z0-9_.\-/]+[A-Za-z0-9]",
            _url,
        ),
        (r"[A-Za-z0-9._+\-]+@[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)+", _url),
        (
            r"(?<![A-Za-z0-9.])[a-z0-9\-]+(?:\.[a-z0-9\-]+)*\.(?:com|net|org|jp|co\.jp|io|dev|ai)(?:/[A-Za-z0-9_./\-]*)?(?![A-Za-z0-9])",
            _url,
        ),
        (r"(?<=\d),(?=\d{3}(?!\d))", lambda m: ""),
        (r"(?<!\d)(\d{4})[/.\-](\d{1,2})[/.\-](\d{1,2})(?!\d)", _date),
        (r"(?<![\d/])(\d{1,2})/(\d{1,2})(?=\s?[(（][月火水木金土日])", lambda m: f"{m[1]}月{m[2]}日"),
        (r"[(（]([月火水木金土日])(?:曜日?)?[)）]", lambda m: f"{m[1]}曜日、"),
        (rf"(?<=速)\s?({_N})\s?km/h", lambda m: f"{m[1]}キロ"),
        (r"(?<=\d)m走", lambda m: "メートルソー"),
        (r"(?<![\d:])(\d{1,2}):(\d{2})(?::(\d{2}))?(?![\d:])", _time),
        (r"(?<=[時分])\s?[~〜\-–]\s?(?=\d|午)", lambda m: "から"),
        (r"(?<!\d)(\d{1,3}):(\d{1,3})(?!\d)", lambda m: f"{m[1]}タイ{m[2]}"),
        (r"(?<!\d)(\d{1,2})-(\d{1,2})(?=で?(?:勝|負|敗|快勝|惜敗|引き分))", lambda m: f"{m[1]}タイ{m[2]}"),
        (r"〒\s?(\d{3})-?(\d{4})", lambda m: f"郵便番号{figures(m[1])}の{figures(m[2])}"),
        (r"(?<![\d\-])(?:\(0\d{1,4}\)\s?|0\d{1,4}-)\d{1,4}-\d{3,4}(?![\d\-])", _telephone),
        (r"(?<![\d\-])\+\d{1,3}(?:-\d{1,4}){2,4}", lambda m: "プラス" + _telephone(m)),
        (r"(?<![\d.])0\d{9,10}(?!\d)", _long),
        (rf"(?<=[\d万億千百年月日人円度分時歳個%℃°]){_WAVE}(?=[\d約午前後])", lambda m: "から"),
        (rf"(?<=[年月日時円人度]){_DASH}(?=\d)", lambda m: "から"),
        (r"(?<=\d)([a-zA-Z]{1,4})[~〜～∼](?=\d)", lambda m: f"{m[1]}から"),
        (r"(?<!\d)1000(?=[万億兆])", lambda m: "1千"),
        (rf"([$＄€£¥￥₩₿])\s?({_N})({_MAGNITUDE})", _money),
        (r"第\s?([IVXLC]+)(?![A-Za-z])", lambda m: f"第{roman(m[1])}"),
        (r"(?<![A-Za-z])([IVXLC]+)(?=[世章節巻部型期編回話級類])", lambda m: str(roman(m[1]))),
        (r"[½⅓¼¾⅔⅛]", lambda m: vulgar[m[0]]),
        (rf"({_N})\s?({units})(?![A-Za-z])", _unit),
        (r"(?<![A-Za-z0-9/.])(\d+)/(\d+)(?![A-Za-z0-9/])", _fraction),
        (r"[vV](?:er)?\.?\s?(?=\d+\.\d)", lambda m: "バージョン"),
        (r"(?<![\d.])\d+(?:\.\d+){2,}(?![\d.])", lambda m: with_points(m[0])),
        (rf"{_N}(?:\s?[+\-−×x÷*]\s?{_N})+\s?=\s?-?{_N}", _sum),
        (r"(?<=\d)\s?[×x]\s?(?=\d)", lambda m: "かける"),
        (r"(?<=\d)\s?÷\s?(?=\d)", lambda m: "わる"),
        (r"(?<=[=＝])\s?-\s?(?=\d)|(?<![A-Za-z0-9)）])-(?=\d)", lambda m: "マイナス"),
        (rf"(?<=\d)\s?{_DASH}\s?(?=\d+(?:\.\d+)?\s?[=＝])", lambda m: "マイナス"),
        (
            rf"(?<![\d\-])({_N}){_DASH}({_N})(?=[年月日時人円度分歳個%回本枚週ヶかキセメグ代点台])",
            lambda m: f"{m[1]}から{m[2]}",
        ),
        (r"(?<=\d)\s?\^\s?(\d+)|(?<=[\dA-Za-z])([²³])", lambda m: f"の{m[1] or {'²': '2', '³': '3'}[m[2]]}乗"),
        (r"(?<![A-Za-z])No\.\s?(?=\d)|№\s?(?=\d)|#(?=\d)", lambda m: "ナンバー"),
        (r"(?<![\d.])0(?=\d[月日時分秒])", lambda m: ""),
        (r"(?<![\d.])0\d+(?![\d.])|(?<![\d.])\d{13,}(?![\d.])", _long),
        (r"(?<![A-Za-z])CO[2₂](?![A-Za-z0-9])", lambda m: "シーオーツー"),
        (r"(?<=パスワード)([はが:：]?\s?)(\d{4,})(?!\d)", lambda m: m[1] + figures(m[2])),
        (r"(?<=番号)([はが:：]?\s?)(\d{4,})(?!\d)", lambda m: m[1] + figures(m[2])),
        (r"(?<=ID)([はが:：]?\s?)(\d{4,})(?!\d)", lambda m: m[1] + figures(m[2])),
        (r"(?<=\d)-(?=\d)", lambda m: "の"),
        (r"(?<![\d.])8(?=分(?![のかけ割]))", lambda m: "はっぷん\0"),
        (r"はっぷん\0分", lambda m: "ハップン"),
        (r"[A-Za-z][A-Za-z'’\-]*[A-Za-z]|[A-Za-z]", lambda m: spoken_latin(m[0])),
    ]
    return [(re.compile(pattern), spoken) for pattern, spoken in pairs]


def verbatim(text: str) -> str:
    """The text without normalisation: only the marks are made those of the front end."""
    return _tidy(_signs(_clean(text)))
