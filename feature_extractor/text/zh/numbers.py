"""Chinese number words."""

from __future__ import annotations

_DIGITS = dict(zip("0123456789", "零一二三四五六七八九", strict=True))
_UNITS = ((8, "亿"), (4, "万"), (3, "千"), (2, "百"), (1, "十"))


def digits(text: str, one: str = "一") -> str:
    """Digit by digit; `one="幺"` for telephone and other code numbers. Other characters stay."""
    return "".join(one if c == "1" else _DIGITS.get(c, c) for c in text)


def cardinal(text: str) -> str:
    """A string of digits as a number: `1005` is 一千零五, `12` is 十二."""
    stripped = text.lstrip("0")
    if not stripped:
        return "零"
    words = "".join(_value(stripped))
    return words[1:] if words.startswith("一十") else words


def number(text: str) -> str:
    """A number with an optional decimal part, whose digits are read one by one."""
    whole, point, fraction = text.partition(".")
    return cardinal(whole) + (f"点{digits(fraction)}" if point and fraction else "")


def _value(text: str) -> list[str]:
    stripped = text.lstrip("0")
    if not stripped:
        return []
    if len(stripped) == 1:
        return ["零", _DIGITS[stripped]] if len(text) > 1 else [_DIGITS[stripped]]
    power, unit = next((power, unit) for power, unit in _UNITS if power < len(stripped))
    head = _value(text[:-power])
    return [*head, unit, *_value(text[-power:])]
