"""The rules of the house that no linter knows; CONTRIBUTING.md gives the reasons."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("gpt_sovits", "ar", "sovits", "feature_extractor", "prep")
LONGEST = 400

# Heavy third parties stay in one room each: a module may import one of these only when its name matches.
ROOMS = {
    "pytorch_lightning": r"(ar|sovits)\.(task|descent|data|picture)|gpt_sovits\.train(\..*)?",
    "transformers": r"feature_extractor\.(hubert|bert)",
    "peft": r"gpt_sovits\.train\.lora",
    "typer": r"gpt_sovits\.cli(\..*)?|prep\.cli",
    "fastapi": r"gpt_sovits\.server(\..*)?",
    "gradio": r"gpt_sovits\.webui(\..*)?",
    "onnx": r"gpt_sovits\.export(\..*)?",
}
FORBIDDEN_NAMES = {"utils.py", "util.py", "common.py", "misc.py", "helpers.py"}
FORBIDDEN_IMPORTS = {"pickle", "torchaudio", "torchcodec", "fairseq", "dill", "cloudpickle"}
FORBIDDEN_CALLS = {"print", "eval", "exec", "os.system", "os.popen", "pickle.load", "pickle.loads", "breakpoint"}


def sources() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(tree: ast.AST) -> Iterator[str]:
    """Top-level name of everything imported, wherever in the file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]


def faults(source: str, module: str) -> list[str]:
    """Every broken rule of one module, each as `line: rule`."""
    tree = ast.parse(source)
    found = [f"import of {name}" for name in imports(tree) if name in FORBIDDEN_IMPORTS]
    found += [
        f"import of {name} outside its room"
        for name in imports(tree)
        if name in ROOMS and not re.fullmatch(ROOMS[name], module)
    ]
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            keywords = {k.arg: ast.unparse(k.value) for k in node.keywords}
            if name in FORBIDDEN_CALLS:
                found.append(f"{line}: {name}()")
            if name == "torch.load" and keywords.get("weights_only") != "True":
                found.append(f"{line}: torch.load without weights_only=True")
            if keywords.get("shell") == "True":
                found.append(f"{line}: shell=True")
        elif isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.path":
            found.append(f"{line}: sys.path")
        elif isinstance(node, ast.ExceptHandler) and node.type is None:
            found.append(f"{line}: bare except")
        elif isinstance(node, ast.Global):
            found.append(f"{line}: global {', '.join(node.names)}")
    if re.search(r"#.*\b(TODO|FIXME|XXX|HACK)\b", source):
        found.append("an unfinished note")
    return found


@pytest.mark.parametrize("path", sources(), ids=module_name)
def test_module_keeps_the_rules(path: Path) -> None:
    source = path.read_text(encoding="utf8")
    assert faults(source, module_name(path)) == []
    assert source.count("\n") <= LONGEST, "too long: look for two ideas in it"
    assert path.name not in FORBIDDEN_NAMES, "a file is named after what it holds"


@pytest.mark.parametrize(
    "source",
    [
        "import torch\ntorch.load('x')",
        "import subprocess\nsubprocess.run('ls', shell=True)",
        "import sys\nsys.path.append('.')",
        "print('x')",
        "try:\n    x\nexcept:\n    pass",
        "import pickle",
        "def f():\n    import torchaudio",
        "from transformers import HubertModel",
        "def f():\n    global state\n    state = 1",
        "x = 1  # TO" + "DO finish",
    ],
)
def test_each_rule_bites(source: str) -> None:
    assert faults(source, "ar.model")


def test_nothing_names_a_machine() -> None:
    """Absolute home folders of whoever wrote a file do not travel."""
    texts = [
        path
        for path in [*sources(), *(ROOT / "tests").rglob("*.py"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")]
        if re.search(r"(?<![\w.])/(home|root|work|Users)/\w", path.read_text(encoding="utf8"))
    ]
    assert texts == []


def test_no_test_is_switched_off() -> None:
    words = re.compile(r"mark\.(skip|xfail|skipif)\b|pytest\.(skip|xfail|importorskip)\(")
    off = [p.name for p in (ROOT / "tests").rglob("test_*.py") if words.search(p.read_text(encoding="utf8"))]
    assert off == []


def test_every_application_room_has_a_place_in_the_layers() -> None:
    contract = (ROOT / "pyproject.toml").read_text(encoding="utf8").partition("[tool.importlinter]")[2]
    rooms = {p.stem for p in (ROOT / "gpt_sovits").iterdir() if p.suffix == ".py" or (p / "__init__.py").is_file()}
    named = {room for room in rooms if f"gpt_sovits.{room}" in contract}
    assert rooms - named - {"__init__"} == set()


def test_hooks_are_local() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf8"))
    assert [repository["repo"] for repository in hooks["repos"]] == ["local"]
