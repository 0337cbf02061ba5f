"""Traditional to simplified characters, full width to half width."""

from __future__ import annotations

from functools import lru_cache

from gpt_sovits.core.resources import resource


def simplify(text: str) -> str:
    """Character by character; enough for reading, where only one way of writing is asked for."""
    return text.translate(_simplified())


def half_width(text: str) -> str:
    """ASCII letters, digits and the space; marks keep their width."""
    return text.translate(_half_width())


@lru_cache(maxsize=1)
def _simplified() -> dict[int, str]:
    lines = resource("res", "text", "zh", "simplified.tsv").read_text(encoding="utf8").splitlines()
    return {ord(a): b for a, b in (line.split("\t") for line in lines)}


@lru_cache(maxsize=1)
def _half_width() -> dict[int, str]:
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    return {ord(c) + 0xFEE0: c for c in letters} | {0x3000: " "}
