"""`models inspect`, `import`, `export`, `list`, `remove`, `path`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.exchange import public_files


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GPT_SOVITS_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("public")
    return public_files.write_s1(folder / "ada-e15.ckpt"), public_files.write_s2(folder / "ada_e8_s120.pth")


def test_inspect(run: Run, files: tuple[Path, Path]) -> None:
    done = run("models", "inspect", files[1])
    assert done.code == 0
    rows = dict(line.split(maxsplit=1) for line in done.out.splitlines())
    assert (rows["what"], rows["symbols"], rows["training"]) == ("s2 v2", "v2", "8epoch_120iteration")
    assert len(rows["sha256"]) == 64
    found = json.loads(run("models", "inspect", files[0], "--json").out)
    assert (found["stage"], found["family"], found["info"], found["dtype"]) == ("s1", "v2", "GPT-e15", "float16")
    assert len(json.loads(run("models", "inspect", *files, "--json").out)) == 2


def test_the_life_of_a_model(run: Run, files: tuple[Path, Path], store: Path, tmp_path: Path) -> None:
    assert run("models", "path").out.strip() == str(store)
    done = run("models", "import", *files, "--name", "ada")
    assert done.code == 0 and done.out == f"ada  v2  {store / 'ada'}\n"
    assert "ada still needs chinese-hubert-base" in done.err and len(done.err.splitlines()) == 1
    assert run("models", "path", "ada").out.strip() == str(store / "ada")
    listed = run("models", "list").out
    assert any(line.startswith("ada  v2  zh en ja ko yue") and "needs chinese-" in line for line in listed.splitlines())
    assert {"ada", "tiny"} <= {row["name"] for row in json.loads(run("models", "list", "--json").out)}
    done = run("models", "export", "ada", "--to", tmp_path / "out")
    assert done.code == 0 and sorted(path.name for path in (tmp_path / "out").iterdir()) == ["ada.ckpt", "ada.pth"]
    assert run("models", "export", "ada", "--to", tmp_path / "out").code == 1
    assert run("models", "import", *files, "--name", "ada").code == 1
    assert run("models", "remove", "ada", "--yes").code == 0
    assert not (store / "ada").exists()
    done = run("models", "remove", "ada", "--yes")
    assert done.code == 1 and "there is no model 'ada'" in done.err


def test_the_shipped_model_stays(run: Run, repository: Path) -> None:
    done = run("models", "remove", "tiny", "--yes")
    assert done.code == 1 and "travels with the program and stays" in done.err
    assert (repository / "pretrained_models" / "tiny" / "model.yaml").is_file()


def test_a_file_in_place_of_a_model_is_explained(run: Run, files: tuple[Path, Path], clips: Path) -> None:
    reference = ["--ref", clips / "ben_en_1.ogg"]
    done = run("tts", "--model", files[1], *reference, "--text", "Hello.", "--out", "out.wav")
    assert done.code == 1 and "is a file, not a model: take it in with `gpt-sovits models import" in done.err


def test_pretrained_needs_a_folder(run: Run, tmp_path: Path) -> None:
    done = run("models", "import-pretrained", tmp_path / "none")
    assert done.code == 1 and "is not a folder: name the public pretrained_models folder" in done.err
