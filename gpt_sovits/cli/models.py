"""`gpt-sovits models`: making, taking in, giving back, listing and removing voice models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Voice models: make, take in, give back, list, remove.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="print JSON")]


@app.command()
def new(
    folder: Annotated[Path, typer.Argument(help="where to write it")],
    preset: Annotated[str, typer.Option("--preset", help="debug (for tests) or tiny")] = "tiny",
    seed: Annotated[int, typer.Option("--seed", min=0, help="equal seeds give equal weights")] = 1234,
    speaker: Annotated[
        Path | None, typer.Option("--speaker", help="weights of a speaker encoder, for presets that need one")
    ] = None,
    whisper: Annotated[
        Path | None, typer.Option("--whisper", help="folder of a Whisper encoder (config.json, encoder.safetensors)")
    ] = None,
    vocoder: Annotated[Path | None, typer.Option("--vocoder", help="weights of a HiFi-GAN generator")] = None,
) -> None:
    """Write an untrained model, to be trained by `gpt-sovits train`."""
    from gpt_sovits.models import Published, new_model

    bundle = new_model(folder, preset, seed, Published(speaker, whisper, vocoder))
    typer.echo(f"{bundle.folder}  untrained  preset {preset}  seed {seed}")


@app.command("list")
def list_(as_json: Json = False) -> None:
    """The models that a `--model NAME` can name."""
    from gpt_sovits.models import describe, list_models

    rows = [describe(bundle) for bundle in list_models()]
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=1))
        return
    for row in rows:
        family = f"  {row['family']}" if row["family"] else ""
        needs = f"  needs {', '.join(row['missing'])}" if row["missing"] else ""
        size = f"{row['bytes'] / 1e6:.1f} MB"
        typer.echo(f"{row['name']}{family}  {' '.join(row['languages'])}  {size}  {row['source']}{needs}".rstrip())
    if not rows:
        typer.echo("no model is installed: make one with gpt-sovits models new", err=True)


@app.command()
def inspect(
    paths: Annotated[list[Path], typer.Argument(help="weights files, or Hugging Face folders")], as_json: Json = False
) -> None:
    """Say what files are, from what is in them; nothing in them is run."""
    from gpt_sovits.exchange.recognise import recognise

    found = [recognise(path) for path in paths]
    if as_json:
        rows = [one.as_json() for one in found]
        typer.echo(json.dumps(rows[0] if len(rows) == 1 else rows, ensure_ascii=False, indent=1))
        return
    for one in found:
        for name, value in one.rows():
            typer.echo(f"{name:<11} {value}")
        if one is not found[-1]:
            typer.echo()


@app.command("import")
def import_(
    files: Annotated[list[Path], typer.Argument(help="GPT .ckpt, SoVITS .pth, or an encoder")],
    name: Annotated[str | None, typer.Option("--name", help="of the model; default: after the SoVITS file")] = None,
    base: Annotated[str | None, typer.Option("--base", help="the model that gives the stage not given here")] = None,
) -> None:
    """Take in public weights as a model that `--model` can name."""
    from gpt_sovits.exchange.importing import import_files

    _report(import_files(files, name, base))


@app.command("import-pretrained")
def import_pretrained(
    folder: Annotated[Path, typer.Argument(help="the public pretrained_models folder")],
) -> None:
    """Take in every model, encoder and vocoder of the public pretrained_models folder; what is there stays."""
    from gpt_sovits.exchange.pretrained import import_pretrained as take_in

    _report(take_in(folder, report=lambda line: typer.echo(line, err=True)))


@app.command()
def export(
    name: Annotated[str, typer.Argument(help="a model by name, or its folder")],
    to: Annotated[Path, typer.Option("--to", help="folder for the .ckpt and the .pth")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace files of these names")] = False,
) -> None:
    """Write files that the public GPT-SoVITS loads."""
    from gpt_sovits.exchange.exporting import export_model

    for path in export_model(name, to, overwrite):
        typer.echo(f"{path}  {path.stat().st_size / 1e6:.1f} MB")


@app.command()
def prompt(
    model: Annotated[str, typer.Argument(help="a model by name, or its folder")],
    clip: Annotated[Path, typer.Argument(help="3 to 10 seconds of clear speech")],
    text: Annotated[str, typer.Option("--text", help="what the clip says")],
    language: Annotated[str, typer.Option("--lang", help="language of the text: zh, en, ja, ko or yue")],
) -> None:
    """Give a model a prompt of its own, which it continues where a request says `manner: model`."""
    from gpt_sovits.pipeline.manner import give_prompt

    given = give_prompt(model, clip, text, language)
    typer.echo(f"{model}  {language}  {len(given.codes)} codes  {given.text}")


@app.command()
def remove(
    name: Annotated[str, typer.Argument(help="of a model, or shared:NAME")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask")] = False,
) -> None:
    """Delete a model from this machine."""
    from gpt_sovits.models import removable

    found = removable(name)
    if not yes:
        typer.confirm(f"delete {found.path} ({found.bytes / 1e6:.1f} MB)?", abort=True, err=True)
    found.delete()
    typer.echo(f"removed {found.path}")


@app.command()
def path(
    name: Annotated[str | None, typer.Argument(help="of a model; without it, where imports go")] = None,
) -> None:
    """Print where a model lies, or where new ones go."""
    from gpt_sovits.core.bundle import find_model, import_place

    typer.echo(str(import_place() if name is None else find_model(name).folder))


def _report(found: object) -> None:
    from gpt_sovits.exchange.importing import Imported

    assert isinstance(found, Imported)
    for bundle in found.models:
        typer.echo(f"{bundle.manifest.name}  {bundle.manifest.family or ''}  {bundle.folder}")
    for part in found.shared:
        typer.echo(f"shared:{part.stem if part.suffix == '.safetensors' else part.name}  {part}")
    for note in found.notes:
        typer.echo(note, err=True)
