"""What was said against what should have been said, unit by unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

from gpt_sovits.core.errors import MissingExtraError

Kind = Literal["equal", "replace", "delete", "insert"]


@dataclass(frozen=True, slots=True)
class Step:
    """A run of one kind: wanted[start:end] became heard[heard_start:heard_end]."""

    kind: Kind
    start: int
    end: int
    heard_start: int
    heard_end: int


@dataclass(frozen=True, slots=True)
class Alignment:
    """A cheapest way from the wanted units to those heard."""

    wanted: tuple[str, ...]
    heard: tuple[str, ...]
    steps: tuple[Step, ...]

    def count(self, kind: Kind) -> int:
        """Units of one kind of error."""
        return sum(max(s.end - s.start, s.heard_end - s.heard_start) for s in self.steps if s.kind == kind)

    @property
    def edits(self) -> int:
        """Substitutions, deletions and insertions together."""
        return sum(self.count(kind) for kind in ("replace", "delete", "insert"))


def align(wanted: Sequence[str], heard: Sequence[str]) -> Alignment:
    """Levenshtein alignment of two sequences of units."""
    try:
        from rapidfuzz.distance import Levenshtein
    except ImportError as error:
        raise MissingExtraError("rapidfuzz", "eval", "counting errors") from error
    codes = Levenshtein.opcodes(list(wanted), list(heard))
    steps = tuple(Step(cast("Kind", c.tag), c.src_start, c.src_end, c.dest_start, c.dest_end) for c in codes)
    return Alignment(tuple(wanted), tuple(heard), steps)
