"""`gpt-sovits doctor`: what is installed, and what would break."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

import typer

OK, BAD, ABSENT = "ok", "BAD", "-"
EXTRAS = {
    "ja": ("pyopenjtalk",),
    "ko": ("g2pk2", "mecab"),
    "yue": ("ToJyutping",),
    "serve": ("fastapi", "uvicorn"),
    "webui": ("gradio",),
    "lora": ("peft",),
    "asr": ("faster_whisper",),
    "export": ("onnx", "onnxscript", "onnxruntime"),
    "eval": ("faster_whisper", "onnxruntime", "speechmos", "rapidfuzz"),
    "ray": ("ray",),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    subject: str
    text: str
    state: str = OK


def doctor() -> None:
    """Check this installation; exit code 1 when something would break."""
    python = Finding("python", platform.python_version())
    findings = [python, _torch(), _compiler(), _torchaudio(), _hubert(), _models(), *_extras()]
    for finding in findings:
        typer.echo(f"{finding.state:<3}  {finding.subject:<12} {finding.text}")
    if any(finding.state == BAD for finding in findings):
        raise typer.Exit(1)


def _torch() -> Finding:
    import torch

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return Finding("torch", f"{torch.__version__}, {', '.join(gpus) or 'no GPU'}, {torch.get_num_threads()} threads")


def _compiler() -> Finding:
    """What makes the compiled forms of both stages, which are built here, if they were not before."""
    from ar.kernels.native import SOURCE as STEP
    from gpt_sovits.core.compiled import compiler, library
    from sovits.kernels.stage import SOURCE as STAGE

    program, slower = compiler(), "on a CPU both stages take two to four times as long without"
    if program is None:
        return Finding("C compiler", f"none: install gcc; {slower}", ABSENT)
    stage = library(STAGE)
    if stage is None or library(STEP) is None:
        return Finding("C compiler", f"{program} cannot compile the fast forms (see above); {slower}", ABSENT)
    if not stage.threaded():
        return Finding("C compiler", f"{program} knows no OpenMP: install gcc; {slower}", ABSENT)
    return Finding("C compiler", program)


def _torchaudio() -> Finding:
    """A torchaudio built for another torch does not import, and transformers, which looks for it, then fails too."""
    try:
        found = version("torchaudio")
    except PackageNotFoundError:
        return Finding("torchaudio", "absent, as it should be")
    try:
        import_module("torchaudio")
    except (ImportError, OSError) as error:
        reason = str(error).splitlines()[0]
        return Finding("torchaudio", f"{found} is broken ({reason}): run pip uninstall torchaudio", state=BAD)
    return Finding("torchaudio", f"{found} (not needed)")


def _hubert() -> Finding:
    try:
        module = import_module("transformers")
        _ = module.HubertModel
    except (ImportError, OSError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        return Finding("transformers", f"HuBERT cannot be imported: {reason}", state=BAD)
    return Finding("transformers", module.__version__)


def _models() -> Finding:
    from gpt_sovits.models import list_models

    names = [bundle.manifest.name for bundle in list_models()]
    return Finding("models", ", ".join(names) or "none: make one with gpt-sovits models new")


def _extras() -> list[Finding]:
    findings = []
    for extra, modules in EXTRAS.items():
        there = all(find_spec(module) is not None for module in modules)
        text = "installed" if there else f"not installed: pip install 'gpt-sovits[{extra}]'"
        findings.append(Finding(extra, text, OK if there else ABSENT))
    return findings
