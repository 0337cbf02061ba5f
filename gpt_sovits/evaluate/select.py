"""Which of several models, such as the checkpoints of one training, speaks best."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpt_sovits.core.errors import ConfigError
from gpt_sovits.evaluate.columns import BY_NAME
from gpt_sovits.evaluate.result import Result
from gpt_sovits.evaluate.run import Work, evaluate_model
from gpt_sovits.evaluate.sets import EvaluationSet
from gpt_sovits.pipeline.tts import TTS

BUDGET = 12
"""Items that tell checkpoints apart well enough on a laptop."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model to be tried: how to load it, only when its turn comes."""

    name: str
    load: Callable[[], TTS]


def select_model(
    candidates: Sequence[Candidate],
    chosen: EvaluationSet,
    out: Path,
    work: Work,
    by: str = "error_rate",
    options: Mapping[str, Any] | None = None,
    items: int = BUDGET,
) -> tuple[Candidate, dict[str, Result]]:
    """Evaluate every candidate on the same few items with the same seeds and return the best.

    Args:
        out: each candidate gets a folder of its own there; an interrupted selection goes on.
        by: the figure that decides; ties go to the earlier candidate.

    Raises:
        ConfigError: there is no such figure, it has no better side, or it could not be measured.
    """
    figure = BY_NAME.get(by)
    if figure is None or figure.better == 0:
        known = ", ".join(f.name for f in BY_NAME.values() if f.better)
        raise ConfigError(f"cannot select by {by!r}: use one of {known}")
    results: dict[str, Result] = {}
    best: tuple[float, Candidate] | None = None
    for candidate in candidates:
        result = evaluate_model(candidate.load(), chosen.first(items), out / candidate.name, work, options or {})
        results[candidate.name] = result
        total = result.summary["all"].figures.get(by)
        if total is None:
            raise ConfigError(f"{by} could not be measured for {candidate.name}: see {out / candidate.name}")
        merit = total.value * figure.better
        if best is None or merit > best[0]:
            best = (merit, candidate)
    if best is None:
        raise ConfigError("there is no model to select from")
    return best[1], results
