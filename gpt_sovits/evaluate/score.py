"""Items to rows: every measure on every recording, over processes, resumable, nothing dropped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from gpt_sovits.core.errors import AudioError, GPTSoVITSError
from gpt_sovits.core.workers import end_with_parent
from gpt_sovits.evaluate.cache import ScoreCache, Taken, measure_name
from gpt_sovits.evaluate.item import Card, Clip, Item, Measure, Sound, Value, read_sound
from gpt_sovits.evaluate.measures import Missing, Tools, build_measures

SHORTEST = 0.1
"""Seconds below which a recording counts as not spoken."""


@dataclass(frozen=True, slots=True)
class Row:
    """One item and all that was found out about it."""

    item: Item
    values: dict[str, Value]
    problems: tuple[str, ...] = ()
    """Sentences: what could not be read or measured."""
    taken: tuple[Taken, ...] = ()
    """What was measured now, not read from a cache."""

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


def score_clip(item: Item, measures: Sequence[Measure], known: Mapping[str, Taken] | None = None) -> Row:
    """Take every measure of one item; an unreadable recording gets the worst value of each.

    Args:
        known: what was measured earlier, by measure; it is not measured again.
    """
    try:
        sound = _readable(item)
    except GPTSoVITSError as error:
        return failed_row(item, measures, str(error))
    clip = Clip(item, sound, {"seconds": round(sound.seconds, 3), "failed": 0.0})
    problems = []
    taken = []
    for measure in measures:
        name = measure.card.measure
        found = (known or {}).get(measure_name(measure))
        if found is None:
            try:
                found = Taken(measure_name(measure), measure.score(clip))
            except GPTSoVITSError as error:
                found = Taken(measure_name(measure), {}, f"{name}: {error}")
            taken.append(found)
        clip.values.update(found.values)
        if found.problem is not None:
            problems.append(found.problem)
    return Row(item, clip.values, tuple(problems), tuple(taken))


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
    """Score many items; a measure that an earlier run took of the same recording is read from `cache`.

    Args:
        processes: how many to spread the work over; each loads the models.
        progress: wraps the rows as they come in, such as by a progress bar.
    """
    measures, missing = build_measures(tools)
    store = ScoreCache(cache)
    known = [store.known(item, measures) for item in items]
    rows: dict[int, Row] = {}
    source = _spread(items, known, tools, measures, min(processes, len(items)))

    def watched() -> Iterator[Row]:
        for index, row in source:
            rows[index] = row
            store.add(row.item, row.taken, measures)
            yield row

    for _ in progress(watched(), len(items)):
        pass
    return Scores(tuple(rows[i] for i in range(len(items))), tuple(measure.card for measure in measures), missing)


def _spread(
    items: Sequence[Item],
    known: Sequence[Mapping[str, Taken]],
    tools: Tools,
    measures: Sequence[Measure],
    processes: int,
) -> Iterator[tuple[int, Row]]:
    if processes <= 1:
        for i, item in enumerate(items):
            yield i, score_clip(item, measures, known[i])
        return
    with ProcessPoolExecutor(processes, get_context("spawn"), _start, (tools,)) as pool:
        futures = {pool.submit(_work, item, known[i]): i for i, item in enumerate(items)}
        for future in as_completed(futures):
            yield futures[future], future.result()


class _Worker:
    """What a process keeps between items."""

    measures: Sequence[Measure] = ()


def _start(tools: Tools) -> None:
    import torch

    end_with_parent()
    torch.set_num_threads(1)
    _Worker.measures = build_measures(tools)[0]


def _work(item: Item, known: Mapping[str, Taken]) -> Row:
    return score_clip(item, _Worker.measures, known)


def _readable(item: Item) -> Sound:
    if item.wav is None:
        raise AudioError(f"{item.id} has no recording")
    sound = read_sound(item.wav)
    if sound.seconds < SHORTEST:
        raise AudioError(f"{item.wav} lasts {sound.seconds:.3f} s: nothing was spoken")
    if not bool(sound.wave.any()):
        raise AudioError(f"{item.wav} is silent: every sample is zero")
    return sound
