"""Writing systems: which characters belong to which, and what Chinese characters say about their language."""

from __future__ import annotations

import re
from functools import lru_cache

HAN = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
KANA = "\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9f"
HIRAGANA = "\u3041-\u309f"
HANGUL = "\u1100-\u11ff\u3131-\u318e\ua960-\ua97c\uac00-\ud7a3\ud7b0-\ud7fb\uffa1-\uffdc"
LATIN = "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\uff21-\uff3a\uff41-\uff5a"

has_han = re.compile(f"[{HAN}]").search
has_kana = re.compile(f"[{KANA}]").search
has_hiragana = re.compile(f"[{HIRAGANA}]").search
has_hangul = re.compile(f"[{HANGUL}]").search
has_latin = re.compile(f"[{LATIN}]").search
has_east_asian = re.compile(f"[{HAN}{KANA}{HANGUL}]").search
han_characters = re.compile(f"[{HAN}]").findall


@lru_cache(maxsize=8192)
def han_language(character: str) -> str:
    """`zh` for a Chinese character that Japanese does not use, `ja` for one that Chinese does not, else nothing.

    The national character sets tell: Shift JIS, and GB 2312 with Big5.
    """
    if not _encodable(character, "shift_jis"):
        return "zh"
    return "" if _encodable(character, "gb2312") or _encodable(character, "big5") else "ja"


def _encodable(character: str, codec: str) -> bool:
    try:
        character.encode(codec)
    except UnicodeEncodeError:
        return False
    return True
