"""`train s1` and `train s2`: what they pass on, and their exit codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import gpt_sovits.train.s1
import gpt_sovits.train.s2
from gpt_sovits.train.run import Trained
from tests.cli.conftest import Run


@pytest.mark.parametrize(("stopped", "code"), [(False, 0), (True, 130)])
@pytest.mark.parametrize("stage", ["s1", "s2"])
def test_options_arrive(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str, stopped: bool, code: int
) -> None:
    seen: dict[str, Any] = {}

    def train(*arguments: Any, **options: Any) -> Trained:
        seen.update(options, arguments=arguments)
        return Trained(tmp_path / "w", tmp_path, 5, 0.25, stopped)

    monkeypatch.setattr(getattr(gpt_sovits.train, stage), f"train_{stage}", train)
    options = ("--set", "epochs=2", "--set", "run.log_every=1", "--steps", "7", "--minutes", "2.5", "--seed", "3")
    rest = (
        "--restart",
        "--device",
        "cpu",
        "--config",
        "train/x",
        "--resume-public",
        "G.pth",
        "--resume-public",
        "D.pth",
    )
    done = run("train", stage, tmp_path / "exp", "--out", tmp_path / "out", "--model", "m", *options, *rest)
    assert done.code == code
    assert done.out.startswith(f"{tmp_path}/w  5 steps  0.2 min  {'stopped early' if stopped else 'finished'}")
    assert seen == {
        "arguments": (tmp_path / "exp", "m", tmp_path / "out", "train/x", [*PROCESSES, "epochs=2", "run.log_every=1"]),
        "seed": 3,
        "resume": False,
        "device": "cpu",
        "max_steps": 7,
        "max_minutes": 2.5,
        "begin": [Path("G.pth"), Path("D.pth")],
    }


PROCESSES = ["run.devices=1", "run.nodes=1", "run.strategy=auto"]
"""Where nothing is said about them; what `--set` says comes after and counts."""


@pytest.mark.parametrize("stage", ["s1", "s2"])
def test_a_folder_that_is_not_prepared(run: Run, model_folder: Path, tmp_path: Path, stage: str) -> None:
    done = run("train", stage, tmp_path, "--out", tmp_path / "out", "--model", model_folder, "--steps", "1")
    assert done.code == 1
    assert done.err.startswith("gpt-sovits: ") and done.err.count("\n") == 1
    assert "prep" in done.err and "Traceback" not in done.err
    assert not (tmp_path / "out" / "model.yaml").exists()
