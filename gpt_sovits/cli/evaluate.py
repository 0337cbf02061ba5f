"""`gpt-sovits evaluate`: score recordings of any system."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from gpt_sovits.cli import options as o
from gpt_sovits.core.log import configure_logging

if TYPE_CHECKING:
    from gpt_sovits.evaluate.measures import Tools
    from gpt_sovits.evaluate.result import Result
    from gpt_sovits.evaluate.score import Row
    from gpt_sovits.pipeline.jobs import Job


class Verbs(TyperGroup):
    """A group whose first argument may also be a model: `evaluate tiny` is `evaluate model tiny`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.list_commands(ctx) and not args[0].startswith("-"):
            args = ["model", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=Verbs, help="Measure how good a voice is.", no_args_is_help=True)

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
Cache = Annotated[
    Path | None, typer.Option("--cache", help="file of measurements to share: a recording is measured once")
]
Most = Annotated[int | None, typer.Option("--items", min=1, help="at most so many items, of all languages and voices")]


@app.command()
def model(
    name: Annotated[str, typer.Argument(metavar="MODEL", help="a model by name, or the folder it lies in")],
    out: Out,
    chosen: Annotated[
        str, typer.Option("--set", help="smoke, hard, a .tsv or .list file, seed-tts-en:LIST, libri:FOLDER …")
    ] = "smoke",
    seed: Annotated[int, typer.Option("--seed", min=0, help="the same for models that are to be compared")] = 1,
    s1: o.S1 = None,
    s2: o.S2 = None,
    device: o.Device = "auto",
    config: o.Config = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set-option", help="name=value of how to speak; may be repeated")
    ] = None,
    models: Models = None,
    recogniser: Recogniser = "whisper-base",
    speakers: Speakers = None,
    measures: Measures = None,
    items: Most = None,
    processes: Processes = 1,
    cache: Cache = None,
    verbose: o.Verbose = False,
) -> None:
    """Let a model say a set of sentences and score it; run it again to finish what was interrupted."""
    _log(verbose)
    from gpt_sovits.evaluate.run import Work, evaluate_model
    from gpt_sovits.evaluate.sets import load_set
    from gpt_sovits.pipeline import TTS

    picked = load_set(chosen).first(items)
    tools = _tools(models, recogniser, speakers, measures)
    work = Work(tools, processes, _progress, _speaking(len(picked.items)), cache)
    settings = o.settings(config, overrides, {})
    _report(evaluate_model(TTS(name, device, s1=s1, s2=s2), picked, out, work, settings, seed), out)


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
    cache: Cache = None,
    verbose: o.Verbose = False,
) -> None:
    """Score recordings that any system made; run it again to finish what was interrupted."""
    _log(verbose)
    from gpt_sovits.evaluate.result import System
    from gpt_sovits.evaluate.run import Work, evaluate_recordings
    from gpt_sovits.evaluate.sets import read_recordings

    system = System(name=name or source.resolve().stem)
    work = Work(_tools(models, recogniser, speakers, measures), processes, _progress, cache=cache)
    _report(evaluate_recordings(read_recordings(source).first(items), out, system, work), out)


@app.command()
def compare(
    folders: Annotated[list[Path], typer.Argument(help="the --out folders of two evaluations or more")],
    out: Annotated[Path, typer.Option("--out", help="page to write")] = Path("compare.html"),
) -> None:
    """Is the second system better than the first? Paired over items, with 95 % intervals."""
    if len(folders) < 2:
        raise typer.BadParameter("give two folders or more")
    from gpt_sovits.core.files import check_writable
    from gpt_sovits.evaluate.compare import comparison_table, load_judged, write_comparison

    check_writable(out)
    judged = [load_judged(folder) for folder in folders]
    typer.echo(comparison_table(judged))
    typer.echo(str(write_comparison(out, judged)))


@app.command()
def detectors(
    source: Annotated[Path, typer.Argument(help="a list or tsv of good recordings with their texts")],
    out: Out,
    models: Models = None,
    recogniser: Recogniser = "whisper-base",
    items: Most = 50,
    processes: Processes = 1,
) -> None:
    """Plant faults in good recordings and tell how often each detector is right."""
    _log(False)
    from gpt_sovits.evaluate.faults import try_detectors
    from gpt_sovits.evaluate.sets import read_recordings
    from gpt_sovits.evaluate.tables import align_columns

    chosen = read_recordings(source).first(items).items
    trials = try_detectors(chosen, out, _tools(models, recogniser, None, None), processes)
    lines = [(t.fault, t.detector, f"{t.found} of {t.planted}", f"{t.false_alarms} of {t.clean}") for t in trials]
    typer.echo(align_columns([("planted", "detector", "found", "false alarms"), *lines]))


@app.command()
def select(
    names: Annotated[list[str], typer.Argument(metavar="MODEL…", help="models by name or folder")],
    out: Out,
    by: Annotated[str, typer.Option("--by", help="the figure that decides: error_rate, similarity, faulty …")] = (
        "error_rate"
    ),
    tries: Annotated[
        list[str] | None,
        typer.Option("--try", help="ways to speak, such as temperature=0.8,top_k=10; may be repeated"),
    ] = None,
    chosen: Annotated[str, typer.Option("--set", help="as for evaluate MODEL")] = "smoke",
    items: Annotated[int, typer.Option("--items", min=1, help="at most so many items")] = 12,
    models: Models = None,
    recogniser: Recogniser = "whisper-base",
    device: o.Device = "auto",
    processes: Processes = 1,
    verbose: o.Verbose = False,
) -> None:
    """Which of several models, or of several ways to speak, is best by one figure."""
    _log(verbose)
    from gpt_sovits.evaluate.run import Work
    from gpt_sovits.evaluate.select import Candidate, measures_of, merit, select_model
    from gpt_sovits.evaluate.sets import load_set
    from gpt_sovits.pipeline import TTS

    candidates = [
        Candidate(" ".join(filter(None, (Path(name).name, way))), partial(TTS, name, device), _way(way))
        for name in names
        for way in tries or [""]
    ]
    work = Work(
        _tools(models, recogniser, None, list(measures_of(by))), processes, _progress, cache=out / "scores.jsonl"
    )
    best, results = select_model(candidates, load_set(chosen), out, work, by, items=items)
    for candidate in candidates:
        typer.echo(f"{candidate.name}: {merit(results[candidate.name], by)}")
    typer.echo(f"best: {best.name}")


def _way(text: str) -> dict[str, Any]:
    return o.settings(None, [part for part in text.split(",") if part], {})


@app.command("zero-shot")
def zero_shot(
    source: Annotated[str, typer.Argument(help="recordings: a .list or .tsv, libri:FOLDER, aishell:FOLDER")],
    out: Annotated[Path, typer.Option("--out", help="the set to write, a .tsv")],
    items: Annotated[int, typer.Option("--items", min=1, help="how many sentences")] = 40,
    seed: Annotated[int, typer.Option("--seed", min=0, help="decides which")] = 1,
) -> None:
    """Make a zero-shot set: texts of a corpus in the voices of its speakers, each from another recording."""
    from gpt_sovits.evaluate.protocols import write_set
    from gpt_sovits.evaluate.protocols import zero_shot as make
    from gpt_sovits.evaluate.sets import load_set

    made = make(load_set(source).items, items, seed)
    write_set(out, made)
    typer.echo(f"{out}: {len(made)} sentences in {len({item.speaker for item in made})} voices")


@app.command("few-shot")
def few_shot(
    source: Annotated[str, typer.Argument(help="recordings of one speaker: a .list or .tsv, or as for --set")],
    out: Annotated[Path, typer.Option("--out", help="folder for train_1.list, train_3.list, train_10.list, test.tsv")],
    test: Annotated[
        str | None, typer.Option("--test", help="recordings to test with; else the last 30 of SOURCE")
    ] = None,
) -> None:
    """Make the training lists and the test of the few-shot protocol."""
    from gpt_sovits.evaluate.protocols import few_shot as make
    from gpt_sovits.evaluate.protocols import write_few_shot
    from gpt_sovits.evaluate.sets import load_set

    held = None if test is None else load_set(test).items
    for path in write_few_shot(out, make(load_set(source).items, held)):
        typer.echo(str(path))


@app.command()
def history(
    folder: Annotated[Path, typer.Argument(help="where the --out folders lie")] = Path(),
) -> None:
    """All results below a folder, oldest first."""
    from gpt_sovits.evaluate.history import find_results, history_table

    typer.echo(history_table(find_results(folder)))


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


def _speaking(total: int) -> Callable[[Iterable[Job]], Iterable[Job]]:
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return lambda jobs: track(jobs, "speaking", total, console=console, disable=not console.is_terminal)


def _progress(rows: Iterator[Row], total: int) -> Iterator[Row]:
    from rich.console import Console
    from rich.progress import track

    yield from track(
        rows, "scoring", total, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True
    )
