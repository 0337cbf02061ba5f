"""Abbreviations and Roman numerals that English reads as words."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from feature_extractor.text.en.numbers import cardinal, ordinal

_TITLES = {
    "Mr": "Mister", "Mrs": "Missus", "Ms": "Miz", "Dr": "Doctor", "Prof": "Professor", "Capt": "Captain",
    "Col": "Colonel", "Gen": "General", "Lt": "Lieutenant", "Sgt": "Sergeant", "Maj": "Major", "Cpl": "Corporal",
    "Rev": "Reverend", "Hon": "Honorable", "Gov": "Governor", "Sen": "Senator", "Pres": "President", "St": "Saint",
    "Mt": "Mount", "Ft": "Fort", "Messrs": "Messers",
}  # fmt: skip
_WORDS = {
    "Jr": "Junior", "Sr": "Senior", "vs": "versus", "Inc": "Incorporated", "Ltd": "Limited", "Corp": "Corporation",
    "Co": "Company", "Bros": "Brothers", "dept": "department", "Dept": "Department", "est": "established",
    "approx": "approximately", "Approx": "Approximately", "Ave": "Avenue", "Blvd": "Boulevard", "Rd": "Road",
    "vol": "volume", "Vol": "Volume",
    "fig": "figure", "Fig": "Figure", "etc": "et cetera", "viz": "namely", "cf": "compare",
    "Jan": "January", "Feb": "February", "Aug": "August", "Sept": "September", "Oct": "October", "Nov": "November",
    "Dec": "December",
}  # fmt: skip
_MONTHS_SHORT = {
    "Jan": "January", "Feb": "February", "Mar": "March", "Apr": "April", "Jun": "June", "Jul": "July",
    "Aug": "August", "Sep": "September", "Sept": "September", "Oct": "October", "Nov": "November", "Dec": "December",
}  # fmt: skip
_RULERS = [
    "Henry", "Louis", "George", "Edward", "Charles", "James", "William", "Elizabeth", "Richard", "Philip", "Napoleon",
    "Catherine", "Alexander", "Nicholas", "Pius", "Paul", "Benedict", "Francis", "Frederick", "Leo", "Gregory",
    "Innocent", "Clement", "John", "Urban", "Christian", "Gustav", "Ferdinand", "Alfonso", "Peter", "Ivan",
]  # fmt: skip
_PARTS = [
    "Chapter", "Part", "Section", "Volume", "Act", "Scene", "Book", "War", "Phase", "Type", "Class", "Article",
    "Appendix", "Title", "Bowl",
]  # fmt: skip
_WITHOUT_DOT = ["Mr", "Mrs", "Ms", "Dr", "St", "Mt", "Prof", "Capt", "Lt", "Sgt"]
_DAYS = {
    "Mon": "Monday", "Tue": "Tuesday", "Wed": "Wednesday", "Thu": "Thursday", "Fri": "Friday", "Sat": "Saturday",
    "Sun": "Sunday",
}  # fmt: skip
_DAY = "Mon|Tues?|Wed|Thu(?:rs?)?|Fri|Sat|Sun"
_ROMAN = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}


def expand_abbreviations(text: str) -> str:
    """Spell out titles, Latin abbreviations, month names and Roman numerals."""
    for pattern, replacement in _fixed():
        text = pattern.sub(replacement, text)
    text = _titles().sub(lambda m: f"{_TITLES[m[1] or m[2]]} ", text)
    text = _words().sub(lambda m: _WORDS[m[1]] + ("." if _ends_sentence(m) else ""), text)
    text = _months().sub(lambda m: f"{_MONTHS_SHORT[m[1]]} ", text)
    return _numerals().sub(_roman, text)


@lru_cache(maxsize=1)
def _fixed() -> list[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]]:
    table: list[tuple[str, str | Callable[[re.Match[str]], str]]] = [
        (r"\be\.\s?g\.(?:,)?", "for example,"),
        (r"\bi\.\s?e\.(?:,)?", "that is,"),
        (r"\ba\.k\.a\.", "also known as"),
        (r"\bet al\.", "and others"),
        (r"\bPh\.?\s?D\b\.?", "P H D"),
        (r"\b[Nn]o\.\s?(?=\d)", "number "),
        (r"\bpp\.\s?(?=\d)", "pages "),
        (r"\bp\.\s?(?=\d)", "page "),
        (r"\bw/o\b", "without"),
        (r"\bw/(?=\s|[a-z])", "with "),
        (r"\b24/7\b", "twenty-four seven"),
        (r"(?<=[a-z] )St\.(?=\s*(?:$|,|[a-z]))", "Street"),
        (
            r"(?:(?<=\b[A-Z][a-z]{2})|(?<=[A-Z][a-z])|(?<=[a-z]{3})) Dr\.(?=\s*(?:$|,|[a-z]))",
            " Drive",
        ),
        (rf"\b({_DAY})\.?\s?[-–]\s?(?=(?:{_DAY})\b)", lambda m: f"{_DAYS[m[1][:3]]} to "),
        (rf"\b({_DAY})\.(?=,| (?:[A-Z]|\d|at\b|and\b))", lambda m: _DAYS[m[1][:3]]),
        (rf"\b(closed|open|on|to|until|every|next|last) ({_DAY})\.", lambda m: f"{m[1]} {_DAYS[m[2][:3]]}"),
        (r"\bEst\.(?=\s\d{4})", "Established"),
        (r"\b[Pp]op\.(?=\s\d)", "population"),
        (r"(\d\s?)in\.(?=\s+[a-z]|,|\s*$)", r"\1inches"),
        (r"(\d\s?)yrs?\b", r"\1years"),
        (r"(\d\s?(?:years|hrs?|mins?|secs?|lbs?|oz|ft|tbsp|tsp))\.(?=\s+[a-z\d])", r"\1"),
        (r"\b([ap])\.\s?m\.(?=\s+[A-Z]|\s*$)", r"\1M."),
        (r"\b([AaPp])\.\s?[Mm]\.", r"\1M"),
        (r"\b([A-Z])\.\s?(?=[A-Z]\b\.?)", r"\1 "),
        (r"\b([A-Z])\.(?=\s*(?:[a-z]|[,;']))", r"\1"),
        (r"(?:(?<=^)|(?<=[A-Z] )|(?<=[.!?] ))([A-Z])\.(?=\s*[A-Z][a-z])", r"\1"),
        (r"\b([A-Z][a-z]+) ([A-Z])\.(?=\s*[A-Z][a-z])", r"\1 \2"),
    ]
    return [(re.compile(pattern), replacement) for pattern, replacement in table]


@lru_cache(maxsize=1)
def _titles() -> re.Pattern[str]:
    return re.compile(rf"\b(?:({'|'.join(_TITLES)})\.\s*|({'|'.join(_WITHOUT_DOT)})\s+)(?=[A-Z(]|and\b)")


@lru_cache(maxsize=1)
def _words() -> re.Pattern[str]:
    return re.compile(rf"\b({'|'.join(_WORDS)})\.")


@lru_cache(maxsize=1)
def _months() -> re.Pattern[str]:
    return re.compile(rf"\b({'|'.join(_MONTHS_SHORT)})\.?\s+(?=\d)")


@lru_cache(maxsize=1)
def _numerals() -> re.Pattern[str]:
    # "I" is far more often the pronoun: it counts as a numeral only where no verb can follow it.
    one = r"I(?=\s*(?:[^\sA-Za-z']|$|(?:of|was|had|and|in|who)\b)|\s+[A-Z])"
    return re.compile(rf"\b({'|'.join([*_RULERS, *_PARTS])})\s+({one}|V|X|[IVXLC]{{2,}})\b(?!')")


def _ends_sentence(match: re.Match[str]) -> bool:
    return re.match(r"\s*$|\s+[A-Z]", match.string[match.end() :]) is not None and match[1] in {
        "etc", "Inc", "Ltd", "Corp", "Co", "Jr", "Sr", "Bros",
    }  # fmt: skip


def _roman(match: re.Match[str]) -> str:
    name, numeral = match.groups()
    values = [_ROMAN[c] for c in numeral]
    total = sum(-a if a < b else a for a, b in zip(values, [*values[1:], 0], strict=True))
    return f"{name} the {ordinal(total)}" if name in _RULERS else f"{name} {cardinal(total)}"
