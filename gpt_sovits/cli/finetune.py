"""`gpt-sovits finetune`."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

import typer

from gpt_sovits.cli import options as o
from gpt_sovits.cli.training import STOPPED
from gpt_sovits.core.log import configure_logging


def finetune(
    data: Annotated[
        Path, typer.Argument(help="a list, a folder of recordings with a .txt beside each, or a prepared folder")
    ],
    name: Annotated[str, typer.Option("--name", help="of the new voice")],
    base: Annotated[str, typer.Option("--base", help="the model to start from")] = "tiny",
    minutes: Annotated[float | None, typer.Option("--minutes", min=0.1, help="wall time of everything, about")] = None,
    language: Annotated[str, typer.Option("--lang", help="of texts in .txt files: auto, zh, en, ja, ko, yue")] = "auto",
    recogniser: Annotated[
        str | None, typer.Option("--recogniser", help="a Whisper model that writes the texts that are missing")
    ] = None,
    work: Annotated[Path | None, typer.Option("--work", help="folder of the run (default: experiments/NAME)")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace a model of that name")] = False,
    lora: Annotated[
        bool, typer.Option("--lora", help="make a voice of a few megabytes over the base, which must stay installed")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would be done")] = False,
    devices: Annotated[int, typer.Option("--devices", min=1, help="processes that train together")] = 1,
    s1_overrides: Annotated[list[str] | None, typer.Option("--set-s1", help="name=value for stage 1's recipe")] = None,
    s2_overrides: Annotated[list[str] | None, typer.Option("--set-s2", help="name=value for stage 2's recipe")] = None,
    select_by: Annotated[
        str | None,
        typer.Option("--select-by", help="keep each trained stage only where this figure gains: error_rate …"),
    ] = None,
    metrics: Annotated[
        Path | None, typer.Option("--metrics", envvar="GPT_SOVITS_METRICS", help="folder of the metric models")
    ] = None,
    device: o.Device = "auto",
    verbose: o.Verbose = False,
) -> None:
    """Make a voice of recordings of one speaker: check, prepare, train, choose, speak, report.

    The same command again goes on where it was stopped. Exit code 1 when recordings were left out, 130 when stopped.
    """
    configure_logging(verbose)
    from gpt_sovits.finetune import Settings
    from gpt_sovits.finetune import finetune as run

    settings = Settings(
        name,
        base,
        minutes,
        language,
        recogniser,
        device,
        work,
        devices,
        overwrite,
        lora,
        tuple(s1_overrides or ()),
        tuple(s2_overrides or ()),
        select_by,
        metrics,
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        outcome = run(data, settings, dry_run=dry_run, say=typer.echo)
    except KeyboardInterrupt:
        typer.echo("stopped; the same command goes on")
        raise typer.Exit(STOPPED) from None
    for note in outcome.notes:
        typer.echo(f"note: {note}")
    if outcome.interrupted:
        typer.echo("stopped; the same command goes on")
        raise typer.Exit(STOPPED)
    if outcome.voice is not None:
        typer.echo(f"{outcome.voice}\n{outcome.report}\ngpt-sovits tts --model {name} --text …")
    if outcome.left_out:
        raise typer.Exit(1)
