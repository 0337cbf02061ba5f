"""An evaluation from a set to a folder of results."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gpt_sovits.core.errors import GPTSoVITSError
from gpt_sovits.core.files import check_writable
from gpt_sovits.evaluate.anchors import find_anchors, recordings_of
from gpt_sovits.evaluate.cache import CACHE
from gpt_sovits.evaluate.item import Value
from gpt_sovits.evaluate.measures import Tools
from gpt_sovits.evaluate.report import write_report
from gpt_sovits.evaluate.result import (
    RESULT,
    Anchors,
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
from gpt_sovits.evaluate.similarity import load_voiceprint
from gpt_sovits.evaluate.synthesise import Progress as SpeakProgress
from gpt_sovits.evaluate.synthesise import make_request, measure_speed, speak_set
from gpt_sovits.pipeline.tts import TTS

Progress = Callable[[Iterator[Row], int], Iterator[Row]]
WAVS = "wavs"


@dataclass(frozen=True, slots=True)
class Work:
    """How to go about it."""

    tools: Tools = field(default_factory=Tools)
    processes: int = 1
    scoring: Progress = lambda rows, total: rows
    speaking: SpeakProgress = iter
    cache: Path | None = None
    """File of measurements that evaluations share; None: one in the folder of each."""


def evaluate_recordings(chosen: EvaluationSet, out: Path, system: System, work: Work) -> Result:
    """Score what is already spoken and write the folder."""
    return _judge(chosen, chosen, out, system, work, {}, {})


def evaluate_model(
    tts: TTS, chosen: EvaluationSet, out: Path, work: Work, options: Mapping[str, Any], seed: int = 1
) -> Result:
    """Let a model say a set, score it and write the folder.

    Args:
        options: fields of a request for all items, such as the temperature.
        seed: the same for every model that is to be compared.
    """
    check_writable(out / RESULT)
    parts = tts.parts
    spoken = speak_set(tts, chosen.items, out / WAVS, parts.fingerprint, options, seed, work.speaking)
    settings: dict[str, str | int | float | bool | None] = {
        "seed": seed,
        **{name: str(value) for name, value in options.items()},
        "device": str(parts.device),
    }
    system = System(name=parts.name, fingerprint=parts.fingerprint, settings=settings)
    speed: dict[str, float] = {}
    for item in chosen.items:
        if item.id not in spoken.errors:
            speed = measure_speed(tts, make_request(item, options, seed))
            break
    made = replace(chosen, items=spoken.items)
    return _judge(chosen, made, out, system, work, spoken.columns, spoken.errors, speed)


def _judge(
    chosen: EvaluationSet,
    made: EvaluationSet,
    out: Path,
    system: System,
    work: Work,
    columns: Mapping[str, Mapping[str, Value]],
    errors: Mapping[str, str],
    speed: Mapping[str, float] | None = None,
) -> Result:
    check_writable(out / RESULT)
    begin = time.perf_counter()
    real = recordings_of(made.items)
    scores = score_items([*made.items, *real], work.tools, work.cache or out / CACHE, work.processes, work.scoring)
    rows = [_told(row, columns, errors) for row in scores.rows[: len(made.items)]]
    recordings = scores.rows[len(made.items) :]
    seconds = {**(speed or {}), "scoring_seconds": round(time.perf_counter() - begin, 1)}
    result = make_result(chosen, system, scores, rows, recordings, _anchors(made, work.tools), seconds)
    write_result(out, result, rows, recordings)
    write_report(out, result, rows)
    return result


def make_result(
    chosen: EvaluationSet,
    system: System,
    scores: Scores,
    rows: Sequence[Row],
    recordings: Sequence[Row],
    anchors: Anchors,
    speed: Mapping[str, float],
) -> Result:
    """Totals of scored rows."""
    return Result(
        created=now(),
        program=program(),
        system=system,
        set=SetCard(name=chosen.name, hash=chosen.hash, items=len(chosen.items)),
        measures=scores.cards,
        missing=tuple(MissingMeasure(measure=m.measure, reason=m.reason) for m in scores.missing),
        summary=summarise(rows),
        recordings=summarise(recordings) if recordings else {},
        anchors=anchors,
        speed=dict(speed),
        problems=tuple(Problem(id=row.item.id, text=text) for row in [*rows, *recordings] for text in row.problems),
    )


def _told(row: Row, columns: Mapping[str, Mapping[str, Value]], errors: Mapping[str, str]) -> Row:
    """A row with what speaking it told."""
    name = row.item.id
    values = {**row.values, **columns.get(name, {})}
    if values.get("loops") or values.get("unfinished"):
        values["faulty"] = 1.0
    problems = (f"not spoken: {errors[name]}",) if name in errors else row.problems
    return replace(row, values=values, problems=problems)


def _anchors(made: EvaluationSet, tools: Tools) -> Anchors:
    if "similarity" not in tools.measures:
        return Anchors()
    try:
        voiceprint = load_voiceprint(tools.speakers[0], tools.models)
    except GPTSoVITSError:  # reported as a missing measure
        return Anchors()
    return find_anchors(made.items, voiceprint)
