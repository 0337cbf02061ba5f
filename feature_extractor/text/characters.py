"""What every language needs: digits of all scripts, two-column tables."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path


def ascii_digits(text: str) -> str:
    """Decimal digits of every script as 0-9."""
    if text.isascii():
        return text
    return re.sub(r"[^\D0-9]", lambda m: str(unicodedata.decimal(m[0])), text)


def read_pairs(path: Path) -> dict[str, str]:
    """Read a two-column tab-separated file."""
    rows = (line.partition("\t") for line in path.read_text(encoding="utf8").splitlines())
    return {key: value for key, _, value in rows}
