"""Korean exactly as the public GPT-SoVITS reads it: letter names, then the rules of g2pk2, then the letters as phones.

The rule table and the idioms are read from the installed package g2pk2; the package itself is not imported, since
that starts a download.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from feature_extractor.text.ko.jamo import conjoining, letters, plain_vowels, take_apart
from feature_extractor.text.ko.morphemes import morphemes
from feature_extractor.text.ko.numbers import LETTER_NAMES
from feature_extractor.text.reading import Reading, Source
from feature_extractor.text.symbols import symbol_ids

_MARKS = {"：": ",", "；": ",", "，": ",", "。": ".", "！": "!", "？": "?", "\n": ".", "·": ",", "、": ",", " ": "空"}
_PLAIN, _TENSE = "ᄀᄃᄇᄉᄌ", "ᄁᄄᄈᄊᄍ"
_COUNTED = re.compile(r"(\d[\d,]*)([ㄱ-힣]+)/B")
# A counter takes native numerals when this line contains it, parts of other counters included.
_NATIVE_COUNTERS = (
    "군데 권 개 그루 닢 대 두 마리 모 모금 뭇 발 발짝 방 번 벌 보루 살 수 술 시 쌈 움큼 정 짝 채 척 첩 축 켤레 톨 통"
)
_SINO = dict(zip("0123456789", ["", *"일이삼사오육칠팔구"], strict=True))
_NATIVE_ONES = dict(
    zip("0123456789", ["", *["한", "두", "세", "네", "다섯", "여섯", "일곱", "여덟", "아홉"]], strict=True)
)
_NATIVE_TENS = dict(
    zip("0123456789", ["", *["열", "스물", "서른", "마흔", "쉰", "예순", "일흔", "여든", "아흔"]], strict=True)
)
_PLACES = ("", "십", "백", "천", "만", "십", "백", "천", "억", "십", "백", "천", "조", "십", "백", "천")
_FULL_ONE = frozenset([8, 9, 10, 11, 12, 13, 14, 15])  # here 일 is said before the place name
_DIGITS = str.maketrans("0123456789", "영일이삼사오육칠팔구")
# After an ending of a verb, liquids: written in full, matched in letters.
_AFTER_RIEUL = (
    ("걸", "껄"),
    ("밖에", "빠께"),
    ("세라", "쎄라"),
    ("수록", "쑤록"),
    ("지라도", "찌라도"),
    ("지언정", "찌언정"),
    ("진대", "찐대"),
)
_LINKS = (
    *zip("ᆨᆩᆫᆮᆯᆷᆸᆺᆻᆽᆾᆿᇀᇁ", "ᄀᄁᄂᄃᄅᄆᄇᄉᄊᄌᄎᄏᄐᄑ", strict=True),
    *zip("ᆪᆬᆰᆱᆲᆳᆴᆵᆹ", ("ᆨᄊ", "ᆫᄌ", "ᆯᄀ", "ᆯᄆ", "ᆯᄇ", "ᆯᄊ", "ᆯᄐ", "ᆯᄑ", "ᆸᄊ"), strict=True),
    ("ᇂ", "ᄋ"), ("ᆭ", "ᄂ"), ("ᆶ", "ᄅ"),
)  # fmt: skip


def read_public(text: str) -> Reading:
    """Phones as the public front end gives them; it does not normalise."""
    phones = _phones(pronounced(_letter_names(text)))
    return Reading(phones, text, None, tuple(_words(text, phones)))


def _words(text: str, phones: list[str]) -> Iterator[Source]:
    """Every word and space with its phones, if there are as many spaces among the phones as in the text."""
    words, sounds = text.split(" "), " ".join(phones).split("空")
    if len(words) != len(sounds):
        yield Source(text, len(phones), "g2pk2")
        return
    for i, (word, sound) in enumerate(zip(words, sounds, strict=True)):
        if i:
            yield Source(" ", 1, "space")
        if sound.split():
            yield Source(word, len(sound.split()), "g2pk2")


def pronounced(text: str) -> str:
    """Conjoining letters of a text as g2pk2 has it pronounced."""
    for pattern, spoken in _idioms():
        text = pattern.sub(spoken, text)
    text = conjoining(_numbers_spelt(_annotated(text)))
    for pattern, sound in (*_special_rules(), *_table()):
        text = pattern.sub(sound, text)
    for coda, linked in _LINKS:
        text = text.replace(coda + "ᄋ", linked)
    return re.sub("(^|[^\u1100-\u1112])([\u1161-\u1175])", r"\1ᄋ\2", text)


def _phones(text: str) -> list[str]:
    text = re.sub("(ㅇㅡㄹ|ㄹㅡㄹ) ㄹ", r"\1 ㄴ", plain_vowels(letters(text)))
    text = re.sub(r"([\u3131-\u3163])$", r"\1.", text)
    table = symbol_ids("v2")
    phones = (_MARKS.get(char, char) for char in text)
    return [phone if phone in table else "停" for phone in phones]


def _letter_names(text: str) -> str:
    for letter, name in LETTER_NAMES.items():
        text = re.sub(letter, name, text, flags=re.IGNORECASE)
    return text


def _annotated(text: str) -> str:
    """Put /J after the particle 의 and /E, /P, /B after endings in ㄹ, verb stems in ㄴ or ㅁ, and bound nouns."""
    tokens = morphemes(text)
    if text.replace(" ", "") != "".join(surface for surface, _ in tokens):
        return text
    marks = iter([mark for surface, tag in tokens for mark in _marks(surface, tag.split("+")[-1])])
    return "".join(char if char == " " else char + next(marks) for char in text)


def _marks(surface: str, tag: str) -> list[str]:
    """What goes after each character of a morpheme: nothing but after the last one."""
    mark = ""
    coda = take_apart(surface[-1])[2] if "가" <= surface[-1] <= "힣" else ""
    if tag == "NNBC":
        mark = "/B"
    elif tag.startswith("J") and surface[-1] == "의":
        mark = "/J"
    elif tag.startswith("E") and coda == "ㄹ":
        mark = "/E"
    elif tag.startswith("V") and coda in {"ㄴ", "ㄵ", "ㅁ", "ㄻ", "ㄺ", "ㄼ", "ㄾ"}:
        mark = "/P"
    return [*[""] * (len(surface) - 1), mark]


def _numbers_spelt(text: str) -> str:
    """Numbers before bound nouns as words, other digits one by one."""
    found = {match.groups() for match in _COUNTED.finditer(text)}
    for number, counter in sorted(found, key=lambda pair: -len(pair[0])):
        spelt = _spelt(number.replace(",", ""), counter in _NATIVE_COUNTERS)
        text = text.replace(f"{number}{counter}/B", f"{spelt}{counter}/B")
    return text.translate(_DIGITS)


def _spelt(number: str, native: bool) -> str:
    if number == "0":
        return "영"
    if native and number == "20":
        return "스무"
    names: list[str] = []
    for place, digit in zip(range(len(number) - 1, -1, -1), number, strict=True):
        if digit == "0" and (place % 4 or not "".join(names[-3:])):
            names.append("")
        elif native and place < 2:
            names.append((_NATIVE_TENS if place else _NATIVE_ONES).get(digit, ""))
        else:
            unit = _PLACES[min(place, len(_PLACES) - 1)]
            one = digit == "1" and unit and place not in _FULL_ONE
            names.append(("" if one else _SINO.get(digit, "")) + unit)
    return "".join(names)


@lru_cache(maxsize=1)
def _special_rules() -> list[tuple[re.Pattern[str], str]]:
    """The rules that need to know the kind of word; some match more than they are meant to, and that is kept."""
    verb = [(f"([ᆲᆴ])/P{a}", rf"\1{b}") for a, b in _pairs("ᄀᄃᄉᄌ")]
    verb += [(f"([ᆫᆷ])/P{a}", rf"\1{b}") for a, b in _pairs("ᄀᄃᄉᄌ")]
    verb += [(f"{coda}/P{a}", kept + b) for coda, kept in ("ᆬᆫ", "ᆱᆷ") for a, b in _pairs("ᄀᄃᄉᄌ")]
    rules = [
        ("([ᄌᄍᄎ])ᅧ", r"\1ᅥ"),
        ("([ᄀᄁᄂᄃᄄᄅᄆᄇᄈᄉᄊᄌᄍᄎᄏᄐᄑᄒ])ᅴ", r"\1ᅵ"),
        ("/J", ""),
        ("([그])ᆮᄋ", r"\1ᄉ"),
        ("([으])[ᆽᆾᇀᇂ]ᄋ", r"\1ᄉ"),
        ("([으])ᆿᄋ", r"\1ᄀ"),
        ("([으])ᇁᄋ", r"\1ᄇ"),
        ("ᆰ/P[ᄀᄁ]", "ᆯᄁ"),
        *verb,
        ("(바)ᆲ($|[^ᄋᄒ])", r"\1ᆸ\2"),
        ("(너)ᆲ([ᄌᄍ]ᅮ|[ᄃᄄ]ᅮ)", r"\1ᆸ\2"),
        ("ᆮᄋ([ᅵᅧ])", r"ᄌ\1"),
        ("ᇀᄋ([ᅵᅧ])", r"ᄎ\1"),
        ("ᆴᄋ([ᅵᅧ])", r"ᆯᄎ\1"),
        ("ᆮ히", "치"),
        *((f"ᆯ/E {a}", f"ᆯ {b}") for a, b in _pairs(_PLAIN)),
        *((f"ᆯ{a}", f"ᆯ{b}") for a, b in _AFTER_RIEUL),
        ("/[PJEB]", ""),
    ]
    return [(re.compile(conjoining(pattern)), conjoining(sound)) for pattern, sound in rules]


def _pairs(plain: str) -> list[tuple[str, str]]:
    return [(a, _TENSE[_PLAIN.index(a)]) for a in plain]


@lru_cache(maxsize=1)
def _table() -> list[tuple[re.Pattern[str], str]]:
    """A coda, perhaps a space, and an onset: what they become; by coda, then by onset."""
    rows = [line.split(",") for line in (_folder() / "table.csv").read_text(encoding="utf8").splitlines()]
    onsets = rows[0]
    return [
        (re.compile(row[0] + onset), cell.partition("(")[0])
        for row in rows[1:]
        for onset, cell in list(zip(onsets, row, strict=False))[1:]
        if cell
    ]


@lru_cache(maxsize=1)
def _idioms() -> list[tuple[re.Pattern[str], str]]:
    """Words with sounds of their own."""
    lines = (_folder() / "idioms.txt").read_text(encoding="utf8").splitlines()
    pairs = [line.partition("#")[0].strip().split("===") for line in lines]
    return [(re.compile(pair[0]), pair[1]) for pair in pairs if len(pair) == 2]


def _folder() -> Path:
    found = find_spec("g2pk2")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("No module named 'g2pk2'", name="g2pk2")
    return Path(next(iter(found.submodule_search_locations)))
