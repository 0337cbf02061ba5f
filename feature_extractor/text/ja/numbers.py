"""Japanese numbers that are said figure by figure."""

from __future__ import annotations

_FIGURES = dict(
    zip("0123456789", ["ゼロ", "イチ", "ニー", "サン", "ヨン", "ゴー", "ロク", "ナナ", "ハチ", "キュー"], strict=True)
)
_TO_TEN = dict(
    zip("0123456789", ["レイ", "イチ", "ニ", "サン", "ヨン", "ゴ", "ロク", "ナナ", "ハチ", "キュー"], strict=True)
)
_ROMAN = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}


def figures(digits: str) -> str:
    """Figure by figure, 2 and 5 drawn out: 0312 ゼロサンイチニー."""
    return "".join(_FIGURES[digit] for digit in digits)


def roman(numeral: str) -> int:
    """The value of a Roman numeral in capitals."""
    values = [_ROMAN[letter] for letter in numeral]
    return sum(-a if a < b else a for a, b in zip(values, [*values[1:], 0], strict=True))


def with_points(digits: str) -> str:
    """Numbers joined by points, such as a version: 1.2.3 イッテンニーテンサン."""
    parts = digits.split(".")
    spoken = [_before_point(part) for part in parts[:-1]]
    return "".join(f"{part}テン" for part in spoken) + _last(parts[-1])


def _before_point(part: str) -> str:
    if len(part) > 1 and part[0] == "0":
        return figures(part)
    special = {"0": "レー", "1": "イッ", "2": "ニー", "5": "ゴー", "8": "ハッ", "10": "ジュッ"}
    return special.get(part) or (_TO_TEN[part] if len(part) == 1 else part)


def _last(part: str) -> str:
    if len(part) > 1 and part[0] == "0":
        return figures(part)
    return {"0": "ゼロ"}.get(part) or (_TO_TEN[part] if len(part) == 1 else part)
