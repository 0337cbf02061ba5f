"""Cutting long texts into pieces a model speaks in one go: as the public GPT-SoVITS cuts them, and by itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from feature_extractor.text import scripts
from feature_extractor.text.cutting import COMFORTABLE, cut_auto
from feature_extractor.text.inline import mask_inline, unmask
from gpt_sovits.core.errors import TextError

_SPLITS = frozenset("，。？！,.?!~:：—…")
_MARKS = frozenset("!?…,.- ")
_ENDED = re.compile("[，。？！,.?!~:：—…；;、][”’」』）)】》〉\"']*$")
_SILENT = re.compile(
    r"[\s!-/:-@\[-`{-~\u00a1-\u00bf\u2010-\u2027\u2030-\u205e\u3000-\u303f\uff00-\uff0f\uff1a-\uff20]*"
)
_CLAUSE_MARKS = frozenset(",.;?!、，。？！；：…")
_SENTENCES, _CHARACTERS = 4, 50
_SHORTEST, _LONGEST = 5, 510
METHODS = ("auto", "cut0", "cut1", "cut2", "cut3", "cut4", "cut5")


def spoken_pieces(text: str, language: str, method: str = "auto", comfortable: float = COMFORTABLE) -> list[str]:
    """The pieces of a text that are spoken one after the other, each with a mark at its end.

    `auto` joins sentences and clauses to pieces of a comfortable length, see `cut_auto`, the others are those of `cut`.
    Inline marks stay whole.

    Raises:
        TextError: nothing is left to say, or there is no such method.
    """
    masked, hidden = mask_inline(text)
    if method == "auto":
        pieces = _auto(masked, language, comfortable)
    else:
        pieces = pre_segment(replace_consecutive_punctuation(masked), language, method)
    return [unmask(piece, hidden) for piece in pieces]


def _auto(text: str, language: str, comfortable: float) -> list[str]:
    pieces: list[str] = []
    for line in text.splitlines():
        found = [piece.strip() for piece in cut_auto(line, _words, comfortable)]
        found = [piece for piece in found if not _SILENT.fullmatch(piece)]
        pieces.extend(_ended(piece, language, i + 1 < len(found)) for i, piece in enumerate(found))
    if not pieces:
        raise TextError(f"the text {text.strip()[:40]!r} has nothing to say")
    first = pieces[0]
    if first[0] not in _SPLITS and len(_before_first_mark(first)) < 4:
        pieces[0] = ("。" if _is_east_asian(first, language) else ".") + first
    return pieces


def _ended(piece: str, language: str, goes_on: bool) -> str:
    """The piece with a mark at its end: a comma where its sentence goes on."""
    if _ENDED.search(piece):
        return piece
    return piece + ("，。" if _is_east_asian(piece, language) else ",.")[not goes_on]


def _is_east_asian(piece: str, language: str) -> bool:
    return bool(scripts.has_east_asian(piece)) or not (language == "en" or scripts.has_latin(piece))


def _words(text: str) -> list[str]:
    """Words of East Asian text without marks: Japanese ends behind hiragana, Chinese as its dictionary says."""
    if scripts.has_kana(text):
        return re.findall(f"[^{scripts.HIRAGANA}]*[{scripts.HIRAGANA}]*", text)
    if not scripts.has_han(text):
        return list(text)
    from feature_extractor.text.zh.segment import segmenter

    words = [word.text for word in segmenter().words(text)]
    return words if "".join(words) == text else list(text)


def cut(text: str, method: str) -> str:
    """Put a line break where the text is to be cut.

    Args:
        method: `cut0` nowhere, `cut1` after every four clauses, `cut2` after about 50 characters, `cut3` at Chinese
            full stops, `cut4` at English full stops (both vanish), `cut5` at every mark.

    Raises:
        TextError: there is no such method.
    """
    methods = _methods()
    if method not in methods:
        raise TextError(f"there is no cutting method {method!r}; choose one of {', '.join(METHODS)}")
    return methods[method](text)


def pre_segment(text: str, language: str, method: str) -> list[str]:
    """Cut a text into pieces that each end with a mark, short ones joined, none longer than 510 characters.

    Call `replace_consecutive_punctuation` first. A text that starts with fewer than four characters before its first
    mark gets a full stop before it, which keeps models from skipping it.

    Raises:
        TextError: nothing is left to say, or there is no such method.
    """
    text = text.strip("\n")
    if not text:
        return []
    stop = "." if language == "en" else "。"
    if text[0] not in _SPLITS and len(_before_first_mark(text)) < 4:
        text = stop + text
    lines = [line for line in re.sub(r"\n{2,}", "\n", cut(text, method)).split("\n") if line.strip(" ")]
    if not lines:
        raise TextError(f"the text {text[:40]!r} has nothing to say")
    pieces: list[str] = []
    for line in _join_short(lines):
        if not re.sub(r"\W+", "", line):
            continue
        line = line if line[-1] in _SPLITS else line + stop
        pieces.extend(_split_big(line) if len(line) > _LONGEST else [line])
    return pieces


def replace_consecutive_punctuation(text: str) -> str:
    """Keep the first of several marks `! ? … , . -` in a row."""
    return re.sub(r"([!?…,.\-])[!?…,.\-]+", r"\1", text)


@lru_cache(maxsize=1)
def _methods() -> dict[str, Callable[[str], str]]:
    return {"cut0": _cut0, "cut1": _cut1, "cut2": _cut2, "cut3": _cut3, "cut4": _cut4, "cut5": _cut5}


def _cut0(text: str) -> str:
    return text if set(text) - _MARKS else "\n"


def _cut1(text: str) -> str:
    text = text.strip("\n")
    clauses = _clauses(text)
    groups = max((len(clauses) - 1) // _SENTENCES, 0)
    if not groups:
        return _lines([text])
    cuts = [i * _SENTENCES for i in range(groups)]
    return _lines(["".join(clauses[a:b]) for a, b in zip(cuts, [*cuts[1:], None], strict=True)])


def _cut2(text: str) -> str:
    text = text.strip("\n")
    clauses = _clauses(text)
    if len(clauses) < 2:
        return text
    pieces = [""]
    for clause in clauses:
        if len(pieces[-1]) > _CHARACTERS:
            pieces.append("")
        pieces[-1] += clause
    if len(pieces) > 1 and len(pieces[-1]) < _CHARACTERS:
        pieces[-2:] = ["".join(pieces[-2:])]
    return _lines(pieces)


def _cut3(text: str) -> str:
    return _lines(text.strip("\n").strip("。").split("。"))


def _cut4(text: str) -> str:
    return _lines(re.split(r"(?<!\d)\.(?!\d)", text.strip("\n").strip(".")))


def _cut5(text: str) -> str:
    text = text.strip("\n")
    pieces = re.findall(r"(?:[^,.;?!、，。？！；：…]|(?<=\d)\.(?=\d))*(?:[,.;?!、，。？！；：…]|$)", text)
    return "\n".join(piece for piece in pieces if set(piece) - _CLAUSE_MARKS)


def _clauses(text: str) -> list[str]:
    """Parts that each end with a mark; one is added at the end when it is missing."""
    text = text.replace("……", "。").replace("——", "，")
    if text and text[-1] not in _SPLITS:
        text += "。"
    return re.findall(r"[^，。？！,.?!~:：—…]*[，。？！,.?!~:：—…]", text)


def _lines(pieces: list[str]) -> str:
    return "\n".join(piece for piece in pieces if set(piece) - _MARKS)


def _before_first_mark(text: str) -> str:
    return re.split("[，。？！,.?!~:：—…]", text)[0].strip()


def _join_short(lines: list[str]) -> list[str]:
    """Join lines until each has at least five characters; the rest goes to the last."""
    joined: list[str] = []
    waiting = ""
    for line in lines:
        waiting += line
        if len(waiting) >= _SHORTEST:
            joined.append(waiting)
            waiting = ""
    if waiting and joined:
        joined[-1] += waiting
    return joined or [waiting]


def _split_big(text: str) -> list[str]:
    """Cut at marks so that no part is longer than 510 characters, unless it has no mark to cut at."""
    parts: list[str] = []
    current = ""
    for part in re.split("([，。？！,.?!~:：—…])", text):
        if len(current) + len(part) > _LONGEST:
            parts.append(current)
            current = ""
        current += part
    return [part for part in [*parts, current] if part]
