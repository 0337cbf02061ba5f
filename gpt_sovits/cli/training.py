"""`gpt-sovits train s1` and `train s2`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gpt_sovits.cli import options as o
from gpt_sovits.core.log import configure_logging

if TYPE_CHECKING:
    from gpt_sovits.train.run import Trained

app = typer.Typer(help="Train a stage on a folder that `prep run` made.", no_args_is_help=True)

STOPPED = 130
"""Exit code of a training that was asked to stop, as shells know it."""

Experiment = Annotated[Path, typer.Argument(help="the prepared folder")]
Out = Annotated[Path, typer.Option("--out", help="the voice model to write; both stages may share it")]
Recipe = Annotated[str | None, typer.Option("--config", help="a recipe: a YAML file, or its name under configs/")]
Set = Annotated[list[str] | None, typer.Option("--set", help="name=value for the recipe, run.name=value for the run")]
Steps = Annotated[int | None, typer.Option("--steps", min=1, help="optimizer steps in place of the recipe's epochs")]
Minutes = Annotated[float | None, typer.Option("--minutes", help="stop after so many minutes")]
Seed = Annotated[int | None, typer.Option("--seed", help="of noise, segments and dropout")]
Begin = Annotated[
    list[Path] | None,
    typer.Option(
        "--resume-public", help="go on from a training of the public project: its G_ file (and D_ file), or its .ckpt"
    ),
]
Devices = Annotated[int, typer.Option("--devices", min=1, help="processes of this machine that train together")]
Nodes = Annotated[int, typer.Option("--nodes", min=1, help="machines that do; see docs/train.md")]
Strategy = Annotated[str, typer.Option("--strategy", help="auto, or ddp also for a single process")]
Restart = Annotated[bool, typer.Option("--restart", help="start over where --out holds an earlier run")]


@app.command()
def s1(
    experiment: Experiment,
    out: Out,
    model: o.Model = "tiny",
    config: Recipe = None,
    overrides: Set = None,
    steps: Steps = None,
    minutes: Minutes = None,
    seed: Seed = None,
    restart: Restart = False,
    begin: Begin = None,
    devices: Devices = 1,
    nodes: Nodes = 1,
    strategy: Strategy = "auto",
    device: o.Device = "auto",
    verbose: o.Verbose = False,
) -> None:
    """Text to semantic codes. The same command again goes on where it was stopped."""
    configure_logging(verbose)
    from gpt_sovits.train.s1 import train_s1

    _report(
        train_s1(
            experiment,
            model,
            out,
            config,
            [f"run.devices={devices}", f"run.nodes={nodes}", f"run.strategy={strategy}", *(overrides or ())],
            seed=seed,
            resume=not restart,
            device=device,
            max_steps=steps,
            max_minutes=minutes,
            begin=begin or (),
        )
    )


@app.command()
def s2(
    experiment: Experiment,
    out: Out,
    model: o.Model = "tiny",
    config: Recipe = None,
    overrides: Set = None,
    steps: Steps = None,
    minutes: Minutes = None,
    seed: Seed = None,
    restart: Restart = False,
    begin: Begin = None,
    devices: Devices = 1,
    nodes: Nodes = 1,
    strategy: Strategy = "auto",
    device: o.Device = "auto",
    verbose: o.Verbose = False,
) -> None:
    """Semantic codes to waveform. The same command again goes on where it was stopped."""
    configure_logging(verbose)
    from gpt_sovits.train.s2 import train_s2

    _report(
        train_s2(
            experiment,
            model,
            out,
            config,
            [f"run.devices={devices}", f"run.nodes={nodes}", f"run.strategy={strategy}", *(overrides or ())],
            seed=seed,
            resume=not restart,
            device=device,
            max_steps=steps,
            max_minutes=minutes,
            begin=begin or (),
        )
    )


def _report(trained: Trained) -> None:
    typer.echo(str(trained))
    if trained.interrupted:
        raise typer.Exit(STOPPED)


@app.command()
def content(
    listing: Annotated[Path, typer.Argument(help="`path|speaker|language|text` lines")],
    out: Annotated[Path, typer.Option("--out", help="folder for the checkpoint")],
    model: Annotated[Path, typer.Option("--model", help="the model whose projection and codebook are trained")],
    config: Recipe = "train/content",
    overrides: o.Set = None,
    verbose: o.Verbose = False,
) -> None:
    """Codes of a new model with a Whisper encoder. Run it again to continue a run that was stopped."""
    configure_logging(verbose)
    from gpt_sovits.core.config import load_config
    from gpt_sovits.train.content import ContentConfig, train_content

    recipe = load_config(ContentConfig, config or "train/content", overrides or ())
    train_content(listing, model, recipe, out)
    typer.echo(str(model))


@app.command()
def vocoder(
    experiment: Experiment,
    out: Annotated[Path, typer.Option("--out", help="the voice model to write")],
    model: Annotated[str, typer.Option("--model", help="the model whose stage 2 ends in a published HiFi-GAN")],
    config: Recipe = "train/vocoder",
    overrides: o.Set = None,
    device: o.Device = "auto",
    verbose: o.Verbose = False,
) -> None:
    """A thin vocoder in place of a large one, which teaches it. Run it again to continue one that was stopped."""
    configure_logging(verbose)
    from gpt_sovits.core.config import load_config
    from gpt_sovits.train.vocoder import ThinConfig, train_vocoder

    recipe = load_config(ThinConfig, config or "train/vocoder", overrides or ())
    typer.echo(str(train_vocoder(experiment, model, out, recipe, device=device)))


@app.command()
def preferences(
    experiment: Experiment,
    out: Annotated[Path, typer.Option("--out", help="the file of pairs, for `train s1 --set preferences=FILE`")],
    model: o.Model = "tiny",
    overrides: o.Set = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="at most so many texts")] = None,
    device: o.Device = "auto",
    verbose: o.Verbose = False,
) -> None:
    """Let a model say each text several times, and pair the best with the worst by length and alignment."""
    configure_logging(verbose)
    from ar.preference import told
    from gpt_sovits.train.preference import make_preferences

    pairs, texts = make_preferences(experiment, model, out, overrides or (), limit, device)
    typer.echo(f"{out}  {told(pairs, texts)}")
    if not pairs:
        raise typer.Exit(1)


@app.command()
def recode(
    listing: Annotated[
        Path, typer.Argument(help="`path|speaker|language|text` lines of recordings to compare codes on")
    ],
    source: Annotated[str, typer.Option("--from", help="the trained model")],
    model: Annotated[Path, typer.Option("--model", help="the model whose content encoder is new")],
    out: Annotated[Path, typer.Option("--out", help="the model to write")],
    sample: Annotated[int, typer.Option("--sample", min=1, help="recordings")] = 900,
    verbose: o.Verbose = False,
) -> None:
    """Carry both stages of a model over to another content encoder; train them a little afterwards."""
    configure_logging(verbose)
    from gpt_sovits.train.recode import recode as carry_over

    typer.echo(str(carry_over(source, model, listing, out, sample).folder))
