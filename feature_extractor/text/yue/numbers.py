"""Cantonese number words: those of Mandarin but for 兩, and every 1 of a code is 一."""

from __future__ import annotations

import re

from feature_extractor.text.zh import numbers

_TRADITIONAL = str.maketrans("点万亿", "點萬億")


def digits(text: str) -> str:
    """Digit by digit; other characters stay."""
    return numbers.digits(text)


def cardinal(text: str) -> str:
    """A string of digits as a number; 兩 before a leading 千, 萬 or 億 (兩千二百, 一萬二千)."""
    return re.sub("^二(?=[千萬億])", "兩", numbers.cardinal(text).translate(_TRADITIONAL))


def number(text: str) -> str:
    """A number with an optional decimal part, whose digits are read one by one."""
    text = text.replace(",", "")
    whole, point, fraction = text.partition(".")
    return cardinal(whole) + (f"點{digits(fraction)}" if point and fraction else "")


def count(text: str) -> str:
    """A number that counts something: 2 is 兩."""
    return "兩" if text == "2" else number(text)
