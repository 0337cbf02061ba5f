"""An evaluation from a set to a folder of results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from gpt_sovits.core.files import check_writable
from gpt_sovits.evaluate.cache import CACHE
from gpt_sovits.evaluate.item import Item
from gpt_sovits.evaluate.measures import Tools
from gpt_sovits.evaluate.result import (
    RESULT,
    MissingMeasure,
    Problem,
    Result,
    SetCard,
    System,
    now,
    program,
    summarise,
    write_result,
)
from gpt_sovits.evaluate.score import Row, Scores, score_items
from gpt_sovits.evaluate.sets import EvaluationSet

Progress = Callable[[Iterator[Row], int], Iterator[Row]]


def evaluate_recordings(
    chosen: EvaluationSet, out: Path, tools: Tools, system: System, processes: int, progress: Progress
) -> Result:
    """Score what is already spoken and write the folder."""
    check_writable(out / RESULT)
    scores = score_items(chosen.items, tools, out / CACHE, processes, progress)
    result = make_result(chosen, system, scores)
    write_result(out, result, scores.rows)
    return result


def make_result(chosen: EvaluationSet, system: System, scores: Scores) -> Result:
    """Totals of scored rows."""
    return Result(
        created=now(),
        program=program(),
        system=system,
        set=SetCard(name=chosen.name, hash=chosen.hash, items=len(chosen.items)),
        measures=scores.cards,
        missing=tuple(MissingMeasure(measure=m.measure, reason=m.reason) for m in scores.missing),
        summary=summarise(scores.rows),
        problems=problems(scores.rows),
    )


def problems(rows: Sequence[Row]) -> tuple[Problem, ...]:
    return tuple(Problem(id=row.item.id, text=text) for row in rows for text in row.problems)


def with_wavs(items: Sequence[Item], folder: Path, suffix: str = "wav") -> list[Item]:
    """The items with the files that speaking them makes."""
    return [item.model_copy(update={"wav": folder / f"{item.id}.{suffix}"}) for item in items]
