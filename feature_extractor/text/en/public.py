"""English exactly as the public GPT-SoVITS reads it, faults included; for its checkpoints.

What differs from our own reading: most marks vanish instead of becoming pauses, abbreviations stay as they are,
`1990s` is "nineteen ninety seconds", every capital inside a word starts a new word, and hyphenated words that the
dictionary lacks go to the network whole.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from typing import Any

from feature_extractor.text.characters import ascii_digits, read_pairs
from feature_extractor.text.en.lexicon import Homograph, cmudict, public_homographs
from feature_extractor.text.en.neural import spelling_to_sound
from feature_extractor.text.en.numbers import cardinal, decimal, digits, ordinal
from feature_extractor.text.en.tagger import tagger
from gpt_sovits.core.resources import resource

_UNITS = {
    "m": "meter", "km": "kilometer", "km/h": "kilometer per hour", "ft": "foot", "L": "liter", "tbsp": "tablespoon",
    "tsp": "teaspoon", "h": "hour", "min": "minute", "s": "second", "°C": "degree celsius", "°F": "degree fahrenheit",
}  # fmt: skip
_VOICELESS = {"P", "T", "K", "F", "TH", "HH"}
_SIBILANT = {"S", "Z", "SH", "ZH", "CH", "JH"}
# A full stop without a space after it makes one token of both words, as in a domain name.
_DOMAIN = r"[A-Za-z0-9]+(?:[.\-][A-Za-z0-9]+)*\.[A-Za-z]{2,13}\b"
_TOKEN = re.compile(rf"{_DOMAIN}|[^\W\d_](?:[^\W\d_]|['\-_])+[^\W\d_]|[\w_]+|\.(?:\s*\.)+|\S")
_UNWANTED = frozenset(["ae", "ai", "ar", "ios", "hud", "os"])
"""Words of the CMU dictionary that the public one lacks."""
_SAID = re.compile(r"[A-Z]+[0-2]?|[,.?!\-…]")
_FEWEST = 4
_LONGEST = 250


def normalise(text: str) -> str:
    """Spell out numbers, units and money; keep Latin letters and the marks `' . , ? ! -`."""
    text = re.sub(r"\d{19,}", lambda m: f" {digits(m[0])} ", ascii_digits(text))
    text = text.replace("。", ".").replace("！", "!").replace("？", "?")
    for pattern, replace in _rules():
        text = pattern.sub(replace, text)
    text = "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")
    text = re.sub(r"[^ A-Za-z'.,?!\-]", "", text.replace("%", " percent"))
    text = re.sub(r"(?i)i\.e\.", "that is", text)
    text = re.sub(r"(?i)e\.g\.", "for example", text)
    text = re.sub(r"--+", "", text)
    text = re.sub(r"(?<!^)(?<!\s)([A-Z])", r" \1", text)
    return re.sub(r"([!?,.\-])[!?,.\-]+", r"\1", text)


def speak(text: str) -> list[tuple[str, list[str]]]:
    """The tokens of normalised text with their phones; fewer than four phones get a comma before them."""
    tokens = _TOKEN.findall(text)
    spoken: list[tuple[str, list[str]]] = []
    for token, tag in zip(tokens, tagger()(tokens), strict=True):
        phones = ["-" if phone == "'" else phone for phone in _token_phones(token, tag)]
        phones = [phone for phone in phones if _SAID.fullmatch(phone) and phone != "UW"]
        if phones:
            spoken.append((token, phones))
    return spoken if sum(len(phones) for _, phones in spoken) >= _FEWEST else [("", [","]), *spoken]


def _token_phones(written: str, tag: str) -> list[str]:
    word = written.lower()
    if not re.search("[a-z]", word):
        return [word]
    if len(word) == 1:
        return ["EY1"] if written == "A" else _entry(word)
    homograph = _homographs().get(word)
    if homograph is not None:
        (wanted,) = homograph.tags
        matched = tag.startswith(wanted) or (len(tag) < len(wanted) and wanted.startswith(tag))
        return (homograph.matched if matched else homograph.other).split()
    return _word(word)


def _word(word: str) -> list[str]:
    if len(word) > 1 and _listed(word):
        return _entry(word)
    if len(word) <= 3:
        return [phone for letter in word for phone in (["EY1"] if letter == "a" else _entry(letter))]
    if re.fullmatch("[a-z]+'s", word):
        stem = _word(word[:-2])
        if stem[-1] in _SIBILANT:
            return [*stem, "AH0", "Z"]
        return [*stem, "S" if stem[-1] in _VOICELESS else "Z"]
    if len(word) > _LONGEST:
        return [*_word(word[: len(word) // 2]), *_word(word[len(word) // 2 :])]
    parts: list[str] = _segmenter().segment(word)
    if len(parts) <= 1:
        return spelling_to_sound()(word)
    return [phone for part in parts for phone in _word(part)]


def _entry(word: str) -> list[str]:
    return (_listed(word) or word).split()


@lru_cache(maxsize=16384)
def _listed(word: str) -> str:
    return _additions().get(word) or ("" if word in _UNWANTED else cmudict().get(word))


@lru_cache(maxsize=1)
def _additions() -> dict[str, str]:
    return read_pairs(resource("res", "text", "en", "public_words.tsv"))


@lru_cache(maxsize=1)
def _homographs() -> dict[str, Homograph]:
    return public_homographs() | {
        "read": Homograph(("VBP",), "R IY1 D", "R EH1 D"),
        "complex": Homograph(("JJ",), "K AH0 M P L EH1 K S", "K AA1 M P L EH0 K S"),
    }


@lru_cache(maxsize=1)
def _segmenter() -> Any:
    module = import_module("wordsegment")
    segmenter = module.Segmenter()
    segmenter.load()
    return segmenter


@lru_cache(maxsize=1)
def _rules() -> list[tuple[re.Pattern[str], Callable[[re.Match[str]], str]]]:
    units = "km/h|km|m|ft|L|tbsp|tsp|h|min|s|°C|°F"
    table: list[tuple[str, Callable[[re.Match[str]], str]]] = [
        (r"\b([0-9]+)\. ", lambda m: f"{ordinal(int(m[1]))}, "),
        (r"([0-9][0-9,]+[0-9])", lambda m: m[1].replace(",", "")),
        (r"\b([01]?[0-9]|2[0-3]):([0-5][0-9])\b", _time),
        (rf"\b([0-9]+(?:\.[0-9]+)?)({units})\b|\b([0-9]+(?:\.[0-9]+)?)(°[CF])", _measure),
        (r"£([0-9.,]*[0-9]+)", lambda m: _money(m[1], "pound", "pounds", "penny", "pence")),
        (r"([0-9.,]*[0-9]+)£", lambda m: _money(m[1], "pound", "pounds", "penny", "pence")),
        (r"\$([0-9.,]*[0-9]+)", lambda m: _money(m[1], "dollar", "dollars", "cent", "cents")),
        (r"([0-9.,]*[0-9]+)\$", lambda m: _money(m[1], "dollar", "dollars", "cent", "cents")),
        (r"([0-9]+)\.\s*([0-9]+)", lambda m: f"{cardinal(int(m[1]))} point {digits(m[2])}"),
        (r"([0-9]+)/([0-9]+)", _fraction),
        (r"([0-9]+)(?:st|nd|rd|th)", lambda m: ordinal(int(m[1]))),
        (r"[0-9]+", lambda m: _number(int(m[0]))),
    ]
    return [(re.compile(pattern), replace) for pattern, replace in table]


def _number(value: int) -> str:
    """Between 1000 and 3000 in pairs, as a year."""
    if not 1000 < value < 3000:
        return cardinal(value)
    if value == 2000:
        return "two thousand"
    if 2000 < value < 2010:
        return f"two thousand {cardinal(value % 100)}"
    high, low = divmod(value, 100)
    if low == 0:
        return f"{cardinal(high)} hundred"
    return f"{cardinal(high)} {'oh ' if low < 10 else ''}{cardinal(low)}"


def _time(match: re.Match[str]) -> str:
    hour, minute = int(match[1]), int(match[2])
    half = "a.m." if hour < 12 else "p.m."
    words = cardinal(hour - 12 if hour > 12 else hour)
    return f"{words} {cardinal(minute) if minute else chr(111) + chr(39) + 'clock'} {half}"


def _measure(match: re.Match[str]) -> str:
    amount, unit = match[1] or match[3], match[2] or match[4]
    name = _UNITS[unit]
    if float(amount) != 1:
        first, space, rest = name.partition(" ")
        name = ("feet" if first == "foot" else f"{first}s") + space + rest
    return f"{decimal(amount) if '.' in amount else _number(int(amount))} {name}"


def _money(amount: str, unit: str, units: str, small: str, smalls: str) -> str:
    whole, _, cents = amount.replace(",", "").partition(".")
    words = []
    if whole and int(whole):
        words.append(f"{whole} {unit if int(whole) == 1 else units}")
    if cents and "." not in cents and int(cents):
        words.append(f"{int(cents)} {small if int(cents) == 1 else smalls}")
    return " and ".join(words) or f"zero {units}"


def _fraction(match: re.Match[str]) -> str:
    top, bottom = int(match[1]), int(match[2])
    if bottom in (2, 4):
        one, many = ("half", "halves") if bottom == 2 else ("quarter", "quarters")
        return f"{cardinal(top)} {one if top == 1 else many}"
    return f"{cardinal(top)} {ordinal(bottom)}"
