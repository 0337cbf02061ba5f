"""The command line: each verb reads its options, calls one function and reports.

Networks and their libraries are imported by the verb that needs them, so that `--help` answers at once.
Exit codes: 0 done, 1 something the user handed over or a file cannot be used (one sentence on stderr), 2 usage.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from gpt_sovits.cli import bench, doctor, evaluate, finetune, models, speak, text, training
from gpt_sovits.core.errors import GPTSoVITSError, one_sentence

app = typer.Typer(
    name="gpt-sovits",
    help="Clone a voice from a few seconds of speech and speak with it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("tts")(speak.tts)
app.command("batch")(speak.batch)
app.command("demo")(speak.demo)
app.command("finetune")(finetune.finetune)
app.add_typer(training.app, name="train")
app.add_typer(evaluate.app, name="evaluate")
app.add_typer(models.app, name="models")
app.command("text")(text.text)
app.add_typer(bench.app, name="bench")
app.command("doctor")(doctor.doctor)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point; always ends the process."""
    try:
        app(args=None if arguments is None else list(arguments), prog_name="gpt-sovits")
    except BrokenPipeError:
        sys.exit(1)
    except (GPTSoVITSError, OSError) as error:
        sys.stderr.write(f"gpt-sovits: {one_sentence(error)}\n")
        sys.exit(1)
