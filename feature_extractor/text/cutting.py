"""Cutting long texts where people pause, into pieces as long as models speak best.

A text is cut into atoms at marks that end a sentence or clause, never inside a number, a word, an address or an
abbreviation, and always behind the quotation marks and brackets that close there. Atoms are then joined so that pieces
come near a comfortable length and end at strong marks: the best way by dynamic programming over a bounded window, so
that the work grows with the length of the text and no faster.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from feature_extractor.text import scripts

COMFORTABLE = 36.0
"""Syllables of a piece that models speak best, about eight seconds; none has more than twice as many."""
CHARACTERS = 500
"""No piece is longer, whatever it is made of: networks have their limits."""
_SMALLEST = 3.0
_CLOSING = "”’」』）)】》〉]}\"'"
_OPENING = "“‘「『（(【《〈["
_MARK = re.compile(rf"(?P<mark>[。！？!?…｡]+|\.+|[；;：:—]+|[，,、､]+)(?P<closing>[{re.escape(_CLOSING)}]*)\s*")
_ABBREVIATIONS = frozenset(
    [
        "mr", "mrs", "ms", "dr", "prof", "sr", "jr", "st", "vs", "etc", "e.g", "i.e", "no", "fig", "vol", "inc", "ltd",
        "co", "corp", "dept", "u.s", "u.k", "a.m", "p.m", "approx", "est", "gen", "gov", "hon", "lt", "maj", "rev",
        "sgt", "capt", "col", "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec",
    ]
)  # fmt: skip
_SENTENCE, _HALF, _CLAUSE, _JOINT, _SPACE, _WORD = 0.0, 0.6, 1.0, 2.0, 3.0, 5.0
_INSIDE_QUOTES = 0.5
_JOINING = frozenset(
    [
        "and",
        "but",
        "or",
        "which",
        "who",
        "when",
        "where",
        "while",
        "because",
        "if",
        "unless",
        "until",
        "though",
        "although",
    ]
)
"""English words before which people pause where no mark tells them to."""
WordCutter = Callable[[str], list[str]]


@dataclass(frozen=True, slots=True)
class Atom:
    """A stretch that is not cut, its syllables, and what a cut behind it costs."""

    text: str
    weight: float
    cost: float


def cut_auto(text: str, words: WordCutter | None = None, comfortable: float = COMFORTABLE) -> list[str]:
    """The pieces of a text in order; together they are the text without its line breaks.

    Args:
        words: cuts a stretch of East Asian text without any mark into words; by characters when absent.
        comfortable: syllables that a piece has best; none has more than twice as many.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    return [piece for line in lines for piece in _balanced(_atoms(line, words, comfortable), comfortable)]


def syllables(text: str) -> float:
    """About how many syllables a text has when it is spoken."""
    east = len(re.findall(f"[{scripts.HAN}{scripts.HANGUL}]", text))
    kana = len(re.findall(f"[{scripts.KANA}]", text))
    latin = len(re.findall(f"[{scripts.LATIN}]", text))
    digits = len(re.findall(r"\d", text))
    return east + 0.7 * kana + 0.35 * latin + 1.2 * digits + 0.15 * (len(text) - east - kana - latin - digits)


def _atoms(line: str, words: WordCutter | None, comfortable: float) -> list[Atom]:
    atoms: list[Atom] = []
    done = depth = 0
    waiting = ""
    quotes = counted = 0
    for match in _MARK.finditer(line):
        cost = _cost(line, match)
        if cost is None:
            continue
        quotes += line.count('"', counted, match.start())
        counted = match.start()
        end = _behind_closing(line, match, quotes % 2 == 1)
        part = line[done:end]
        if not part:
            continue
        depth = max(depth + sum(c in _OPENING for c in part) - sum(c in _CLOSING[:-2] for c in part), 0)
        waiting += part
        done = end
        weight = syllables(waiting)
        if weight < _SMALLEST:
            continue
        atoms.extend(_divided(waiting, weight, cost + (_INSIDE_QUOTES if depth else 0), words, comfortable))
        waiting = ""
    rest = waiting + line[done:]
    return [*atoms, *(_divided(rest, syllables(rest), _SENTENCE, words, comfortable) if rest else [])]


def _cost(line: str, match: re.Match[str]) -> float | None:
    """What a cut behind a mark costs; None: it is no place to cut."""
    mark = match["mark"]
    before, after = line[max(match.start() - 12, 0) : match.start()], line[match.end("mark") : match.end("mark") + 1]
    if before[-1:].isdigit() and after.isdigit():
        return None
    if mark[-1].isascii() and after.isascii() and after not in ("", *_CLOSING) and not after.isspace():
        return None
    if mark == ".":
        word = re.search(r"[A-Za-z.]+$|\d+$", before)
        behind = line[match.end() : match.end() + 1]
        short = word is not None and (word[0].lower() in _ABBREVIATIONS or len(word[0]) == 1)
        if short or behind.islower() or (word is not None and word[0].isdigit() and match.start() == len(word[0])):
            return None
        return _SENTENCE
    if mark[0] in "。！？!?｡." or (mark[0] == "…" and match["closing"]):
        return _SENTENCE
    return _CLAUSE if mark[0] in "，,、､" else _HALF


def _behind_closing(line: str, match: re.Match[str], quoted: bool) -> int:
    """Where a cut goes: behind closing marks; a straight quotation mark closes when one is open."""
    end = match.end("mark")
    for c in match["closing"]:
        if c == '"':
            if not quoted:
                return end
            quoted = False
        elif c == "'" and line[end + 1 : end + 2].isalnum():
            return end
        end += 1
    return match.end()


def _divided(text: str, weight: float, cost: float, words: WordCutter | None, comfortable: float) -> list[Atom]:
    """The atom itself, or smaller ones when it is too long: cut at spaces, else between words."""
    if weight <= 2 * comfortable and len(text) <= CHARACTERS:
        return [Atom(text, weight, cost)]
    parts: list[tuple[str, float]] = []
    for part in re.findall(r"\s*\S+\s*$|\s*\S+|\s+", text):
        if syllables(part) <= comfortable and len(part) <= CHARACTERS:
            if parts and part.strip().lower() in _JOINING:
                parts[-1] = parts[-1][0], _JOINT
            parts.append((part, _SPACE))
            continue
        parts.extend((word, _WORD) for word in _words(part, words))
        parts[-1] = parts[-1][0], _SPACE
    parts[-1] = parts[-1][0], cost
    return _gathered(parts)


def _words(text: str, words: WordCutter | None) -> list[str]:
    """Words of a long stretch without spaces; digits and Latin letters stay together up to the longest piece."""
    found: list[str] = []
    for part in re.findall(r"[0-9０-９.,:/%+-]+|[A-Za-z\u00c0-\u024f'’_-]+|[^0-9０-９A-Za-z\u00c0-\u024f]+", text):
        if part[0].isascii() or words is None:
            size = CHARACTERS if part[0].isascii() else 1
            found.extend(part[i : i + size] for i in range(0, len(part), size))
        else:
            blocks = (part[i : i + CHARACTERS] for i in range(0, len(part), CHARACTERS))
            found.extend(word for block in blocks for word in words(block))
    return found


def _gathered(parts: list[tuple[str, float]]) -> list[Atom]:
    """Small parts joined until each has some weight, so that the search looks at few of them."""
    atoms: list[Atom] = []
    text = ""
    for part, cost in parts:
        text += part
        weight = syllables(text)
        if weight >= _SMALLEST or cost < _SPACE:
            atoms.append(Atom(text, weight, cost))
            text = ""
    return [*atoms, *([Atom(text, syllables(text), parts[-1][1])] if text else [])]


def _balanced(atoms: list[Atom], comfortable: float) -> list[str]:
    """Join atoms into the pieces that cost least."""
    best = [0.0]
    start_of: list[int] = []
    for end in range(1, len(atoms) + 1):
        weight, size = 0.0, 0
        chosen, start = float("inf"), end - 1
        for begin in range(end - 1, -1, -1):
            weight += atoms[begin].weight
            size += len(atoms[begin].text)
            if begin < end - 1 and (weight > 2 * comfortable or size > CHARACTERS):
                break
            total = best[begin] + _discomfort(weight / comfortable)
            if total < chosen:
                chosen, start = total, begin
        best.append(chosen + (atoms[end - 1].cost if end < len(atoms) else 0))
        start_of.append(start)
    pieces: list[str] = []
    end = len(atoms)
    while end:
        begin = start_of[end - 1]
        pieces.append("".join(atom.text for atom in atoms[begin:end]))
        end = begin
    return pieces[::-1]


def _discomfort(size: float) -> float:
    """Of a piece of so many comfortable lengths."""
    off = size - 1
    return off * off * (2 if off > 0 else 1)
