"""`models`, `doctor`, help and start-up."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gpt_sovits import models
from gpt_sovits.cli import app, doctor
from gpt_sovits.core import compiled
from gpt_sovits.core.bundle import find_model
from gpt_sovits.core.errors import ConfigError
from tests.cli.conftest import Run

VERBS = ["tts", "batch", "demo", "doctor", "train", "models"]


@pytest.mark.parametrize("verb", [[], *([v] for v in VERBS), ["train", "s1"], ["train", "s2"], ["models", "new"]])
def test_every_verb_explains_itself(verb: list[str]) -> None:
    result = CliRunner().invoke(app, [*verb, "--help"])
    assert result.exit_code == 0
    assert all(word in result.output for word in (VERBS if not verb else ["Usage", verb[-1]]))


def test_help_loads_no_network_code(repository: Path) -> None:
    code = (
        "import sys\nfrom gpt_sovits.cli import main\ntry:\n    main(['tts', '--help'])\nexcept SystemExit:\n"
        "    heavy = {'torch', 'transformers', 'numpy', 'soundfile', 'pytorch_lightning'} & sys.modules.keys()\n"
        "    sys.exit(3 if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, timeout=300, check=False)
    assert done.returncode == 0


def test_new_models_follow_the_seed(run: Run, tmp_path: Path) -> None:
    for name, seed in (("a", "3"), ("b", "3"), ("c", "4")):
        done = run("models", "new", tmp_path / name, "--preset", "debug", "--seed", seed)
        assert (done.code, done.out) == (0, f"{tmp_path / name}  untrained  preset debug  seed {seed}\n")
    for part in ("hubert", "s1", "s2"):
        files = [(tmp_path / name / f"{part}.safetensors").read_bytes() for name in "abc"]
        assert files[0][:8] == files[1][:8] and files[0] == files[1]
        assert files[0] != files[2]
    assert find_model(tmp_path / "a").manifest.name == "a"


def test_a_model_is_not_overwritten(run: Run, tmp_path: Path) -> None:
    assert run("models", "new", tmp_path / "a", "--preset", "debug").code == 0
    done = run("models", "new", tmp_path / "a", "--preset", "debug")
    assert done.code == 1 and "already holds a model" in done.err


def test_presets(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run("models", "new", tmp_path / "a", "--preset", "huge")
    assert done.code == 1 and "there is no preset 'huge': use one of debug, tiny" in done.err
    monkeypatch.setitem(models.PRESETS, "odd", models.Preset("debug/hubert", "debug/s1", "model/v2"))
    with pytest.raises(ConfigError, match="16 wide, but model/v2 reads 768"):
        models.new_model(tmp_path / "b", "odd")
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("part", ["speaker", "whisper", "vocoder"])
def test_published_parts_are_asked_for_and_refused_by_name(run: Run, tmp_path: Path, part: str) -> None:
    others = [p for p in ("speaker", "whisper", "vocoder") if p != part]
    given = [word for other in others for word in (f"--{other}", str(tmp_path / other))]
    done = run("models", "new", tmp_path / "a", "--preset", "tiny", *given)
    assert done.code == 1 and f"takes over a trained {part}: give it (--{part} PATH)" in done.err
    done = run("models", "new", tmp_path / "b", "--preset", "debug", f"--{part}", tmp_path / part)
    assert done.code == 1 and f"the preset debug has no {part}" in done.err
    assert not (tmp_path / "a").exists() and not (tmp_path / "b").exists()


def test_models_are_listed(run: Run) -> None:
    done = run("models", "list")
    assert done.code == 0
    assert len(done.out.splitlines()) == len(models.list_models())


def test_doctor_is_content_here(run: Run) -> None:
    done = run("doctor")
    assert done.code == 0
    assert "BAD" not in done.out and "torch" in done.out and "not installed: pip install" in done.out


@pytest.mark.parametrize(("lacking", "said"), [("compiler", "none: install gcc"), ("threads", "knows no OpenMP")])
def test_doctor_says_what_keeps_speaking_slow(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lacking: str, said: str
) -> None:
    """Slow is not broken."""
    if lacking == "compiler":
        monkeypatch.setenv("PATH", str(tmp_path))
    else:
        monkeypatch.setattr(compiled, "OPTIONAL", ((),))
    done = run("doctor")
    assert done.code == 0 and said in done.out


def test_doctor_names_a_broken_torchaudio(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise OSError("libc10_cuda.so: cannot open shared object file")

    monkeypatch.setattr(doctor, "version", lambda name: "2.11.0")
    monkeypatch.setattr(doctor, "import_module", broken)
    done = run("doctor")
    assert done.code == 1
    assert "BAD  torchaudio" in done.out and "pip uninstall torchaudio" in done.out
