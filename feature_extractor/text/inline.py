"""What a user writes into a text about how to read it.

`{行|hang2}` fixes a pronunciation, `{=3:45}` reads characters as they stand, `\\{`, `\\}` and `\\|` are plain marks.
Braces with neither a `|` nor a leading `=` are ordinary text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gpt_sovits.core.errors import TextError

_MARK = re.compile(
    r"\\(?P<escaped>[{}|])|\{=(?P<verbatim>(?:\\[{}|]|[^{}\n])*)\}|"
    r"\{(?P<text>(?:\\[{}|]|[^{}|\n])*)\|(?P<reading>[^{}|\n]*)\}"
)
_BROKEN = re.compile(r"(?<!\\)\{(?:=|[^{}|\n]{0,80}\|)[^}\n]{0,20}")
_SPARE = ((0x17000, 0x187F8), (0x13000, 0x13430))
"""Letters that stand for inline marks while a text is cut: Tangut and hieroglyphs, which hardly any text has."""
_ESCAPE = re.compile(r"\\([{}|])")


@dataclass(frozen=True, slots=True)
class Wish:
    """Characters `start` to `end` of a text without marks, and how the user wants them read; see `Pin`.

    `place` is where the wish stands in the text as written; `language` is None where it is yet to be found.
    """

    start: int
    end: int
    reading: str | None
    place: int
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Marked:
    """A text without its inline marks, the wishes they expressed, and where each character was written."""

    text: str
    wishes: tuple[Wish, ...]
    places: Sequence[int]
    """Position of every character in the text as written, and its length; that of a wish starts with its brace."""


def parse_inline(written: str) -> Marked:
    """Take the inline marks out of a text.

    Raises:
        TextError: a mark is not closed, or has no text or no pronunciation.
    """
    if "{" not in written and "\\" not in written:
        return Marked(written, (), range(len(written) + 1))
    text: list[str] = []
    places: list[int] = []
    wishes: list[Wish] = []
    done = 0

    def add(part: str, place: int) -> None:
        for i, character in _unescaped(part):
            text.append(character)
            places.append(place + i)

    for match in _MARK.finditer(written):
        _refuse_broken(written, done, match.start())
        add(written[done : match.start()], done)
        done = match.end()
        if match["escaped"]:
            text.append(match["escaped"])
            places.append(match.start())
            continue
        group = "text" if match["verbatim"] is None else "verbatim"
        start, reading = len(text), match["reading"]
        if not match[group].strip() or (reading is not None and not reading.strip()):
            raise TextError(
                f"the inline mark {match[0]!r} at character {match.start() + 1} lacks its "
                f"{'text' if not match[group].strip() else 'pronunciation'}; write {{text|pronunciation}}, or \\{{ for "
                "a plain brace"
            )
        add(match[group], match.start(group))
        places[start] = match.start()
        wishes.append(Wish(start, len(text), reading and reading.strip(), match.start()))
    _refuse_broken(written, done, len(written))
    add(written[done:], done)
    return Marked("".join(text), tuple(wishes), [*places, len(written)])


def mask_inline(written: str) -> tuple[str, dict[str, str]]:
    """The text with every inline mark as one rare letter, and what each stands for; see `unmask`."""
    hidden: dict[str, str] = {}
    present = set(written)
    if "{" not in written:
        return written, hidden
    spare = (chr(c) for block in _SPARE for c in range(*block) if chr(c) not in present)

    def hide(match: re.Match[str]) -> str:
        if match["escaped"]:
            return match[0]
        key = next(spare, "")
        if not key:
            return match[0]
        hidden[key] = match[0]
        return key

    return _MARK.sub(hide, written), hidden


def unmask(text: str, hidden: dict[str, str]) -> str:
    """The inline marks back in their places."""
    return "".join(hidden.get(c, c) for c in text) if hidden else text


def _unescaped(part: str) -> list[tuple[int, str]]:
    result: list[tuple[int, str]] = []
    done = 0
    for match in _ESCAPE.finditer(part):
        result.extend((i, part[i]) for i in range(done, match.start()))
        result.append((match.start(), match[1]))
        done = match.end()
    result.extend((i, part[i]) for i in range(done, len(part)))
    return result


def _refuse_broken(written: str, start: int, end: int) -> None:
    match = _BROKEN.search(written, start, end)
    if match:
        raise TextError(
            f"the inline mark {match[0]!r} at character {match.start() + 1} is malformed; write {{text|pronunciation}} "
            "on one line without braces inside, or \\{ for a plain brace"
        )
