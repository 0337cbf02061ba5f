"""What an evaluation leaves: `result.json` (totals and how they came about) and `items.tsv` (one line an item)."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from gpt_sovits import __version__
from gpt_sovits.core.config import Strict
from gpt_sovits.core.errors import InputError
from gpt_sovits.core.files import write_text
from gpt_sovits.evaluate.columns import FIGURES
from gpt_sovits.evaluate.item import Card, Item, Value
from gpt_sovits.evaluate.score import Row
from gpt_sovits.evaluate.statistics import draws, interval, sums

RESULT = "result.json"
ITEMS = "items.tsv"
RECORDINGS = "recordings.tsv"
_PATHS = ("wav", "reference", "recording")
_TEXTS = {"heard", "heard_language", "tail_kind", "problems", *Item.model_fields}


class Total(Strict):
    """One figure over a set with its 95 % bootstrap interval over items."""

    value: float
    low: float
    high: float
    items: int
    """How many items it stands on; failures are among them."""


class Summary(Strict):
    """All figures of a group of items."""

    items: int
    failed: int
    figures: dict[str, Total]


class System(Strict):
    """What was judged."""

    name: str
    fingerprint: str = ""
    settings: dict[str, str | int | float | bool | None] = Field(default_factory=dict)


class SetCard(Strict):
    """What it was judged on."""

    name: str
    hash: str
    items: int


class MissingMeasure(Strict):
    """A measure that was asked for and could not be taken."""

    measure: str
    reason: str


class Problem(Strict):
    """Something about one item."""

    id: str
    text: str


class Anchors(Strict):
    """What the similarity of real voices is, so that a figure can be read."""

    ceiling: float | None = None
    """Mean between recordings of one speaker."""
    ceiling_pairs: int = 0
    halves: bool = False
    """The ceiling compares the halves of single recordings, for want of two of one speaker."""
    floor: float | None = None
    """Mean between recordings of different speakers."""
    floor_pairs: int = 0


class Result(Strict):
    """Content of `result.json`."""

    format: Literal["gpt-sovits-evaluation"] = "gpt-sovits-evaluation"
    version: Literal[1] = 1
    created: str
    program: str
    system: System
    set: SetCard
    measures: tuple[Card, ...]
    missing: tuple[MissingMeasure, ...] = ()
    summary: dict[str, Summary]
    """By language, and `all`."""
    recordings: dict[str, Summary] = Field(default_factory=dict)
    """The same figures of the real recordings of the set, by language and `all`."""
    anchors: Anchors = Anchors()
    speed: dict[str, float] = Field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether everything asked for was spoken, read and measured."""
        return not self.missing and not self.problems


def summarise(rows: Sequence[Row]) -> dict[str, Summary]:
    """Totals of all rows and of each language."""
    languages = sorted({row.item.language for row in rows})
    groups = {"all": list(rows)} | {name: [r for r in rows if r.item.language == name] for name in languages}
    return {name: _summary(group) for name, group in groups.items()}


def _summary(rows: Sequence[Row]) -> Summary:
    figures = {}
    for figure in FIGURES:
        found = sums(rows, figure)
        if found is not None:
            low, high = interval(found.total(draws(len(found.part))), len(found.part))
            value = float(found.total())
            figures[figure.name] = Total(value=value, low=low, high=high, items=len(found.part))
    return Summary(items=len(rows), failed=sum(row.failed for row in rows), figures=figures)


def now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def program() -> str:
    return f"gpt-sovits {__version__}"


def write_result(folder: Path, result: Result, rows: Sequence[Row], recordings: Sequence[Row] = ()) -> None:
    """Write the result and its tables."""
    write_text(folder / RESULT, json.dumps(result.model_dump(mode="json"), ensure_ascii=False, indent=1) + "\n")
    write_rows(folder / ITEMS, rows)
    if recordings:
        write_rows(folder / RECORDINGS, recordings)


def read_result(folder: Path) -> Result:
    """The result in a folder that `evaluate` wrote.

    Raises:
        InputError: there is none, or it is of another version.
    """
    path = folder / RESULT if folder.is_dir() else folder
    try:
        return Result.model_validate(json.loads(path.read_text(encoding="utf8")))
    except OSError as error:
        raise InputError(f"{folder} holds no {RESULT}: give the --out folder of an evaluation") from error
    except (ValueError, ValidationError) as error:
        raise InputError(f"{path} is no result of version 1 of this program: evaluate again") from error


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """One line an item; paths are relative to the table."""
    fields = [name for name in Item.model_fields if any(getattr(row.item, name) is not None for row in rows)]
    columns = list(dict.fromkeys(name for row in rows for name in row.values))
    lines = [[*fields, *columns, "problems"]]
    for row in rows:
        cells = [_cell(_relative(getattr(row.item, name), path.parent)) for name in fields]
        cells += [_cell(row.values.get(name)) for name in columns]
        lines.append([*cells, _cell("; ".join(row.problems))])
    write_text(path, "".join("\t".join(line) + "\n" for line in lines))


def read_rows(path: Path) -> list[Row]:
    """The rows of a table that `write_rows` wrote.

    Raises:
        InputError: it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the table {path} cannot be read: evaluate again") from error
    rows = []
    for cells in csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE):
        fields = {
            name: (path.parent / cells[name] if name in _PATHS else cells[name])
            for name in Item.model_fields
            if cells.get(name)
        }
        values: dict[str, Value] = {
            name: value if name in _TEXTS else _number(value)
            for name, value in cells.items()
            if name not in Item.model_fields and name != "problems" and value
        }
        problems = tuple(filter(None, (cells.get("problems") or "").split("; ")))
        try:
            rows.append(Row(Item.model_validate({"text": "", **fields}), values, problems))
        except ValidationError as error:
            raise InputError(f"the table {path} is not one that this program wrote") from error
    return rows


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _relative(value: str | Path | None, folder: Path) -> str | None:
    if not isinstance(value, Path):
        return value
    return os.path.relpath(value, folder)


def _cell(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() else f"{value:.6g}"
    text = str(value)
    return " ".join(text.split())
