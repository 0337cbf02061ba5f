"""The command line: exit codes, what it prints, and that every verb reaches its steps."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gpt_sovits.core.config import load_config
from prep.cli import main
from prep.config import PrepConfig
from tests.prep.material import make_list, snapshot, voice, write_wav

Prep = Callable[..., tuple[int, str]]


@pytest.fixture
def prep(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Prep:
    """Run `prep` with arguments; returns the exit code and everything printed, line breaks removed."""

    def run(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["prep", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        captured = capsys.readouterr()
        return int(stop.value.code or 0), " ".join((captured.out + captured.err).split())

    return run


def test_run_prepares_then_has_nothing_to_do(tmp_path: Path, model: Path, prep: Prep) -> None:
    arguments = ("run", make_list(tmp_path, 2), "--out", tmp_path / "exp", "--model", model, "--device", "cpu")
    code, text = prep(*arguments)
    assert code == 0 and "prepared 2 items" in text and "text 2, hubert 2, semantic 2 (of 2)" in text
    code, text = prep(*arguments)
    assert code == 0 and "nothing to do: 2 of 2 items are up to date" in text


def test_bad_items_are_shown_and_exit_with_one(tmp_path: Path, model: Path, prep: Prep) -> None:
    path = make_list(tmp_path, 1)
    path.write_text(path.read_text() + "wav/[gone].wav|ann|en|Words.\nnonsense\n", encoding="utf8")
    code, text = prep("run", path, "--out", tmp_path / "exp", "--model", model, "--device", "cpu")
    assert code == 1
    assert "2 bad items" in text and "[gone].wav" in text and "nonsense" in text and "Traceback" not in text
    assert (tmp_path / "exp" / "6-name2semantic.tsv").is_file()


def test_a_fault_is_one_sentence_and_exits_with_one(tmp_path: Path, model: Path, prep: Prep) -> None:
    code, text = prep("run", tmp_path / "none.list", "--out", tmp_path / "exp", "--model", model)
    assert (code, text) == (1, f"error: the list {tmp_path / 'none.list'} does not exist")
    code, text = prep("run", make_list(tmp_path, 1), "--out", tmp_path / "exp", "--model", model, "--set", "worker=2")
    assert code == 1 and "worker: Extra inputs are not permitted" in text
    assert not (tmp_path / "exp").exists()


def test_wrong_usage_exits_with_two(prep: Prep) -> None:
    assert prep("run")[0] == 2
    assert prep("dance")[0] == 2


@pytest.mark.parametrize(
    ("verb", "files"),
    [
        ("text", {"2-name2text.txt"}),
        ("name2text", {"2-name2text.txt"}),
        ("hubert", {"4-cnhubert/v0.wav.pt", "5-wav32k/v0.wav"}),
        ("semantic", {"4-cnhubert/v0.wav.pt", "5-wav32k/v0.wav", "6-name2semantic.tsv"}),
        ("name2semantic", {"6-name2semantic.tsv"}),
    ],
)
def test_each_verb_writes_its_files(tmp_path: Path, model: Path, prep: Prep, verb: str, files: set[str]) -> None:
    code, _ = prep(verb, make_list(tmp_path, 1), "--out", tmp_path / "exp", "--model", model, "--device", "cpu")
    assert code == 0
    found = {name for name in snapshot(tmp_path / "exp") if not name.startswith(".prep/")}
    assert found == files | {"prep_report.json"}


def test_speaker_needs_a_model_with_that_branch(tmp_path: Path, model: Path, full_model: Path, prep: Prep) -> None:
    path = make_list(tmp_path, 1)
    code, text = prep("speaker", path, "--out", tmp_path / "exp", "--model", model, "--device", "cpu")
    assert code == 1 and "no speaker branch" in text
    code, _ = prep("speaker", path, "--out", tmp_path / "exp", "--model", full_model, "--device", "cpu", "--half")
    assert code == 0 and (tmp_path / "exp" / "7-sv_cn" / "v0.wav.pt").is_file()


def test_slice(tmp_path: Path, prep: Prep) -> None:
    write_wav(tmp_path / "talk.wav", voice(1.5))
    code, text = prep("slice", tmp_path / "talk.wav", tmp_path / "out")
    assert code == 0 and text.startswith("1 pieces in")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["talk.wav_0000000000_0000048320.wav"]
    (tmp_path / "broken.wav").write_bytes(b"x")
    code, text = prep("slice", tmp_path / "broken.wav", tmp_path / "out")
    assert code == 1 and "cannot be read as audio" in text


def test_the_shipped_settings_are_the_defaults() -> None:
    assert load_config(PrepConfig, "prep") == PrepConfig()
