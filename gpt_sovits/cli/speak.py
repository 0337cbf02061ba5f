"""`gpt-sovits tts`, `batch` and `demo`."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gpt_sovits.cli import options as o
from gpt_sovits.core.bundle import find_model
from gpt_sovits.core.config import Strict, load_config
from gpt_sovits.core.errors import AudioError, TextError
from gpt_sovits.core.files import check_writable
from gpt_sovits.core.log import configure_logging
from gpt_sovits.core.resources import resource

if TYPE_CHECKING:
    from gpt_sovits.pipeline import TTS, Audio
    from gpt_sovits.pipeline.jobs import Job

SUFFIXES = (".wav", ".flac", ".ogg")
log = logging.getLogger(__name__)


def tts(
    text: Annotated[str | None, typer.Option("--text", help="what to say")] = None,
    reference: o.Reference = None,
    text_file: Annotated[Path | None, typer.Option("--text-file", help="a UTF-8 file with what to say")] = None,
    language: o.Language = None,
    out: Annotated[Path, typer.Option("--out", help="wav, flac or ogg file to write")] = Path("out.wav"),
    reference_text: o.ReferenceText = None,
    reference_language: o.ReferenceLanguage = None,
    aux_references: o.Auxiliary = None,
    model: o.Model = "tiny",
    s1: o.S1 = None,
    s2: o.S2 = None,
    device: o.Device = "auto",
    seed: o.Seed = None,
    speed: o.Speed = None,
    cut: o.Cut = None,
    cut_length: o.CutLength = None,
    dictionary: o.Dictionary = None,
    pause: o.Pause = None,
    top_k: o.TopK = None,
    top_p: o.TopP = None,
    temperature: o.Temperature = None,
    repetition_penalty: o.Penalty = None,
    noise_scale: o.NoiseScale = None,
    manner: o.Manner = None,
    batch_size: o.BatchSize = None,
    max_codes: o.MaxCodes = None,
    retries: o.Retries = None,
    candidates: o.Candidates = None,
    config: o.Config = None,
    overrides: o.Set = None,
    verbose: o.Verbose = False,
) -> None:
    """Say a text in the voice of a reference clip."""
    given = dict(locals())
    configure_logging(verbose)
    if (text is None) == (text_file is None):
        raise typer.BadParameter("give either --text or --text-file")
    for name in ("text_file", "out", "model", "s1", "s2", "device", "config", "overrides", "verbose"):
        given.pop(name)
    given["text"] = text if text_file is None else read_text_file(text_file)
    if reference is None:
        given.update(_own_reference(model, reference_text))
    _check_output(out)

    from gpt_sovits.pipeline.request import parse_request

    request = parse_request(o.settings(config, overrides, given))
    _report(_load(model, device, s1, s2).run(request), out)


def _own_reference(model: str, text: str | None) -> dict[str, object]:
    """The recording a fine-tuned voice brings along."""
    bundle = find_model(model)
    manifest = bundle.manifest
    if manifest.reference is None:
        raise typer.BadParameter(f"the model {manifest.name} brings no reference of its own: give --ref")
    path = bundle.folder / manifest.reference
    if text is not None:
        return {"reference": path}
    return {
        "reference": path,
        "reference_text": manifest.reference_text,
        "reference_language": manifest.reference_language,
    }


def batch(
    jobs: Annotated[Path, typer.Argument(help="tsv or csv with a line of column names, or jsonl: one request a line")],
    out: Annotated[Path, typer.Option("--out", help="folder for the recordings and manifest.jsonl")],
    reference: o.Reference = None,
    reference_text: o.ReferenceText = None,
    reference_language: o.ReferenceLanguage = None,
    aux_references: o.Auxiliary = None,
    language: o.Language = None,
    kind: Annotated[str, typer.Option("--format", help="wav, flac or ogg")] = "wav",
    model: o.Model = "tiny",
    s1: o.S1 = None,
    s2: o.S2 = None,
    device: o.Device = "auto",
    seed: o.Seed = None,
    speed: o.Speed = None,
    cut: o.Cut = None,
    cut_length: o.CutLength = None,
    dictionary: o.Dictionary = None,
    pause: o.Pause = None,
    manner: o.Manner = None,
    batch_size: o.BatchSize = None,
    config: o.Config = None,
    overrides: o.Set = None,
    verbose: o.Verbose = False,
) -> None:
    """Speak many texts in many voices; run it again to finish or to redo what changed.

    Options stand for what a line of the jobs file leaves out.
    """
    given = dict(locals())
    configure_logging(verbose)
    for name in ("jobs", "out", "kind", "model", "s1", "s2", "device", "config", "overrides", "verbose"):
        given.pop(name)
    if f".{kind}" not in SUFFIXES:
        raise typer.BadParameter(f"--format {kind}: use wav, flac or ogg")
    check_writable(out / f"recording.{kind}")

    from gpt_sovits.pipeline.batch import run_jobs
    from gpt_sovits.pipeline.jobs import read_jobs

    listed = read_jobs(jobs, o.settings(config, overrides, given))
    speaker = _load(model, device, s1, s2)
    summary = run_jobs(speaker, listed, out, speaker.parts.fingerprint, kind, _progress(len(listed)))
    for record in summary.records:
        if record.error is not None:
            typer.echo(f"{record.name}: {record.error}", err=True)
    spoken = len(summary.records) - summary.failed - summary.skipped
    typer.echo(f"{out}  {spoken} spoken  {summary.skipped} already there  {summary.failed} failed")
    if summary.failed:
        raise typer.Exit(1)


class Demo(Strict):
    """Content of `res/demo/demo.yaml`; the reference lies beside it."""

    reference: str
    reference_text: str
    reference_language: str
    text: str
    language: str
    seed: int = 1
    model: str = "tiny"


def demo(
    out: Annotated[Path, typer.Option("--out", help="wav file to write")] = Path("output/demo.wav"),
    model: Annotated[str | None, typer.Option("--model", help="default: the model that comes with the program")] = None,
    device: o.Device = "auto",
    verbose: o.Verbose = False,
) -> None:
    """Clone the voice that comes with the program and speak with it."""
    configure_logging(verbose)
    _check_output(out)
    source = resource("res", "demo", "demo.yaml")
    wanted = load_config(Demo, source)
    speaker = _load(model or wanted.model, device, None, None)
    spoken = wanted.model_dump(exclude={"model", "reference", "text"})
    _report(speaker.speak(wanted.text, reference=source.parent / wanted.reference, **spoken), out)


def _check_output(out: Path) -> None:
    """Find out before the work whether its result can be written."""
    if out.suffix.lower() not in SUFFIXES and not out.is_dir():
        raise AudioError(f"cannot write {out}: its name must end in {', '.join(SUFFIXES)}")
    check_writable(out)


def _load(model: str, device: str, s1: Path | None, s2: Path | None) -> TTS:
    """While modules and weights come in, which all stay, the garbage collector, which would look through them again and
    again, rests: a quarter of a second."""
    gc.disable()
    try:
        from gpt_sovits.pipeline import TTS

        return TTS(model, device, s1=s1, s2=s2)
    finally:
        gc.enable()


def _report(audio: Audio, out: Path) -> None:
    audio.save(out)
    typer.echo(f"{out}  {audio.seconds:.1f} s  rtf {audio.rtf:.2f}")
    log.info("seed %d", audio.seed)
    log.debug("seconds: %s", {name: round(value, 2) for name, value in audio.timings.items()})


def read_text_file(path: Path) -> str:
    """A text as a user saved it.

    Raises:
        TextError: the file cannot be read as UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise TextError(f"the text file {path} is not UTF-8: save it as UTF-8 text") from error
    except OSError as error:
        raise TextError(f"the text file {path} cannot be read: {error.strerror or error}") from error


def _progress(total: int) -> Callable[[Iterable[Job]], Iterable[Job]]:
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return lambda jobs: track(jobs, "speaking", total, console=console, disable=not console.is_terminal)
