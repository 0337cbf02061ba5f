"""Written English to spoken words: numbers, dates, times, money, units, abbreviations, addresses, symbols."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache

from feature_extractor.text.characters import ascii_digits, read_pairs
from feature_extractor.text.en.abbreviations import expand_abbreviations
from feature_extractor.text.en.forms import rewrite
from feature_extractor.text.en.numbers import cardinal, decimal, digits, ordinal, plural, year
from gpt_sovits.core.resources import resource

Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], str]]

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_MONTH = "|".join(_MONTHS)
_NUMBER = r"(?:\d{1,3}(?:,\d{3}){1,5}|\d+)(?:\.\d+)?"
_MONEY = {
    "$": ("dollar", "cent"), "£": ("pound", "penny"), "€": ("euro", "cent"), "¥": ("yen", ""), "₹": ("rupee", "paisa"),
    "₩": ("won", ""),
}  # fmt: skip
_ONE_UNIT = {"feet": "foot", "hertz": "hertz", "percent": "percent"}
_PUNCTUATION = str.maketrans("，。！？；：、’‘ʼ`´“”（）～‐‑⁄", ",.!?;:,'''''\"\"()~--/", "\u200b\ufeff\u00ad")


def normalise(text: str) -> str:
    """Rewrite a text so that only words of Latin letters and the marks `, . ? ! … '` and hyphens remain."""
    text = re.sub(r"\s{2,}", " ", text)
    text = re.sub(r"\d{19,}", lambda m: f" {digits(m[0])} ", ascii_digits(_plain(text)))
    text = rewrite(expand_abbreviations(text))
    for pattern, replace in _rules():
        text = pattern.sub(replace, text)
    text = "".join(f" {_symbols()[c]} " if c in _symbols() else c for c in text)
    return _tidy(text)


@lru_cache(maxsize=1)
def _symbols() -> dict[str, str]:
    return read_pairs(resource("res", "text", "en", "symbols.tsv"))


@lru_cache(maxsize=1)
def _units() -> dict[str, str]:
    return read_pairs(resource("res", "text", "en", "units.tsv"))


def _plain(text: str) -> str:
    """Straight quotes, half-width forms, no accents."""
    text = text.translate(_PUNCTUATION)
    kept = []
    for c in text:
        if c in _symbols() or c in "℃℉…§¢−" or ord(c) < 128:
            kept.append(c)
        else:
            kept.extend(d for d in unicodedata.normalize("NFKD", c) if not unicodedata.combining(d))
    return "".join(kept).translate(_LATIN)


_LATIN = str.maketrans({"ø": "o", "Ø": "O", "ß": "ss", "æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe", "ł": "l", "Ł": "L"})


def _tidy(text: str) -> str:
    text = re.sub(r"\s*(?:\.\s?){2,}", "… ", text)
    text = re.sub(r"\s*[—–]+\s*|\s+-+\s+|--+", ", ", text)
    text = re.sub(r"[;:()\[\]{}]+", ",", text)
    text = re.sub(r" +", " ", re.sub(r"[^A-Za-z'.,?!…\- ]+", " ", text))
    text = re.sub(r"(?<![A-Za-z])['\-]+|['\-]+(?![A-Za-z'])", _lone_mark, text)
    text = re.sub(r"\s+([,.?!…])", r"\1", text)
    text = re.sub(r"[,.?!…](?:\s*[,.?!…])+", _strongest, text)
    text = re.sub(r"([,.?!…])(?=[A-Za-z'])", r"\1 ", text)
    return re.sub(r"\s+", " ", text).strip().lstrip(", ")


def _lone_mark(match: re.Match[str]) -> str:
    """Quotes and hyphens that belong to no word; 'tis and '90s style openings keep theirs."""
    return "'" if re.match(r"(?i)(tis|twas|em|cause|til|n)\b", match.string[match.end() :]) else " "


def _strongest(match: re.Match[str]) -> str:
    return next(mark for mark in "?!….," if mark in match.group())


@lru_cache(maxsize=1)
def _rules() -> list[Rule]:
    """Order matters: the specific forms come before plain numbers."""
    units = "|".join(sorted(map(re.escape, _units()), key=len, reverse=True))
    table: list[tuple[str, Callable[[re.Match[str]], str]]] = [
        (
            r"\b(?:https?://|www\.)[^\s,;!?]+[^\s,;!?.](?:\?[\w=&%.-]*[\w=])?|\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}",
            _address,
        ),
        (r"\b[A-Za-z][\w-]*(?:\.[a-z]{2,3})?\.(?:com|org|net|edu|gov|io|ai|dev|co\.uk)\b(?:/[\w./-]*)?", _address),
        (rf"([$£€¥₹₩])\s?({_NUMBER})(?:\s?(hundred|thousand|million|billion|trillion|[kKmMbB])\b)?", _money),
        (rf"({_NUMBER})\s?([£€¥₹₩])", lambda m: _amount(m[2], m[1])),
        (r"\b(1\d{3}|20\d\d)[-/.](0?[1-9]|1[0-2])[-/.](0?[1-9]|[12]\d|3[01])\b", lambda m: _date(m[1], m[2], m[3])),
        (r"\b(0?[1-9]|1[0-2])/(0?[1-9]|[12]\d|3[01])/(\d{4})\b", lambda m: _date(m[3], m[1], m[2])),
        (rf"\b({_MONTH})\s+(\d{{1,2}})(?:st|nd|rd|th)?\b(?:,?\s+(\d{{4}})\b)?(?!:)", _month_day),
        (rf"\b(\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?({_MONTH})\b(?:,?\s+(\d{{4}})\b)?", _day_month),
        (r"\b([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?(?:\s?([AaPp])[Mm]\b)?", _time),
        (r"\b(\d{1,2})\s?([AaPp])[Mm]\b", lambda m: f"{cardinal(int(m[1]))} {m[2].upper()} M"),
        (r"(?<!\d)\+?(?:\d{1,3}[-. ])?\(?\d{3}\)?[-. ]\d{3}[-.]\d{4}\b|\b\d{3}-\d{4}\b", _telephone),
        (r"(?<![\w.])'?((?:\d\d)?\d0)'?s\b", _decade),
        (r"\b(\d+)(?:,(\d{3})){0,5}(?:st|nd|rd|th)\b", lambda m: ordinal(int(re.sub(r"\D", "", m[0])))),
        (r"(?<![\d.])\d+(?:\.\d+){2,}\b", lambda m: " " + " point ".join(cardinal(int(p)) for p in m[0].split("."))),
        (rf"\b(\d{{1,2}})/(\d{{1,2}})\s?({units})(?![A-Za-z\d])", _part_of_unit),
        (rf"({_NUMBER})\s?[-–~]\s?(?={_NUMBER}\s?(?:{units})(?![A-Za-z]))", lambda m: f"{decimal(m[1])} to "),
        (rf"(?<![\w.,])([-−])?({_NUMBER})(?:\s?({units})(?![A-Za-z\d])|-(?=[A-Za-z]))", _measure),
        (r"\b(\d+)\s+(\d{1,2})/(\d{1,2})\b", lambda m: f"{cardinal(int(m[1]))} and {_fraction(m[2], m[3])}"),
        (r"\b(\d{1,2})/(\d{1,3})\b(?!/)", lambda m: _fraction(m[1], m[2])),
        (r"\b(\d{4})\s?[-–]\s?(\d{4})\b", lambda m: f"{year(int(m[1]))} to {year(int(m[2]))}"),
        (rf"\b({_NUMBER})\s?[–-]\s?(?={_NUMBER}\b)", lambda m: f"{_number(m[1])} to "),
        (r"(\d)\s*x\s*(?=\d)", lambda m: f"{m[1]} by "),
        (r"(?<=[\s(])-(?=\d)|^-(?=\d)", lambda m: "minus "),
        (r"(?<=[A-Za-z])-?(?=\d)|(?<=\d)-?(?=[A-Za-z])", lambda m: " "),
        (rf"{_NUMBER}|\.\d+", lambda m: _spaced(_number(m[0]), m)),
    ]
    return [(re.compile(pattern), replace) for pattern, replace in table]


def _spaced(words: str, match: re.Match[str]) -> str:
    following = match.string[match.end() : match.end() + 1]
    return f"{words} " if following.isalnum() else words


def _number(text: str) -> str:
    """A bare number: a year in pairs, a code digit by digit, otherwise a cardinal or decimal."""
    if "," in text or "." in text:
        return decimal(text)
    if (len(text) > 1 and text[0] == "0") or len(text) > 12:
        return digits(text)
    value = int(text)
    return year(value) if 1100 <= value < 2100 and len(text) == 4 else cardinal(value)


def _address(match: re.Match[str]) -> str:
    text = re.sub(r"^https?://", "", match[0]).rstrip("/")
    words = []
    for part in re.findall(r"[A-Za-z]+|\d+|[^\w\s]|_", text):
        names = {".": "dot", "@": "at", "/": "slash", "-": "dash", "_": "underscore", "?": "question mark"}
        words.append(names.get(part) or ("W W W" if part == "www" else digits(part) if part.isdigit() else part))
    return " ".join(words)


def _money(match: re.Match[str]) -> str:
    sign, amount, scale = match.groups()
    if not scale:
        return _amount(sign, amount)
    name = {"k": "thousand", "m": "million", "b": "billion"}.get(scale.lower(), scale)
    return f"{decimal(amount)} {name} {_MONEY[sign][0]}s".replace("yens", "yen").replace("wons", "won")


def _amount(sign: str, amount: str) -> str:
    unit, small = _MONEY[sign]
    whole, _, cents = amount.replace(",", "").partition(".")
    if len(cents) != 2 or not small:
        return f"{decimal(amount)} {unit}{'' if amount == '1' or unit in ('yen', 'won') else 's'}"
    words = [] if whole == "0" and int(cents) else [f"{cardinal(int(whole))} {unit}{'' if whole == '1' else 's'}"]
    if int(cents):
        many = {"penny": "pence", "paisa": "paise"}.get(small, small + "s")
        words.append(f"{cardinal(int(cents))} {small if cents == '01' else many}")
    return " and ".join(words)


def _date(y: str, m: str, d: str) -> str:
    return f"{_MONTHS[int(m) - 1]} {ordinal(int(d))}, {year(int(y))}"


def _month_day(match: re.Match[str]) -> str:
    return f"{match[1]} {ordinal(int(match[2]))}" + (f", {year(int(match[3]))}" if match[3] else "")


def _day_month(match: re.Match[str]) -> str:
    article = "" if re.search(r"(?i)\bthe\s+$", match.string[: match.start()]) else "the "
    return f"{article}{ordinal(int(match[1]))} of {match[2]}" + (f", {year(int(match[3]))}" if match[3] else "")


def _time(match: re.Match[str]) -> str:
    hour, minute, second, half = match.groups()
    words = cardinal(int(hour))
    if int(minute):
        words += f" {'oh ' if int(minute) < 10 else ''}{cardinal(int(minute))}"
    elif not half:
        words += " o'clock" if 0 < int(hour) <= 12 else " hundred"
    if second:
        words += f" and {cardinal(int(second))} seconds"
    return words + (f" {half.upper()} M" if half else "")


def _telephone(match: re.Match[str]) -> str:
    return ", ".join(digits(group) for group in re.findall(r"\d+", match[0]))


def _decade(match: re.Match[str]) -> str:
    number = int(match[1])
    if number % 100 == 0:
        return plural(cardinal(number) if number % 1000 == 0 else f"{cardinal(number // 100)} hundred")
    return plural(year(number) if number > 100 else cardinal(number))


def _measure(match: re.Match[str]) -> str:
    sign, amount, unit = match.groups()
    words = ("minus " if sign else "") + (decimal(amount) if unit or "." in amount else _number(amount))
    if unit is None:
        return f"{words} "
    name = _units()[unit]
    return f"{words} {_one(name) if amount == '1' else name}"


def _one(units: str) -> str:
    head, space, tail = units.partition(" ")
    return _ONE_UNIT.get(head, head.removesuffix("s")) + space + tail


def _part_of_unit(match: re.Match[str]) -> str:
    """3/4 tsp, three quarters of a teaspoon."""
    unit = _one(_units()[match[3]])
    return f"{_fraction(match[1], match[2])} of {'an' if unit[0] in 'aeio' or unit == 'hour' else 'a'} {unit}"


def _fraction(top: str, bottom: str) -> str:
    a, b = int(top), int(bottom)
    if b in (0, 1):
        return f"{cardinal(a)} over {cardinal(b)}"
    name = {2: "half", 4: "quarter"}.get(b, ordinal(b))
    if a != 1:
        name = "halves" if b == 2 else f"{name}s"
    return f"{cardinal(a)} {name}"
