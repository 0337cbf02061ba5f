"""`gpt-sovits train s1` and `train s2`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gpt_sovits.cli import options as o
from gpt_sovits.core.log import configure_logging

app = typer.Typer(help="Train a stage on a folder that `prep run` made.", no_args_is_help=True)

Experiment = Annotated[Path, typer.Argument(help="the prepared folder")]
Out = Annotated[Path, typer.Option("--out", help="folder for checkpoints, logs and the finished weights")]
Recipe = Annotated[
    str | None, typer.Option("--config", help="a training recipe: a YAML file, or a name under configs/")
]


@app.command()
def s1(
    experiment: Experiment,
    out: Out,
    model: o.Model = "tiny",
    config: Recipe = None,
    overrides: o.Set = None,
    device: o.Device = "auto",
    verbose: o.Verbose = False,
) -> None:
    """Text to semantic codes. Run it again to continue a run that was stopped."""
    configure_logging(verbose)
    from gpt_sovits.train.s1 import train_s1

    finished = train_s1(experiment, model, out, config=config, overrides=overrides or (), device=device)
    typer.echo(str(finished))


@app.command()
def s2(
    experiment: Experiment,
    out: Out,
    model: o.Model = "tiny",
    config: Recipe = None,
    overrides: o.Set = None,
    device: o.Device = "auto",
    verbose: o.Verbose = False,
) -> None:
    """Semantic codes to waveform. Run it again to continue a run that was stopped."""
    configure_logging(verbose)
    from gpt_sovits.train.s2 import train_s2

    finished = train_s2(experiment, model, out, config=config, overrides=overrides or (), device=device)
    typer.echo(str(finished))
