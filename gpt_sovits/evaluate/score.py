"""Items to rows: every measure on every recording, over processes, resumable, nothing dropped."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from gpt_sovits.core.config import Strict
from gpt_sovits.core.errors import GPTSoVITSError, StorageError
from gpt_sovits.evaluate.item import Card, Clip, Item, Measure, Sound, Value, read_sound
from gpt_sovits.evaluate.measures import Missing, Tools, build_measures

log = logging.getLogger(__name__)
CACHE = "scores.jsonl"
SHORTEST = 0.1
"""Seconds below which a recording counts as not spoken."""


@dataclass(frozen=True, slots=True)
class Row:
    """One item and all that was found out about it."""

    item: Item
    values: dict[str, Value]
    problems: tuple[str, ...] = ()
    """Sentences: what could not be read or measured."""

    @property
    def failed(self) -> bool:
        return bool(self.values.get("failed"))

    def number(self, name: str) -> float | None:
        """A column as a number; None where it was not measured."""
        value = self.values.get(name)
        return float(value) if isinstance(value, int | float) else None


@dataclass(frozen=True, slots=True)
class Scores:
    """Rows in the order of the items, and what measured them."""

    rows: tuple[Row, ...]
    cards: tuple[Card, ...]
    missing: tuple[Missing, ...]


def score_clip(item: Item, measures: Sequence[Measure]) -> Row:
    """Take every measure of one item; an unreadable recording gets the worst value of each."""
    try:
        sound = _readable(item)
    except GPTSoVITSError as error:
        return failed_row(item, measures, str(error))
    clip = Clip(item, sound, {"seconds": round(sound.seconds, 3), "failed": 0.0})
    problems = []
    for measure in measures:
        try:
            clip.values.update(measure.score(clip))
        except GPTSoVITSError as error:
            problems.append(f"{measure.card.measure}: {error}")
    return Row(item, clip.values, tuple(problems))


def failed_row(item: Item, measures: Sequence[Measure], problem: str) -> Row:
    """The row of an item without a recording."""
    values: dict[str, Value] = {"seconds": 0.0, "failed": 1.0}
    problems = [problem]
    for measure in measures:
        try:
            values.update(measure.failed(item))
        except GPTSoVITSError as error:
            problems.append(f"{measure.card.measure}: {error}")
    return Row(item, values, tuple(problems))


def score_items(
    items: Sequence[Item],
    tools: Tools,
    cache: Path | None = None,
    processes: int = 1,
    progress: Callable[[Iterator[Row], int], Iterator[Row]] = lambda rows, total: rows,
) -> Scores:
    """Score many items; what an earlier run put into `cache` for the same recording and measures is taken from there.

    Args:
        processes: how many to spread the work over; each loads the models.
        progress: wraps the rows as they come in, such as by a progress bar.
    """
    measures, missing = build_measures(tools)
    cards = tuple(measure.card for measure in measures)
    keys = [_key(item, cards, tools) for item in items]
    known = _read_cache(cache)
    rows = {i: known[key].with_item(items[i]) for i, key in enumerate(keys) if key in known}
    waiting = [i for i in range(len(items)) if i not in rows]
    source = _spread(items, waiting, tools, measures, min(processes, max(len(waiting), 1)))
    found: list[tuple[int, Row]] = []

    def watched() -> Iterator[Row]:
        for index, row in source:
            found.append((index, row))
            _append(cache, _Stored(keys[index], row.values, list(row.problems)))
            yield row

    for _ in progress(watched(), len(waiting)):
        index, row = found[-1]
        rows[index] = row
    return Scores(tuple(rows[i] for i in range(len(items))), cards, missing)


def _spread(
    items: Sequence[Item], waiting: Sequence[int], tools: Tools, measures: Sequence[Measure], processes: int
) -> Iterator[tuple[int, Row]]:
    if processes <= 1:
        for i in waiting:
            yield i, score_clip(items[i], measures)
        return
    with ProcessPoolExecutor(processes, get_context("spawn"), _start, (tools,)) as pool:
        futures = {pool.submit(_work, items[i]): i for i in waiting}
        for future in as_completed(futures):
            yield futures[future], future.result()


class _Worker:
    """What a process keeps between items."""

    measures: Sequence[Measure] = ()


def _start(tools: Tools) -> None:
    import torch

    torch.set_num_threads(1)
    _Worker.measures = build_measures(tools)[0]


def _work(item: Item) -> Row:
    return score_clip(item, _Worker.measures)


def _readable(item: Item) -> Sound:
    from gpt_sovits.core.errors import AudioError

    if item.wav is None:
        raise AudioError(f"{item.id} has no recording")
    sound = read_sound(item.wav)
    if sound.seconds < SHORTEST:
        raise AudioError(f"{item.wav} lasts {sound.seconds:.3f} s: nothing was spoken")
    if not bool(sound.wave.any()):
        raise AudioError(f"{item.wav} is silent: every sample is zero")
    return sound


@dataclass(frozen=True, slots=True)
class _Stored:
    key: str
    values: dict[str, Value]
    problems: list[str] = field(default_factory=list)

    def with_item(self, item: Item) -> Row:
        return Row(item, self.values, tuple(self.problems))


def _key(item: Item, cards: Sequence[Card], tools: Strict) -> str:
    """What decides a row: the item, the content of its files, the measures."""
    values: dict[str, Any] = item.model_dump(mode="json", exclude={"wav", "reference", "recording"})
    files = [_digest(path) for path in (item.wav, item.reference, item.recording)]
    made = [card.model_dump(mode="json") for card in cards]
    text = json.dumps([values, files, made], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _digest(path: Path | None) -> str | None:
    try:
        return None if path is None else hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return "unreadable"


def _read_cache(path: Path | None) -> dict[str, _Stored]:
    if path is None or not path.is_file():
        return {}
    known = {}
    for line in path.read_text(encoding="utf8", errors="replace").splitlines():
        try:
            stored = _Stored(**json.loads(line))
        except (json.JSONDecodeError, TypeError):  # cut short by a kill
            continue
        known[stored.key] = stored
    return known


def _append(path: Path | None, stored: _Stored) -> None:
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        cut = path.is_file() and path.stat().st_size > 0 and not path.read_bytes().endswith(b"\n")
        with path.open("a", encoding="utf8") as file:
            file.write(("\n" if cut else "") + json.dumps(asdict(stored), ensure_ascii=False) + "\n")
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}") from error
