"""`evaluate wavs` as a user meets it, with transcripts from a table in place of a recogniser."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from gpt_sovits.evaluate.measures import Tools
from gpt_sovits.evaluate.result import read_result, read_rows
from gpt_sovits.evaluate.score import score_items
from gpt_sovits.evaluate.sets import load_set
from tests.cli.conftest import Run

ARITHMETIC = ("--measure", "stability", "--measure", "signal")


@pytest.fixture
def folder(tmp_path: Path, clips: Path) -> Path:
    """Three good recordings, transcripts that got one word wrong."""
    rows = ["id\twav\tlanguage\ttext\treference"]
    said = ["id\ttext"]
    for line in (clips / "clips.list").read_text("utf8").splitlines()[:3]:
        name, _, language, text = line.split("|")
        rows.append(f"{Path(name).stem}\t{clips / name}\t{language}\t{text}\t{clips / 'ada_en_1.ogg'}")
        said.append(f"{Path(name).stem}\t{text.replace('door', 'floor')}")
    (tmp_path / "wavs.tsv").write_text("\n".join(rows) + "\n", encoding="utf8")
    (tmp_path / "heard.tsv").write_text("\n".join(said) + "\n", encoding="utf8")
    return tmp_path


def options(folder: Path) -> list[str | Path]:
    return ["--recogniser", f"file:{folder / 'heard.tsv'}", "--measure", "intelligibility", *ARITHMETIC]


def test_result_table_and_page(run: Run, folder: Path) -> None:
    done = run("evaluate", "wavs", folder, "--out", folder / "out", *options(folder))
    assert done.code == 0, done.err
    result = read_result(folder / "out")
    total = result.summary["en"].figures["error_rate"]
    assert total.value == pytest.approx(1 / 26)
    assert total.low <= total.value <= total.high
    assert total.items == result.set.items == 3
    assert result.set.hash == load_set(str(folder / "wavs.tsv")).hash
    assert {card.measure: card.model for card in result.measures} == {
        "intelligibility": "heard.tsv", "stability": "-", "signal": "-"
    }  # fmt: skip
    assert result.measures[0].sha256 and result.version == 1
    rows = read_rows(folder / "out" / "items.tsv")
    assert [row.number("edits") for row in rows] == [0, 0, 1]
    assert all(row.item.wav is not None and row.item.wav.is_file() for row in rows)
    page = (folder / "out" / "report.html").read_text("utf8")
    assert "close the floor behind" in page and page.count("data:audio/ogg") == 6
    assert "http://" not in page and "https://" not in page and "<script" not in page


def test_faulty_inputs_are_named_and_the_rest_is_scored(run: Run, folder: Path) -> None:
    good = read_rows_text(folder)
    soundfile.write(folder / "stereo.wav", np.random.default_rng(1).normal(0, 0.1, (48000, 2)), 48000)
    soundfile.write(folder / "nothing.wav", np.zeros((0, 1)), 16000)
    soundfile.write(folder / "silent.wav", np.zeros(16000), 16000)
    (folder / "broken.wav").write_bytes(b"RIFF1234WAVEnonsense")
    lines = [f"{name}\t{name}.wav\t{lang}\tOne two three.\t" for name, lang in
             (("missing", "en"), ("stereo", "en"), ("nothing", "en"), ("silent", "en"), ("broken", "en"))]  # fmt: skip
    lines.append(good[1].replace("ada_en_1\t", "foreign\t").replace("\ten\t", "\txx\t"))
    (folder / "wavs.tsv").write_text("\n".join([*good, *lines]) + "\n", encoding="utf8")
    with (folder / "heard.tsv").open("a", encoding="utf8") as file:
        file.write("stereo\tone two three\nforeign\tx\n")
    done = run("evaluate", "wavs", folder, "--out", folder / "out", "--measure", "similarity",
               "--models", folder, *options(folder))  # fmt: skip
    assert done.code == 1
    error = " ".join(done.err.split())
    for name, reason in (
        ("missing", "does not exist"), ("nothing", "holds no samples"), ("silent", "silent"),
        ("broken", "cannot be read as audio"), ("foreign", "no text normalisation for the language 'xx'"),
    ):  # fmt: skip
        assert f"{name}: " in error and reason in error
    assert "stereo: " not in error
    assert "not measured: similarity: the speaker network campplus was not found" in error
    result = read_result(folder / "out")
    assert result.summary["all"].items == 9 and result.summary["all"].failed == 4
    rows = {row.item.id: row for row in read_rows(folder / "out" / "items.tsv")}
    for name in ("missing", "nothing", "silent", "broken"):
        assert rows[name].number("error_rate") == 1.0 and rows[name].number("faulty") == 1.0
    assert rows["stereo"].number("error_rate") == 0.0
    assert rows["foreign"].number("loudness") is not None and rows["foreign"].number("error_rate") is None
    assert result.summary["en"].figures["error_rate"].items == 8


def read_rows_text(folder: Path) -> list[str]:
    return (folder / "wavs.tsv").read_text("utf8").splitlines()


def test_what_was_measured_is_not_measured_again(run: Run, folder: Path) -> None:
    command = ("evaluate", "wavs", folder / "wavs.tsv", "--out", folder / "out", *options(folder))
    run(*command)
    cache = folder / "out" / "scores.jsonl"
    lines = [json.loads(line) for line in cache.read_text("utf8").splitlines()]
    assert [line["measure"] for line in lines] == ["intelligibility heard.tsv"] * 3
    lines[0]["values"]["edits"] = 5.0  # a mark: what is read from here was not measured again
    cache.write_text(json.dumps(lines[0]) + "\n" + json.dumps(lines[1]) + "\n" + '{"key": "ab', encoding="utf8")
    assert run(*command).code == 0
    assert [row.number("edits") for row in read_rows(folder / "out" / "items.tsv")] == [5, 0, 1]
    assert len(cache.read_text("utf8").splitlines()) == 4  # the line that was cut short stands, then the third item


def test_processes_agree_with_one(folder: Path) -> None:
    tools = Tools(measures=("intelligibility", "stability"), recogniser=f"file:{folder / 'heard.tsv'}")
    items = load_set(str(folder / "wavs.tsv")).items
    one, two = (score_items(items, tools, None, processes) for processes in (1, 2))
    assert [(r.item.id, r.values) for r in one.rows] == [(r.item.id, r.values) for r in two.rows]


def test_unknown_measure_and_recogniser(run: Run, folder: Path) -> None:
    done = run("evaluate", "wavs", folder, "--out", folder / "out", "--measure", "beauty")
    assert done.code == 1 and "there is no measure 'beauty': use intelligibility" in done.err
    done = run("evaluate", "wavs", folder, "--out", folder / "out", "--recogniser", "file:none.tsv", "--measure",
               "intelligibility")  # fmt: skip
    assert done.code == 1 and "not measured: intelligibility: the transcripts none.tsv cannot be read" in done.err


def test_history(run: Run, folder: Path) -> None:
    for name in ("one", "two"):
        run("evaluate", "wavs", folder, "--out", folder / name, "--name", name, *options(folder))
    done = run("evaluate", "history", folder)
    assert done.code == 0
    assert [line.split()[2] for line in done.out.splitlines()[1:]] == ["one", "two"]
    done = run("evaluate", "history", folder / "none")
    assert done.code == 1 and "holds no results" in done.err
