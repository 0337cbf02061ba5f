"""`gpt-sovits evaluate`: score recordings of any system."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gpt_sovits.cli import options as o
from gpt_sovits.core.log import configure_logging

if TYPE_CHECKING:
    from gpt_sovits.evaluate.measures import Tools
    from gpt_sovits.evaluate.result import Result
    from gpt_sovits.evaluate.score import Row

app = typer.Typer(help="Measure how good a voice is.", no_args_is_help=True)

Out = Annotated[Path, typer.Option("--out", help="folder for the result")]
Models = Annotated[
    Path | None,
    typer.Option("--models", envvar="GPT_SOVITS_METRICS", help="folder of the metric models"),
]
Recogniser = Annotated[
    str, typer.Option("--recogniser", help="whisper-SIZE, a folder, or file:TABLE.tsv with the columns id and text")
]
Speakers = Annotated[
    list[str] | None, typer.Option("--speaker-model", help="campplus, eres2netv2 or wavlm-sv; may be repeated")
]
Measures = Annotated[list[str] | None, typer.Option("--measure", help="take only these measures; may be repeated")]
Processes = Annotated[int, typer.Option("--jobs", min=1, help="processes to score with")]
Most = Annotated[int | None, typer.Option("--items", min=1, help="at most so many items, of all languages and voices")]


@app.command()
def wavs(
    source: Annotated[Path, typer.Argument(help="a tsv: id, wav, language, text, reference; or its folder")],
    out: Out,
    name: Annotated[str | None, typer.Option("--name", help="what to call the system")] = None,
    models: Models = None,
    recogniser: Recogniser = "whisper-base",
    speakers: Speakers = None,
    measures: Measures = None,
    items: Most = None,
    processes: Processes = 1,
    verbose: o.Verbose = False,
) -> None:
    """Score recordings that any system made; run it again to finish what was interrupted."""
    _log(verbose)
    from gpt_sovits.evaluate.result import System
    from gpt_sovits.evaluate.run import evaluate_recordings
    from gpt_sovits.evaluate.sets import EvaluationSet, choose, read_recordings

    found = read_recordings(source)
    chosen = EvaluationSet(found.name, tuple(choose(found.items, items)))
    system = System(name=name or source.resolve().stem)
    tools = _tools(models, recogniser, speakers, measures)
    _report(evaluate_recordings(chosen, out, tools, system, processes, _progress), out)


def _log(verbose: bool) -> None:
    configure_logging(verbose)
    if not verbose:
        logging.getLogger("faster_whisper").setLevel(logging.ERROR)


def _tools(models: Path | None, recogniser: str, speakers: list[str] | None, measures: list[str] | None) -> Tools:
    from gpt_sovits.evaluate.measures import ALL, Tools

    return Tools(
        models=models,
        recogniser=recogniser,
        speakers=tuple(speakers or ("campplus",)),
        measures=tuple(measures or ALL),
    )


def _report(result: Result, out: Path) -> None:
    """The totals on stdout, what is missing on stderr; exit code 1 when anything is."""
    from gpt_sovits.evaluate.tables import summary_table

    typer.echo(summary_table(result))
    for lack in result.missing:
        typer.echo(f"not measured: {lack.measure}: {lack.reason}", err=True)
    for problem in result.problems:
        typer.echo(f"{problem.id}: {problem.text}", err=True)
    typer.echo(str(out))
    if not result.complete:
        raise typer.Exit(1)


def _progress(rows: Iterator[Row], total: int) -> Iterator[Row]:
    from rich.console import Console
    from rich.progress import track

    yield from track(
        rows, "scoring", total, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True
    )
