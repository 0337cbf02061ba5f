"""Korean numerals: Sino-Korean ones for amounts, native ones for things that are counted."""

from __future__ import annotations

import re

LETTER_NAMES = dict(
    zip(
        "abcdefghijklmnopqrstuvwxyz",
        [
            "에이",
            "비",
            "시",
            "디",
            "이",
            "에프",
            "지",
            "에이치",
            "아이",
            "제이",
            "케이",
            "엘",
            "엠",
            "엔",
            "오",
            "피",
            "큐",
            "아르",
            "에스",
            "티",
            "유",
            "브이",
            "더블유",
            "엑스",
            "와이",
            "제트",
        ],
        strict=True,
    )
)
"""How the public front end names Latin letters."""
_SINO = "영일이삼사오육칠팔구"
_GROUPS = ("", "만", "억", "조", "경", "해")
_ONES = ("", "하나", "둘", "셋", "넷", "다섯", "여섯", "일곱", "여덟", "아홉")
_BEFORE_COUNTERS = ("", "한", "두", "세", "네", "다섯", "여섯", "일곱", "여덟", "아홉")
_TENS = ("", "열", "스물", "서른", "마흔", "쉰", "예순", "일흔", "여든", "아흔")
_ROMAN = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
# 육 after a consonant takes ㄴ: 십육 is said 심뉵.
_SIX = re.compile("(?<=[십백천만억조경])육")


def sino(digits: str) -> str:
    """A whole number in Sino-Korean numerals; more than 24 digits are said one by one."""
    number = digits.lstrip("0")
    if not number:
        return "영"
    if len(number) > 4 * len(_GROUPS):
        return one_by_one(digits)
    groups = [number[max(end - 4, 0) : end] for end in range(len(number), 0, -4)]
    spoken = ""
    for place in range(len(groups) - 1, -1, -1):
        group = _up_to_thousands(groups[place])
        if group:
            one_ten_thousand = group == "일" and place == 1 and not spoken
            spoken += ("" if one_ten_thousand else group) + _GROUPS[place]
    return _SIX.sub("륙", spoken).replace("륙", "뉵")


def _up_to_thousands(digits: str) -> str:
    spoken = ""
    for place, digit in zip(range(len(digits) - 1, -1, -1), digits, strict=True):
        if digit != "0":
            spoken += ("" if digit == "1" and place else _SINO[int(digit)]) + ("", "십", "백", "천")[place]
    return spoken


def native(number: int) -> str:
    """A number below 100 as it stands before a counter: 3 세, 20 스무; hundreds and more in front are Sino-Korean."""
    tens, ones = divmod(number % 100, 10)
    above = sino(str(number - number % 100)) if number >= 100 else ""
    if number % 100 == 20:
        return above + "스무"
    return above + _TENS[tens] + _BEFORE_COUNTERS[ones]


def one_by_one(digits: str, zero: str = "영") -> str:
    """Figures one after the other, as in telephone numbers (there with the zero 공)."""
    return "".join(zero if digit == "0" else _SINO[int(digit)] for digit in digits)


def decimal(number: str) -> str:
    """A number with or without decimals: 3.14 삼쩜일사."""
    whole, point, rest = number.partition(".")
    if not point:
        return sino(whole)
    spoken = sino(whole)
    tense = spoken[-1] in "일칠팔" or spoken[-1] in "십백육뉵"
    return f"{spoken}{'쩜' if tense else '점'}{one_by_one(rest)}"


def roman(numeral: str) -> int:
    """The value of a Roman numeral in capitals."""
    values = [_ROMAN[letter] for letter in numeral]
    return sum(-a if a < b else a for a, b in zip(values, [*values[1:], 0], strict=True))
