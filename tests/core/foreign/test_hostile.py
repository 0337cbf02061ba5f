"""Files made to run something leave no trace: no file, no process, no import, no connection, little memory."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.core.foreign import hostile, material

ROOT = Path(__file__).resolve().parents[3]
ACTS = {
    "import this": "import",
    "open('mark', 'w')": "open",
    "import os; os.system('true')": "os.system",
    "import socket; socket.socket()": "socket",
}
"""What a watch must notice, and the event it is."""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Every hostile pickle in both containers, read in a process of its own under audit."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "good").mkdir()
    (folder / "bad").mkdir()
    good = {
        "zip": material.saved(material.model_file()),
        "legacy": material.saved(material.model_file(), legacy=True),
        "text": b"hello\n",
        "cut": material.saved(material.model_file())[:900],
        "protocol 0": material.zipped(pickle.dumps({"a": "b"}, protocol=0)),
        "odd": material.zipped(b"\x80\x02cunknown\nThing\n)R."),
    }
    for name, data in good.items():
        (folder / "good" / name).write_bytes(data)
    names = {}
    bombs = [(name, data, ("zip",)) for name, data in hostile.bombs().items()]
    acts = [(name, data, tuple(material.CONTAINERS)) for name, data in hostile.every(str(folder / "mark"))]
    for number, (case, description, containers) in enumerate([*acts, *bombs]):
        for container in containers:
            wrap = material.CONTAINERS[container]
            path = folder / "bad" / f"{number}.{container}"
            path.write_bytes(wrap(description))
            names[str(path)] = f"{case} in {container}"
    lists = folder / "good.txt", folder / "bad.txt"
    lists[0].write_text("\n".join(str(folder / "good" / name) for name in good))
    lists[1].write_text("\n".join(names))
    done = subprocess.run(
        [sys.executable, "-m", "tests.core.foreign.watch", *map(str, lists)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    found["files"] = {names[path]: value for path, value in found["files"].items()}
    found["mark"] = folder / "mark"
    return found


def test_nothing_happens(report: dict[str, Any]) -> None:
    assert len(report["files"]) > 500
    assert {name: events for name, (_, events) in report["files"].items() if events} == {}
    assert not report["mark"].exists()


def test_every_refusal_is_a_sentence(report: dict[str, Any]) -> None:
    for name, (outcome, _) in report["files"].items():
        assert outcome != "read", name
        assert "\n" not in outcome and len(outcome) < 500 and ": " in outcome, (name, outcome)


@pytest.mark.parametrize("name", ["posix.system", "builtins.eval", "runpy.run_path", "subprocess.Popen", "torch.load"])
def test_the_sentence_names_what_was_asked_for(report: dict[str, Any], name: str) -> None:
    said = [
        outcome for outcome, _ in report["files"].values() if f"asks for {name}, which could run a program" in outcome
    ]
    assert len(said) >= 12


def test_bombs_take_little_memory(report: dict[str, Any]) -> None:
    assert report["peak_mib"] - report["before_mib"] < 600


def test_the_marks_are_live(tmp_path: Path) -> None:
    """The same pickles do run under Python's own unpickler: the test above can fail."""
    mark = tmp_path / "mark"
    function, args = hostile.calls(str(mark))["os.system"]
    for protocol in hostile.PROTOCOLS:
        pickle.loads(hostile.called(function, *args, protocol=protocol))
        assert mark.exists()
        mark.unlink()
    for name in ("INST", "OBJ"):
        pickle.loads(hostile.instructions(str(mark))[name])
        assert mark.exists(), name
        mark.unlink()


def test_the_watch_hears(tmp_path: Path) -> None:
    """An import, an open file and a process are each an event."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "import tests.core.foreign.watch as w\n"
        "for code in sys.argv[2:]:\n"
        "    w._use = lambda path, tensors: exec(code)\n"
        "    print('heard', w.watch().read(Path('x'))[1])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(ROOT), *ACTS], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    heard = [line for line in done.stdout.splitlines() if line.startswith("heard")]
    for (code, event), line in zip(ACTS.items(), heard, strict=True):
        assert event in line.removeprefix("heard"), (code, line)
