"""`gpt-sovits models new` and `models list`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Voice models: make an untrained one, list those at hand.", no_args_is_help=True)


@app.command()
def new(
    folder: Annotated[Path, typer.Argument(help="where to write it")],
    preset: Annotated[str, typer.Option("--preset", help="debug (for tests) or tiny")] = "tiny",
    seed: Annotated[int, typer.Option("--seed", min=0, help="equal seeds give equal weights")] = 1234,
) -> None:
    """Write an untrained model, to be trained by `gpt-sovits train`."""
    from gpt_sovits.models import new_model

    bundle = new_model(folder, preset, seed)
    typer.echo(f"{bundle.folder}  untrained  preset {preset}  seed {seed}")


@app.command("list")
def list_() -> None:
    """The models that a `--model NAME` can name."""
    from gpt_sovits.models import list_models

    bundles = list_models()
    for bundle in bundles:
        manifest = bundle.manifest
        size = sum(path.stat().st_size for path in bundle.folder.rglob("*") if path.is_file())
        typer.echo(f"{manifest.name}  {' '.join(manifest.languages)}  {size / 1e6:.1f} MB  {manifest.source}".rstrip())
    if not bundles:
        typer.echo("no model is installed: make one with gpt-sovits models new", err=True)
