"""Jyutping syllables of Cantonese characters, and the two phones of each syllable."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import import_module
from typing import Any

# The order is behaviour: the first one that a syllable starts with is its initial, so `ong` is one and `oek` has `o`.
_INITIALS = (
    "aa", "ai", "ak", "ap", "at", "au", "a", "p", "b", "e", "ts", "t", "dz", "d", "kw", "k", "gw", "g", "f", "h", "l",
    "m", "ng", "n", "s", "y", "w", "c", "z", "j", "ong", "on", "ou", "oi", "ok", "o", "uk", "ung",
)  # fmt: skip
_SYLLABLE = re.compile("([a-z]+)([1-6])")
# Finals that the symbol table lacks, and the nearest that it has.
_NEAREST = {"eu": "iu", "em": "im", "ep": "ip", "en": "in", "et": "it", "oen": "eon", "oet": "eot", "um": "am",
            "up": "ap", "m": "m", "ng": "ang"}  # fmt: skip
# Without a consonant these begin with an initial that the symbol table lacks; many speakers begin them with ng.
_BEGINS_WITH_NG = re.compile("(?:ong|ung|at|ap)[1-6]$")


def characters(text: str) -> list[tuple[str, str | None]]:
    """Every character of a text with its jyutping, None for one that the dictionary lacks."""
    rows: list[tuple[str, str | None]] = _dictionary().get_jyutping_list(text)
    return rows


def public_phones(syllable: str) -> tuple[str, str]:
    """Initial and final of a syllable as the public GPT-SoVITS cuts it, faults included: `ng5` is Yng Yg5."""
    initial = next(i for i in _INITIALS if syllable.startswith(i))
    spelling, tone = syllable[:-1], syllable[-1]
    return f"Y{initial}", f"Y{spelling[len(initial) :] or initial[-1]}{tone}"


@lru_cache(maxsize=4096)
def syllable_phones(syllable: str) -> tuple[str, str]:
    """Initial and final of a syllable, out of the phones that the symbol table has.

    Models learnt the public cut, so this is the same but for syllables that would leave the table: a final that is
    missing there is replaced by its nearest (`deu6` is read as `diu6`), and `ong3` begins with ng.
    """
    if _BEGINS_WITH_NG.match(syllable):
        syllable = f"ng{syllable}"
    initial, final = public_phones(syllable)
    nearest = _NEAREST.get(final[1:-1])
    return initial, f"Y{nearest}{final[-1]}" if nearest else final


def is_syllable(text: str) -> bool:
    """Whether this is one jyutping syllable with its tone digit."""
    return bool(_SYLLABLE.fullmatch(text)) and any(text.startswith(i) for i in _INITIALS)


@lru_cache(maxsize=1)
def _dictionary() -> Any:
    return import_module("ToJyutping")
