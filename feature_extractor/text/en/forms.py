"""Written forms that need their surroundings to be read: rewritten before the plain rules for numbers and signs."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from feature_extractor.text.en.numbers import cardinal, digits, ordinal, year

_MONTH = "January|February|March|April|May|June|July|August|September|October|November|December"
_HALVES = {"½": "one half", "¼": "one quarter", "¾": "three quarters", "⅓": "one third", "⅔": "two thirds"}
_DOLLARS = {
    "US": "U S", "A": "Australian", "AU": "Australian", "C": "Canadian", "CA": "Canadian", "HK": "Hong Kong",
    "NZ": "New Zealand", "NT": "new Taiwan", "S": "Singapore",
}  # fmt: skip
_SCALES = {"k": "thousand", "K": "thousand", "m": "million", "M": "million", "mn": "million", "mln": "million",
           "b": "billion", "B": "billion", "bn": "billion", "tn": "trillion", "T": "trillion"}  # fmt: skip
_ONE_THING = r"(?i:a|an|another|one|this|that|each|every)"
_NO_NOUN = (
    "or|and|for|in|to|a|an|per|of|at|on|off|from|more|less|each|is|was|are|were|but|if|when|while|as|by|with|than|the|"
    "today|now|every|after|before|only|instead|back"
)
_LARGE = "hundred|thousand|million|billion|trillion"
_ROMAN = r"(?=[IVX])(?:X{0,3})(?:IX|IV|V?I{0,3})"


def rewrite(text: str) -> str:
    """The text with these forms in words, or in digits that the plain rules read rightly."""
    for pattern, replacement in _rules():
        text = pattern.sub(replacement, text)
    return text


@lru_cache(maxsize=1)
def _rules() -> list[tuple[re.Pattern[str], Callable[[re.Match[str]], str] | str]]:
    table: list[tuple[str, Callable[[re.Match[str]], str] | str]] = [*_ranges(), *_money(), *_codes(), *_signs()]
    return [(re.compile(pattern), replacement) for pattern, replacement in table]


def _ranges() -> list[tuple[str, Callable[[re.Match[str]], str] | str]]:
    return [
        (r"(?<=\d)\s?−\s?(?=\d)", " minus "),
        (r"(?<!\S)−(?=\d)", "minus "),
        (r"(?<=\d)\s-\s(?=\d[\d.]*\s*=)", " minus "),
        (r"(?<=[APap][Mm])\s?[-–—]\s?(?=\d)", " to "),
        (r"(?<=[ap]\.m\.)\s?[-–—]\s?(?=\d)", " to "),
        (r"(?<=\d[%°])\s?[-–—]\s?(?=\d)", " to "),
        (r"(?<=\d)\s?[-–—]\s?(?=[$£€¥]\d)", " to "),
        (r"(?<=\d)\s?\*\s?(?=\d)", " times "),
        (r"(?<=\d)\s?/\s?(?=\d+\s*=)", " over "),
        (r"\b(by|on|due|dated|since|until|from|before|after) (0?[1-9]|1[0-2])/(1[3-9]|2\d|3[01])\b(?!/)", _short_date),
        (
            rf"\b({_MONTH}) (\d{{1,2}})\s?[-–]\s?(\d{{1,2}})\b(?!\d|[-–])",
            lambda m: f"{m[1]} {_th(m[2])} to {_th(m[3])}",
        ),
        (r"(?<=\d)\s?([½¼¾⅓⅔])", lambda m: f" and {_HALVES[m[1]]}"),
        (r"\b(\d{3,4})\s?[x×]\s?(\d{3,4})\b", lambda m: f"{_pair(m[1])} by {_pair(m[2])}"),
        (r"\b50/50\b", "fifty-fifty"),
        (r"(?<=\d[snrt][tdh])\s?[-–—]\s?(?=\d+(?:st|nd|rd|th)\b)", " to "),
        (r"\b(\d{1,2})\s?[-–—]\s?(?=\d{1,2}(?::\d\d)?\s?[ap]\.?m\b)", lambda m: f"{m[1]} to "),
        (r"\b(\d{1,2}):(\d{1,2})(?=(?: ratio| aspect|\s*[,.;)]|\s*$| and| in| at| on| for))(?<!:\d\d)", r"\1 to \2"),
        (r"(?<=\d)x(?= (?:the|as|more|less|faster|slower|larger|bigger|smaller|higher|lower|better|that)\b)", " times"),
        (r"\bb/w\b", "between"),
    ]


def _money() -> list[tuple[str, Callable[[re.Match[str]], str] | str]]:
    return [
        (r"\b(US|AU?|CA?|HK|NZ|NT|S)\$\s?(\d[\d,]*(?:\.\d+)?)\b", _dollars),
        (r"([$£€¥₹]\s?\d[\d,.]*)\s?(mn|mln|bn|tn|k|K|m|M|b|B|T)\b", lambda m: f"{m[1]} {_SCALES[m[2]]}"),
        (
            rf"\b({_ONE_THING}) \$(\d[\d,]*)((?: (?:{_LARGE}))?)(?= (?!(?:{_NO_NOUN})\b)[a-z])",
            lambda m: f"{m[1]} {cardinal(int(m[2].replace(',', '')))}{m[3]} dollar",
        ),
        (r"(\d+)\s?¢", lambda m: f"{m[1]} cent{'' if m[1] == '1' else 's'}"),
        (r"(?<=[\d$£€]\d)p\b(?=\s+(?:each|per|a)\b)", " pence"),
    ]


def _codes() -> list[tuple[str, Callable[[re.Match[str]], str] | str]]:
    """Numbers that name something are read digit by digit or in pairs."""
    named = (
        "[Zz]ip(?: code)?|[Pp]ost(?:al )?code|[Cc]ode|PIN|[Pp]assword|[Ee]xtension|[Ee]xt\\.?|[Aa]ccount|[Ss]erial|ID"
    )
    called = "[Dd]ial|[Cc]all|[Pp]hone|[Rr]ing|[Tt]ext"
    places = "Room|room|Suite|suite|Flight|flight|Highway|highway|Route|route|Interstate|Apartment|apartment|Apt\\.?"
    return [
        (r"\bHwy\.?(?= \d)", "Highway"),
        (r"\bRte\.?(?= \d)", "Route"),
        (rf"\b({named})((?: number| no\.)?(?: is|:| was)?) #?(\d{{3,}})\b(?![,.]\d)", _spelt),
        (rf"\b({called})((?: us at| me at| us on| me on)?) (\d{{3,6}})\b(?![-,.:]\d)", _spelt),
        (rf"\b({places}) (\d{{3,4}})\b(?![,.]\d)", lambda m: f"{m[1]} {_pair(m[2])}"),
        (r"\b([A-Z]{1,3})(\d{3,6})\b(?![,.]\d)", lambda m: f"{m[1]} {digits(m[2])}"),
        (r"\b(\d)'\s?(\d{1,2})(?:\"|'')", lambda m: f"{m[1]} foot {m[2]}"),
        (r"\b(in|years?|since|until|before|after|circa|by|and|of) (10\d\d)\b(?! [a-z]+s\b)(?![,.%]\d)", _old_year),
        (r"\b[Nn]os\.\s?(?=\d)", "numbers "),
        (r"\b\d{1,5}(?:-\d{1,7}){3,}\b", lambda m: ", ".join(digits(part) for part in m[0].split("-"))),
        (r"\b(480|720|1080|1440|2160)([pi])\b", lambda m: f"{_pair(m[1])} {m[2].upper()}"),
    ]


def _signs() -> list[tuple[str, Callable[[re.Match[str]], str] | str]]:
    return [
        (r"(?<![\w&])#(?=[A-Za-z])", "hashtag "),
        (r"§§?\s?(?=\d)", "section "),
        (r"\b([CFG])#(?!\w)", r"\1 sharp"),
        (rf"\b({_ROMAN})(?= (?:century|centuries|Century|Olympi|Winter Olympi|Congress|Corps|[Dd]ynasty))", _counted),
        (r"\b([A-Z]{1,3})\s?&\s?([A-Z]{1,3})\b", lambda m: f"{_letters(m[1])} and {_letters(m[2])}"),
        (r"(?i)(?<=[a-z]) ?['’]n['’]? (?=[a-z])|(?<=[a-z]) n['’] (?=[a-z])", " 'n "),
        (rf"\b([A-Z][a-z]{{3,}}) ({_ROMAN})\b(?!['.]?[A-Za-z])", _numeral),
    ]


def _short_date(match: re.Match[str]) -> str:
    return f"{match[1]} {_MONTH.split('|')[int(match[2]) - 1]} {ordinal(int(match[3]))}"


def _th(number: str) -> str:
    return ordinal(int(number))


def _pair(number: str) -> str:
    """Three or four digits as they are said in names: one oh one, two fifteen, ten eighty, nineteen twenty."""
    value = int(number)
    if number[0] == "0":
        return digits(number)
    if value % 1000 == 0 or len(number) < 3:
        return cardinal(value)
    high, low = divmod(value, 100)
    if low == 0:
        return cardinal(value) if value < 1000 else f"{cardinal(high)} hundred"
    return f"{cardinal(high)} {'oh ' if low < 10 else ''}{cardinal(low)}"


def _dollars(match: re.Match[str]) -> str:
    return f"{match[2]} {_DOLLARS[match[1]]} dollar{'' if match[2] == '1' else 's'}"


def _spelt(match: re.Match[str]) -> str:
    return f"{match[1]}{match[2]} {digits(match[3])}"


def _old_year(match: re.Match[str]) -> str:
    return f"{match[1]} {year(int(match[2]))}"


def _letters(text: str) -> str:
    return " ".join(text)


def _numeral(match: re.Match[str]) -> str:
    """A Roman numeral of two signs or more after a name."""
    numeral = match[2]
    if len(numeral) < 2:
        return match[0]
    return f"{match[1]} {cardinal(_value(numeral))}"


def _counted(match: re.Match[str]) -> str:
    return ordinal(_value(match[1]))


def _value(numeral: str) -> int:
    values = [{"I": 1, "V": 5, "X": 10}[c] for c in numeral]
    return sum(-a if a < b else a for a, b in zip(values, [*values[1:], 0], strict=True))
