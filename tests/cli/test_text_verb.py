"""`gpt-sovits text`: every step of reading a text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from feature_extractor.text import symbol_table
from gpt_sovits.cli import main


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(["text", *arguments])
    return int(end.value.code or 0)


def test_json_holds_every_step(capsys: pytest.CaptureFixture[str]) -> None:
    written = "银{行|hang2}在2024年说 hello \U0001f9ff。"
    assert run(written, "--lang", "auto", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["text"] == written
    assert "".join(segment["text"] for segment in report["segments"]) == written
    assert [segment["language"] for segment in report["segments"]][:2] == ["zh", "en"]
    assert "二零二四年" in report["normalised"]
    table = symbol_table("v2")
    assert [table[i] for i in report["ids"]] == report["phones"]
    assert [unknown["character"] for unknown in report["unknown"]] == ["\U0001f9ff"]
    for segment in report["segments"]:
        grouped = [phone for source in segment["sources"] for phone in source["phones"]]
        assert grouped == segment["phones"]
    deciders = {source["by"] for segment in report["segments"] for source in segment["sources"]}
    assert {"user", "CMUdict"} <= deciders


def test_the_table_shows_phones_and_what_nobody_can_say(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("I read \U0001f9ff it.", "--lang", "en") == 0
    shown = capsys.readouterr().out
    assert "R IY1 D" in shown or "R EH1 D" in shown
    assert "homograph" in shown
    assert "U+1F9FF" in shown
    assert "character 8" in shown


def test_a_dictionary_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "words.tsv"
    path.write_text("en\tgif\tJH IH1 F\n", encoding="utf8")
    monkeypatch.setenv("GPT_SOVITS_DICTIONARY", str(path))
    assert run("a gif here", "--lang", "en", "--json") == 0
    assert "JH IH1 F" in " ".join(json.loads(capsys.readouterr().out)["phones"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{行|hang9}"], "'hang9' of '行' at character 1 cannot be read"),
        (["..."], "nothing to say"),
        (["hi", "--lang", "fr"], "'fr' is not available; choose one of zh, en, ja"),
        (["hi", "--symbols", "v7"], "no symbol table 'v7'"),
        (["hi there", "--cut", "cut9"], "no cutting method 'cut9'; choose one of auto"),
        (["--text-file", "none.txt"], "none.txt cannot be read"),
        (["hi", "--dictionary", "none.tsv"], "none.tsv cannot be read"),
    ],
)
def test_faults_are_one_sentence(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
