"""`gpt-sovits bench`: how fast this machine is, each form beside a plain one in the same run."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import typer

from gpt_sovits.cli.options import Device, Model
from gpt_sovits.core.errors import ConfigError

app = typer.Typer(
    help="Measure: sampler (stage 1), decode (stage 2), pipeline, training; anatomy says where the time goes.",
    no_args_is_help=True,
)

Json = Annotated[bool, typer.Option("--json", help="print JSON")]
Out = Annotated[Path | None, typer.Option("--out", help="write the table to this file, too")]
Threads = Annotated[int, typer.Option("--threads", min=1, help="processor threads")]
Rounds = Annotated[int, typer.Option("--rounds", min=1, help="how often each form takes its turn")]


@app.command()
def sampler(
    device: Device = "cpu",
    batch: Annotated[list[int] | None, typer.Option("--batch", help="rows side by side (default 1 and 16)")] = None,
    new: Annotated[int, typer.Option("--new", min=2, help="new codes per row")] = 400,
    threads: Threads = 1,
    as_json: Json = False,
    out: Out = None,
) -> None:
    """Codes per second of stage 1: 24 layers of 512, 200 phones and 100 prompt codes, no end mark."""
    from gpt_sovits.core.device import pick_device

    chunk = max(1, new // 20)
    rows = _benchmark("sampler", threads).measure(pick_device(device), batch or [1, 16], new, chunk)
    _report(f"Stage 1, {new} new codes, {threads} thread(s), {device}", rows, as_json, out)


@app.command()
def decode(
    device: Device = "cpu",
    codes: Annotated[int, typer.Option("--codes", min=4, help="codes of 40 ms to speak")] = 100,
    rounds: Rounds = 5,
    threads: Threads = 1,
    as_json: Json = False,
    out: Out = None,
) -> None:
    """Seconds of sound per second of stage 2, at the v2 size."""
    from gpt_sovits.core.device import pick_device

    rows = _benchmark("vocoder", threads).measure(pick_device(device), codes, rounds)
    _report(f"Stage 2, {codes} codes, {threads} thread(s), {device}", rows, as_json, out)


@app.command()
def training(
    stage: Annotated[str, typer.Option("--stage", help="s1, s2 or both")] = "both",
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="optimizer steps of each side that count")] = 2,
    seconds: Annotated[float, typer.Option("--seconds", help="length of the recordings, four to a batch")] = 4.0,
    threads: Threads = 1,
    as_json: Json = False,
    out: Out = None,
) -> None:
    """Training steps at the v2 sizes on the CPU, in turns with a plain loop in full precision."""
    if stage not in ("s1", "s2", "both"):
        raise ConfigError(f"--stage is s1, s2 or both; got {stage!r}")
    stages = ("s2", "s1") if stage == "both" else (stage,)
    rows = _benchmark("training", threads).measure(stages, rounds, seconds)
    _report(f"Training, batches of 4 x {seconds:g} s, {threads} thread(s), cpu", rows, as_json, out)


@app.command()
def pipeline(
    model: Model = "tiny",
    device: Device = "cpu",
    rounds: Rounds = 5,
    times: Annotated[int, typer.Option("--times", min=1, help="how often a request says the demo's text")] = 1,
    at_once: Annotated[int, typer.Option("--at-once", min=1, help="requests side by side, in threads")] = 1,
    threads: Threads = 1,
    as_json: Json = False,
    out: Out = None,
) -> None:
    """Requests per second of the demo's text."""
    rows = _benchmark("request", threads).measure(model, device, rounds, times, at_once)
    _report(
        f"Whole pipeline, model {model}, {at_once} request(s) at once, {threads} thread(s), {device}",
        rows,
        as_json,
        out,
    )


@app.command()
def anatomy(
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="how often each part is timed")] = 5,
    as_json: Json = False,
    out: Out = None,
) -> None:
    """Milliseconds of each part of the hot loops on one processor thread, and how near it is to the limit."""
    module = _benchmark("anatomy", 1)
    limits, parts = module.measure(repeats)
    rows = [{name: getattr(part, name) for name in part.__dataclass_fields__} for part in parts]
    _print(
        "Where the time goes, 1 thread", {"limits": limits, "parts": rows}, module.markdown(limits, parts), as_json, out
    )


def _benchmark(name: str, threads: int) -> ModuleType:
    import torch

    torch.set_num_threads(threads)
    try:
        return importlib.import_module(f"benchmarks.{name}")
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("benchmarks"):
            raise
        raise ConfigError("the folder benchmarks is not here: run this from a checkout of the source") from error


def _report(title: str, rows: list[Any], as_json: bool, out: Path | None) -> None:
    from benchmarks.sides import as_dicts, markdown  # type: ignore[import-not-found, unused-ignore]

    _print(title, {"rows": as_dicts(rows)}, markdown(rows), as_json, out)


def _print(title: str, figures: dict[str, Any], table: str, as_json: bool, out: Path | None) -> None:
    from benchmarks.machine import processor  # type: ignore[import-not-found, unused-ignore]
    from gpt_sovits.core.files import write_text

    title = f"{title}, {processor()}"
    if out is not None:
        write_text(out, f"# {title}\n\n{table}")
    typer.echo(json.dumps({"title": title, **figures}, indent=1) if as_json else f"# {title}\n\n{table}")
