"""Characters that a language's front end may be unable to say."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from feature_extractor.text import scripts

_EXPECTED = {
    "en": scripts.LATIN,
    "ja": f"{scripts.KANA}{scripts.LATIN}",
    "ko": f"\uac00-\ud7a3{scripts.LATIN}",
}
_SILENT = frozenset({"Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Zs", "Zl", "Zp", "Mn", "Mc", "Me", "Sk", "Cf", "Lm"})
_WHITE = frozenset("\t\n\r\v\f")


def suspects(text: str, language: str) -> Iterator[tuple[int, str]]:
    """Places and characters outside what the language is written in; marks and spaces are silent, not unknown."""
    for match in _unexpected(language).finditer(text):
        if match[0] not in _WHITE and unicodedata.category(match[0]) not in _SILENT:
            yield match.start(), match[0]


@lru_cache(maxsize=8)
def _unexpected(language: str) -> re.Pattern[str]:
    """Characters beyond printable ASCII and the language's own; of Chinese ones only the rare are suspect."""
    common = "" if language in {"en", "ko"} else "\u4e00-\u9fa5"
    return re.compile(f"[^ -~\u3000-\u303f\uff00-\uff65{common}{_EXPECTED.get(language, '')}]")
