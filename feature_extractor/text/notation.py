"""Pronunciations as users write them: their elements, and which legal ones are near a wrong one."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from gpt_sovits.core.errors import TextError


def unknown_element(element: str, legal: Iterable[str], kind: str) -> TextError:
    """The error for an element of a pronunciation that does not exist, with the nearest that do.

    Args:
        kind: what the elements are, such as "pinyin syllable with a tone digit".
    """
    near = get_close_matches(element, sorted(legal), n=4, cutoff=0.0)
    hint = f"; the nearest are {', '.join(near)}" if near else ""
    return TextError(f"{element!r} is no {kind}{hint}")


def same_base(element: str, legal: Iterable[str]) -> list[str]:
    """Legal elements that differ from one in its trailing digit only."""
    base = element.rstrip("0123456789")
    return [item for item in legal if item.rstrip("0123456789") == base]
