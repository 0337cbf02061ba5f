"""The command line as a user meets it: exit code, stdout, stderr."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from gpt_sovits.cli import main
from gpt_sovits.models import new_model


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Run `gpt-sovits` in this process, through its entry point."""

    def go(*arguments: str | Path) -> Outcome:
        with pytest.raises(SystemExit) as left:
            main([str(a) for a in arguments])
        captured = capfd.readouterr()
        return Outcome(int(left.value.code or 0), captured.out, captured.err)

    return go


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_model(tmp_path_factory.mktemp("models") / "debug", "debug", seed=1).folder


@pytest.fixture
def speaking(model_folder: Path, clips: Path) -> list[str]:
    """Options of a quick `tts` that works."""
    return [
        *("tts", "--model", str(model_folder), "--device", "cpu", "--ref", str(clips / "ben_en_1.ogg")),
        *("--lang", "en", "--max-codes", "20", "--retries", "0", "--seed", "1"),
    ]
