"""Which of several models, such as the checkpoints of one training, speaks best."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gpt_sovits.core.errors import ConfigError
from gpt_sovits.evaluate.columns import BY_NAME, Figure
from gpt_sovits.evaluate.measures import Tools, build_measures
from gpt_sovits.evaluate.result import Result
from gpt_sovits.evaluate.run import Work, evaluate_model
from gpt_sovits.evaluate.sets import EvaluationSet
from gpt_sovits.evaluate.tables import show_total
from gpt_sovits.pipeline.tts import TTS

BUDGET = 12
"""Items that tell checkpoints apart well enough on a laptop."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model to be tried: how to load it, only when its turn comes."""

    name: str
    load: Callable[[], TTS]
    options: Mapping[str, Any] = field(default_factory=dict)
    """Fields of a request for this candidate, such as the temperature."""


def figure_of(by: str) -> Figure:
    """The figure that is to decide.

    Raises:
        ConfigError: there is none of that name, or neither more nor less of it is better.
    """
    figure = BY_NAME.get(by)
    if figure is None or figure.better == 0:
        known = ", ".join(f.name for f in BY_NAME.values() if f.better)
        raise ConfigError(f"cannot select by {by!r}: use one of {known}")
    return figure


def measures_of(by: str) -> tuple[str, ...]:
    """The measures that a figure needs; the fewer, the quicker.

    Raises:
        ConfigError: as of `figure_of`.
    """
    figure = figure_of(by)
    if figure.group == "stability":
        return ("intelligibility", "similarity", "stability")
    if figure.group in ("prosody", "signal"):
        return (figure.group,)
    for start, measure in (("error_rate", "intelligibility"), ("similarity", "similarity"), ("dnsmos", "quality")):
        if by.startswith(start):
            return (measure,)
    return ("nisqa",) if by.startswith("nisqa") else ("signal",)


def check_measurable(by: str, tools: Tools) -> None:
    """Find out before long work whether a figure can be measured here.

    Raises:
        ConfigError: it cannot; the sentence says what is missing.
    """
    _, missing = build_measures(tools.model_copy(update={"measures": measures_of(by)}))
    if missing:
        raise ConfigError(f"cannot select by {by}: {missing[0].reason}")


def merit(result: Result, by: str) -> str:
    """The figure of a result as it is printed, with its interval and number of items."""
    total = result.summary["all"].figures.get(by)
    items = 0 if total is None else total.items
    return f"{show_total(figure_of(by), total)}, {items} items"


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
    figure = figure_of(by)
    results: dict[str, Result] = {}
    best: tuple[float, Candidate] | None = None
    for candidate in candidates:
        given = {**(options or {}), **candidate.options}
        result = evaluate_model(candidate.load(), chosen.first(items), out / candidate.name, work, given)
        results[candidate.name] = result
        total = result.summary["all"].figures.get(by)
        if total is None:
            lacks = "".join(f" ({lack.reason})" for lack in result.missing)
            raise ConfigError(f"{by} could not be measured for {candidate.name}{lacks}: see {out / candidate.name}")
        value = total.value * figure.better
        if best is None or value > best[0]:
            best = (value, candidate)
    if best is None:
        raise ConfigError("there is no model to select from")
    return best[1], results
