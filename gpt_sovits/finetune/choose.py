"""Which stages of a new voice to keep, judged by what is heard: the evaluation's figures decide."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gpt_sovits.core.bundle import Bundle, PartName
from gpt_sovits.core.resources import resource
from gpt_sovits.evaluate.item import Item
from gpt_sovits.evaluate.measures import Tools
from gpt_sovits.evaluate.run import Work
from gpt_sovits.evaluate.select import BUDGET, Candidate, measures_of, merit, select_model
from gpt_sovits.evaluate.sets import EvaluationSet
from gpt_sovits.finetune.samples import SENTENCES, Reference
from gpt_sovits.pipeline import TTS

STAGES: tuple[tuple[str, tuple[PartName, ...]], ...] = (
    ("both stages", ()),
    ("stage 2 only", ("s1",)),
    ("stage 1 only", ("s2",)),
    ("neither stage", ("s1", "s2")),
)
"""What is trained of a candidate, and which parts it has from the base instead."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Parts that stay those of the base model, and a line for every candidate."""

    kept: dict[PartName, Path]
    lines: list[str]


def choose_stages(
    base: Bundle,
    voice: Bundle,
    reference: Reference,
    language: str,
    out: Path,
    device: str,
    by: str,
    models: Path | None,
    items: int = BUDGET,
) -> Choice:
    """Let the voice speak with either stage trained or not, and keep what does best by one figure.

    The sentences are the project's own, never those of the recordings; their number is what a laptop can afford.

    Raises:
        ConfigError: there is no such figure, or what measures it is not there.
    """
    candidates = []
    for name, kept in STAGES:
        parts = {part: base.need(part) for part in kept}
        load = partial(TTS, voice.folder, device, s1=parts.get("s1"), s2=parts.get("s2"))
        candidates.append(Candidate(name.replace(" ", "_"), load))
    chosen = EvaluationSet("selection", tuple(selection_items(reference, language)))
    work = Work(Tools(models=models, measures=measures_of(by)), cache=out / "scores.jsonl")
    # a stage that does not end would take minutes
    limits = {"retries": 1, "max_codes": 50 + 6 * max(len(item.text.encode()) for item in chosen.items)}
    best, results = select_model(candidates, chosen, out, work, by, limits, items)
    place = candidates.index(best)
    lines = [
        f"{name}: {merit(results[c.name], by)}" + " (chosen)" * (c is best)
        for (name, _), c in zip(STAGES, candidates, strict=True)
    ]
    return Choice({part: base.need(part) for part in STAGES[place][1]}, lines)


def selection_items(reference: Reference, language: str) -> list[Item]:
    """Sentences of the language that ship with the project, to be said in this voice."""
    with resource("res", "evaluate", "smoke.tsv").open(encoding="utf8") as file:
        shipped = [row["text"] for row in csv.DictReader(file, delimiter="\t") if row["language"] == language]
    texts = [*shipped, *SENTENCES.get(language, SENTENCES["en"])]
    said = language if language in SENTENCES else "en"
    return [
        Item(
            id=f"{said}_{number:02}",
            language=said,
            text=text,
            reference=reference.path,
            reference_text=reference.text,
            reference_language=reference.language,
            speaker="voice",
        )
        for number, text in enumerate(texts, 1)
    ]
