"""Imports are cheap, silent, and point downwards only."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("gpt_sovits", "ar", "sovits", "feature_extractor", "prep")
OPTIONAL = {
    "ja, ko, yue": ["pyopenjtalk", "g2pk2", "mecab", "ToJyutping"],
    "serve, webui": ["fastapi", "uvicorn", "multipart", "gradio"],
    "asr, export, ray": ["faster_whisper", "ctranslate2", "onnx", "onnxscript", "onnxruntime", "ray"],
    "never needed": ["fairseq", "torchaudio", "torchcodec"],
    "dev": ["pytest", "hypothesis", "jaxtyping", "beartype"],
}

# What a room must not bring along: the seconds of Lightning and transformers, the application, its stranger.
ROOMS = {
    "gpt_sovits.core.bundle": {"ar", "sovits", "feature_extractor"},
    "feature_extractor.text": {"ar", "sovits"},
    "ar": {"sovits"},
    "sovits.model": {"ar"},
}
HEAVY = {"pytorch_lightning", "lightning", "transformers", "typer", "prep", "g2p_en", "nltk", "vector_quantize_pytorch"}

# Imports every module with the optional packages hidden, refusing network and writes, and lists what was imported.
EVERYTHING = """
import importlib, json, os, pkgutil, sys

import pytorch_lightning  # looks for optional packages of its own: before they are hidden

OPTIONAL, PACKAGES, ROOT = json.loads(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3]
sys.modules.update(dict.fromkeys(OPTIONAL))  # None: neither imported nor found
touched = []

def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        touched.append(f"{event} {arguments[1:]}")
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        name = os.fspath(arguments[0]) if not isinstance(arguments[0], int) else ""
        if str(name).startswith(ROOT):
            touched.append(f"write {name}")

sys.addaudithook(watch)
sys.dont_write_bytecode = True
names = list(PACKAGES)
for package in PACKAGES:
    names += [m.name for m in pkgutil.walk_packages(importlib.import_module(package).__path__, package + ".")
              if not m.name.endswith("__main__")]
for name in names:
    importlib.import_module(name)
print(json.dumps({"names": names, "touched": touched}))
"""


def python(code: str, *arguments: str) -> str:
    """Standard output of a fresh interpreter that stands in the repository."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_module_imports_without_extras_network_or_writes() -> None:
    hidden = list(chain(*OPTIONAL.values()))
    result = json.loads(python(EVERYTHING, json.dumps(hidden), json.dumps(PACKAGES), str(ROOT)).splitlines()[-1])
    assert result["touched"] == []
    assert len(result["names"]) > 40


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_a_room_does_not_drag_the_house_in(room: str) -> None:
    loaded = set(json.loads(python(f"import sys, json, {room}; print(json.dumps(sorted(sys.modules)))")))
    application = {name for name in loaded if name.startswith("gpt_sovits.") and not name.startswith("gpt_sovits.core")}
    assert application == set()
    assert loaded & (HEAVY | ROOMS[room]) == set()


def test_import_directions() -> None:
    """The layer contract of pyproject.toml, as `make check` runs it."""
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([str(linter)], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
