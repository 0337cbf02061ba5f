"""The wheel carries everything the code looks for, and installing it drags in nothing that breaks torch."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
MODELS = ROOT / "pretrained_models"
MEGABYTE = 2**20


def tracked(folder: str) -> set[str]:
    """Files of a folder as git sees them, new ones too, ignored ones not."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", folder]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return {name for name in done.stdout.splitlines() if (ROOT / name).is_file()}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=300)
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel alone, unpacked as an installer does it; dependencies come from the running environment."""
    target = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    return target


def run_installed(installed: Path, code: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=installed, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("folder", ["configs", "res", "pretrained_models"])
def test_wheel_carries_every_data_file(wheel: Path, folder: str) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = tracked(folder)
    assert wanted
    assert {f"gpt_sovits/_data/{name}" for name in wanted} - names == set()


@pytest.mark.parametrize("folder", ["gpt_sovits", "ar", "sovits", "feature_extractor", "prep"])
def test_wheel_carries_every_source(wheel: Path, folder: str) -> None:
    """Those in C, too, which are built where the wheel is installed."""
    wanted = set(tracked(folder))
    assert wanted - set(zipfile.ZipFile(wheel).namelist()) == set()
    assert folder not in ("ar", "sovits") or any(name.endswith(".c") for name in wanted)


def test_wheel_carries_no_more_than_git(wheel: Path) -> None:
    """Weights that a user downloaded, tests and caches stay out."""
    names = {n for n in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in n}
    known = {
        name if folder not in ("configs", "res", "pretrained_models") else f"gpt_sovits/_data/{name}"
        for folder in ("gpt_sovits", "ar", "sovits", "feature_extractor", "prep", "configs", "res", "pretrained_models")
        for name in tracked(folder)
    }
    assert names - known == set()


def test_installed_wheel_finds_its_files(installed: Path) -> None:
    code = """
import json, gpt_sovits
from gpt_sovits.core import resources
print(json.dumps([gpt_sovits.__file__, str(resources.resource_root()), resources.resource("res", "demo").is_dir()]))
"""
    package, root, demo = json.loads(run_installed(installed, code))
    assert Path(package).is_relative_to(installed)
    assert Path(root) == installed / "gpt_sovits" / "_data"
    assert demo


def test_installed_wheel_finds_the_embedded_models(installed: Path) -> None:
    models = sorted(yaml.safe_load((MODELS / "manifest.yaml").read_text(encoding="utf8"))["models"])
    code = f"""
from gpt_sovits.core.bundle import find_model
for name in {models!r}:
    bundle = find_model(name)
    for part in ("hubert", "s1", "s2", "bert", "speaker"):
        bundle.part(part)
    print(bundle.folder)
"""
    folders = run_installed(installed, code).splitlines()
    assert [Path(folder) for folder in folders] == [
        installed / "gpt_sovits" / "_data" / "pretrained_models" / name for name in models
    ]


def test_wheel_has_both_commands(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    entry = next(name for name in archive.namelist() if name.endswith("entry_points.txt"))
    text = archive.read(entry).decode()
    assert "gpt-sovits = gpt_sovits.cli:main" in text
    assert "prep = prep.cli:main" in text


def test_model_manifest_is_true() -> None:
    """Each embedded model is listed with source, licence, data and the right checksums; all fit in 60 MB."""
    models = yaml.safe_load((MODELS / "manifest.yaml").read_text(encoding="utf8"))["models"]
    on_disk = {name for name in tracked("pretrained_models") if name.count("/") > 1}
    listed = set()
    for name, entry in models.items():
        for field in ("source", "licence", "training_data"):
            assert entry[field].strip(), f"{name} has no {field}"
        for file, digest in entry["files"].items():
            path = MODELS / name / file
            assert hashlib.sha256(path.read_bytes()).hexdigest() == digest, f"{path} does not match the manifest"
            listed.add(f"pretrained_models/{name}/{file}")
    assert on_disk == listed
    assert sum((ROOT / name).stat().st_size for name in listed) <= 60 * MEGABYTE


def requirements(extra: str = "") -> list[Requirement]:
    found = [Requirement(line) for line in importlib.metadata.requires("gpt-sovits") or ()]
    return [r for r in found if r.marker is None or r.marker.evaluate({"extra": extra})]


def test_the_core_needs_no_torchaudio() -> None:
    """Its wheels link one build of torch; beside another they break `import transformers` as well."""
    waiting, seen = [r.name for r in requirements()], set()
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in seen:
            continue
        seen.add(name)
        for line in importlib.metadata.requires(name) or ():
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                waiting.append(needed.name)
    assert seen & {"torchaudio", "torchcodec", "fairseq", "torchvision"} == set()
    assert {"torch", "numpy", "transformers"} <= seen


def test_torch_is_bounded_on_both_sides() -> None:
    torch = next(r for r in requirements() if r.name == "torch")
    assert {s.operator for s in torch.specifier} == {">=", "<"}
    assert not torch.specifier.contains("2.14.0") and torch.specifier.contains("2.4.0")
