"""The command line `prep`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gpt_sovits.core.config import load_config
from gpt_sovits.core.errors import GPTSoVITSError, one_sentence
from gpt_sovits.core.log import configure_logging
from prep.config import PrepConfig

app = typer.Typer(
    help="Prepare recordings for training.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

List = Annotated[Path, typer.Argument(metavar="LIST", help="Lines path|speaker|language|text, UTF-8.")]
Out = Annotated[Path, typer.Option("--out", help="Folder to prepare.")]
Model = Annotated[str, typer.Option("--model", help="Name or folder of the model to prepare for.")]
Root = Annotated[Path | None, typer.Option("--audio-root", help="Where relative paths start; default: at the list.")]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Processes; default: by cores and work.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:N or mps.")]
Half = Annotated[bool, typer.Option("--half", help="Keep features in half precision.")]
Config = Annotated[str, typer.Option("--config", help="YAML file of settings, or a preset.")]
Overrides = Annotated[list[str] | None, typer.Option("--set", help="Override a setting: limits.max_seconds=30.")]


def _verb(name: str, steps: Sequence[str] | None, help_text: str) -> None:
    """Add a command that runs some steps; they all take the same options."""

    @app.command(name, help=help_text)
    def command(
        list_path: List,
        out: Out,
        model: Model,
        audio_root: Root = None,
        workers: Workers = None,
        device: Device = "auto",
        half: Half = False,
        config: Config = "prep",
        overrides: Overrides = None,
    ) -> None:
        _prepare(
            list_path,
            out,
            model,
            steps=steps,
            audio_root=audio_root,
            workers=workers,
            device=device,
            half=half,
            config=load_config(PrepConfig, config, overrides or ()),
        )


_verb("run", None, "All steps the model needs, into the folder layout of the public GPT-SoVITS.")
_verb("text", ("text", "bert"), "2-name2text.txt, and 3-bert/ where the model reads BERT features.")
_verb("hubert", ("hubert",), "5-wav32k/ and 4-cnhubert/: levelled recordings and content features.")
_verb("semantic", ("hubert", "semantic"), "6-name2semantic.tsv, and 5-wav32k/ and 4-cnhubert/ it is made of.")
_verb("speaker", ("speaker",), "7-sv_cn/: speaker embeddings, for models with a speaker branch.")
_verb("name2text", ("text",), "2-name2text.txt alone.")
_verb("name2semantic", ("semantic",), "6-name2semantic.tsv alone, from 4-cnhubert/ or straight from the recordings.")


@app.command("slice")
def slice_command(
    source: Annotated[Path, typer.Argument(metavar="IN", help="An audio file or a folder of them.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the pieces.")],
    config: Config = "prep",
    overrides: Overrides = None,
) -> None:
    """Cut long recordings at silences into pieces to transcribe and train on."""
    from prep.slice import slice_all

    console = Console()
    settings = load_config(PrepConfig, config, overrides or ()).slice
    written, failures = slice_all(source, out, settings)
    for failure in failures:
        console.print(f"{failure.name}: {failure.reason}", markup=False)
    console.print(f"{len(written)} pieces in {out}", markup=False, soft_wrap=True)
    if failures:
        raise typer.Exit(1)


@app.command("vary")
def vary_command(
    list_path: List,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the copies and their list.")],
    config: Config = "prep",
    overrides: Overrides = None,
) -> None:
    """Make more speakers out of few: a copy of each recording, played slower or faster."""
    from prep.vary import LIST, vary

    console = Console()
    count, failures = vary(list_path, out, load_config(PrepConfig, config, overrides or ()).vary)
    for failure in failures:
        console.print(f"{failure.name}: {failure.reason}", markup=False)
    console.print(f"{count} copies; {out / LIST} names them behind the recordings", markup=False, soft_wrap=True)
    if failures:
        raise typer.Exit(1)


def _prepare(list_path: Path, out: Path, model: str, **options: Any) -> None:
    from prep.run import prepare

    console = Console()
    columns = (TextColumn("preparing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("preparing", total=None)

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        report = prepare(list_path, out, model, progress=show, **options)
    report.show(console, out)
    if not report.ok:
        raise typer.Exit(1)


def main() -> None:
    """Entry point: 0 all is well, 1 something was refused (one sentence says what), 2 wrong usage."""
    configure_logging()
    try:
        app()
    except (GPTSoVITSError, OSError) as error:
        Console(stderr=True).print(
            f"error: {one_sentence(error)}", style="red", markup=False, highlight=False, soft_wrap=True
        )
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
