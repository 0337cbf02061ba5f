"""Measure this machine and write a markdown table.

    python -m benchmarks text [--out FILE]
    python -m benchmarks kills [--kills 20]
    python -m benchmarks verdicts --model tiny|--recordings LIST --out FOLDER
    python -m benchmarks [--model tiny] [--out benchmarks/results/NAME.md] [--repeats 5]

Without `--model` the embedded model is measured, or where there is none an untrained one of debug size, whose figures
say something about overheads only.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from pathlib import Path

import torch

from benchmarks import kills, verdicts
from benchmarks import text as text_benchmark
from benchmarks.machine import processor
from benchmarks.measure import Result, end_to_end, front_end, stage_1, stage_2
from gpt_sovits import __version__
from gpt_sovits.core.bundle import find_model
from gpt_sovits.core.errors import CheckpointError
from gpt_sovits.core.files import write_text
from gpt_sovits.models import new_model
from gpt_sovits.pipeline.parts import Parts, load_parts


def load(name: str | None) -> Parts:
    """The networks to measure."""
    try:
        return load_parts(find_model(name or "tiny"), device="cpu")
    except CheckpointError:
        if name is not None:
            raise
    with tempfile.TemporaryDirectory() as folder:
        return load_parts(new_model(Path(folder) / "debug", "debug", 0), device="cpu")


def measure(parts: Parts, tokens: int, repeats: int) -> list[Result]:
    return [
        *(front_end(language, parts.symbols, repeats) for language in ("en", "zh")),
        stage_1(parts.text2semantic, tokens, repeats),
        stage_2(parts.synthesizer, tokens, repeats),
        end_to_end(parts, repeats),
    ]


def table(parts: Parts, results: list[Result]) -> str:
    rows = "".join(f"| {r.what} | {r.value:.3g} | {r.unit} | {r.how} |\n" for r in results)
    return (
        f"# Model {parts.name}, version {__version__}\n\n"
        f"{processor()}, {os.cpu_count()} cores, {torch.get_num_threads()} thread; Python {platform.python_version()}, "
        f"torch {torch.__version__}\n\n"
        f"| what | value | unit | how |\n|---|---:|---|---|\n{rows}"
    )


def main() -> None:
    if sys.argv[1:2] == ["text"]:
        text_benchmark.main(sys.argv[2:])
        return
    if sys.argv[1:2] == ["kills"]:
        kills.main(sys.argv[2:])
        return
    if sys.argv[1:2] == ["verdicts"]:
        verdicts.main(sys.argv[2:])
        return
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", help="a name under pretrained_models/ or a folder")
    p.add_argument("--out", type=Path, help="where the table goes; default benchmarks/results/MODEL.md")
    p.add_argument("--repeats", type=int, default=5)
    p.add_argument("--codes", type=int, default=100)
    a = p.parse_args()
    torch.set_num_threads(1)
    parts = load(a.model)
    text = table(parts, measure(parts, a.codes, a.repeats))
    out = a.out or Path("benchmarks") / "results" / f"{parts.name}.md"
    write_text(out, text)
    print(text)
    print(f"written to {out}")


if __name__ == "__main__":
    main()
