"""English number words."""

from __future__ import annotations

_ONES = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]  # fmt: skip
_TENS = ["zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SCALES = [
    "thousand", "million", "billion", "trillion", "quadrillion", "quintillion", "sextillion", "septillion",
    "octillion", "nonillion", "decillion",
]  # fmt: skip
_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip
_LARGEST = 10 ** (3 * len(_SCALES) + 3)


def cardinal(number: int) -> str:
    """`123` is read "one hundred twenty-three"; beyond the named scales, digit by digit."""
    if number < 0:
        return f"minus {cardinal(-number)}"
    if number >= _LARGEST:
        return digits(str(number))
    if number < 1000:
        return _below_thousand(number)
    parts = []
    rest, scale = number, -1
    while rest:
        rest, group = divmod(rest, 1000)
        if group:
            parts.append(_below_thousand(group) + (f" {_SCALES[scale]}" if scale >= 0 else ""))
        scale += 1
    return " ".join(reversed(parts))


def ordinal(number: int) -> str:
    """`21` is read "twenty-first"."""
    words = cardinal(number)
    cut = max(words.rfind(" "), words.rfind("-")) + 1
    head, last = words[:cut], words[cut:]
    if last in _ORDINALS:
        return head + _ORDINALS[last]
    return head + (last[:-1] + "ieth" if last.endswith("y") else last + "th")


def year(number: int) -> str:
    """A four-digit number in pairs: `1984` is "nineteen eighty-four", `1905` "nineteen oh five"."""
    high, low = divmod(number, 100)
    if number % 1000 < 10:
        return cardinal(number)
    if low == 0:
        return f"{cardinal(high)} hundred"
    return f"{cardinal(high)} {'oh ' if low < 10 else ''}{cardinal(low)}"


def digits(text: str, zero: str = "zero") -> str:
    """Read a string digit by digit; other characters are left out."""
    return " ".join(zero if c == "0" else _ONES[int(c)] for c in text if c in "0123456789")


def decimal(text: str) -> str:
    """`3.14` is read "three point one four"; a bare integer as a cardinal."""
    whole, point, fraction = text.replace(",", "").partition(".")
    words = cardinal(int(whole)) if whole else "zero"
    return f"{words} point {digits(fraction)}" if point and fraction else words


def plural(word: str) -> str:
    """Plural of a number word: "nineties", "sixes", "hundreds"."""
    if word.endswith("y"):
        return word[:-1] + "ies"
    return word + ("es" if word.endswith("x") else "s")


def _below_thousand(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    words = [f"{_ONES[hundreds]} hundred"] if hundreds else []
    if rest or not hundreds:
        words.append(_below_hundred(rest))
    return " ".join(words)


def _below_hundred(number: int) -> str:
    if number < 20:
        return _ONES[number]
    tens, ones = divmod(number, 10)
    return _TENS[tens] + (f"-{_ONES[ones]}" if ones else "")
