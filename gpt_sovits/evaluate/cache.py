"""What was measured already: one line for every measure of every recording, appended as it comes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpt_sovits.core.errors import StorageError
from gpt_sovits.evaluate.item import Item, Measure, Value

CACHE = "scores.jsonl"
_DEAF_TO_THE_VOICE = frozenset({"intelligibility", "quality", "nisqa"})
"""Measures that do not look at the reference."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Columns of one measure of one recording."""

    measure: str
    values: dict[str, Value]
    problem: str | None = None


class ScoreCache:
    """A file of measurements by what decides them: the item, the content of its files, and what measured.

    Measures without a model are quick and not kept. A line cut short by a kill counts as not written.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._known: dict[str, Taken] = {}
        if path is not None and path.is_file():
            for line in path.read_text(encoding="utf8", errors="replace").splitlines():
                try:
                    entry = json.loads(line)
                    key = entry.pop("key")
                    self._known[key] = Taken(**entry)
                except (json.JSONDecodeError, TypeError, KeyError, AttributeError):
                    continue

    def known(self, item: Item, measures: Sequence[Measure]) -> dict[str, Taken]:
        """Earlier measurements of this recording, by measure."""
        if not self._known:
            return {}
        base = _base(item)
        keys = {measure_name(measure): _key(base, measure) for measure in measures}
        return {name: self._known[key] for name, key in keys.items() if key in self._known}

    def add(self, item: Item, taken: Sequence[Taken], measures: Sequence[Measure]) -> None:
        """Append measurements; those that went wrong are tried again next time."""
        by_name = {measure_name(measure): measure for measure in measures}
        kept = [t for t in taken if t.problem is None and by_name[t.measure].card.sha256 is not None]
        if self.path is None or not kept:
            return
        base = _base(item)
        lines = [
            {"key": _key(base, by_name[t.measure]), "measure": t.measure, "values": t.values, "problem": None}
            for t in kept
        ]
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            cut = self.path.is_file() and not self.path.read_bytes().endswith(b"\n")
            with self.path.open("a", encoding="utf8") as file:
                file.write("\n" * cut + "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
        except OSError as error:
            raise StorageError(f"cannot write {self.path}: {error.strerror or error}") from error


def measure_name(measure: Measure) -> str:
    """What tells the measures of one run apart: two speaker networks are two."""
    return f"{measure.card.measure} {measure.card.model}"


def _base(item: Item) -> dict[str, Any]:
    return {
        "item": [item.id, item.language, item.text, _digest(item.wav)],
        "voice": [_digest(item.reference), _digest(item.recording)],
    }


def _key(base: dict[str, Any], measure: Measure) -> str:
    card = measure.card
    heard = base["item"] if card.measure in _DEAF_TO_THE_VOICE else [base["item"], base["voice"]]
    text = json.dumps([heard, card.model_dump(mode="json")], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _digest(path: Path | None) -> str | None:
    try:
        return None if path is None else hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return "unreadable"
