"""`evaluate MODEL`: spoken, scored, resumed; failures stay."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gpt_sovits.core.errors import ConfigError
from gpt_sovits.evaluate.measures import Tools
from gpt_sovits.evaluate.result import read_result, read_rows
from gpt_sovits.evaluate.run import Work
from gpt_sovits.evaluate.select import Candidate, check_measurable, measures_of, select_model
from gpt_sovits.evaluate.sets import load_set
from gpt_sovits.evaluate.synthesise import item_seed, loops
from gpt_sovits.pipeline import TTS
from tests.cli.conftest import Run


@pytest.fixture
def small(tmp_path: Path, clips: Path) -> Path:
    """Two sentences that can be spoken and one whose reference is too short."""
    lines = ["id\tlanguage\ttext\treference\treference_text\tspeaker"]
    lines += [f"a{i}\ten\tThe train was late.\t{clips / 'ben_en_1.ogg'}\tA cold wind.\tben" for i in (1, 2)]
    lines.append(f"short\ten\tThe train was late.\t{clips / 'ada_en_1.ogg'}\t\tada")
    path = tmp_path / "small.tsv"
    path.write_text("\n".join(lines) + "\n", encoding="utf8")
    return path


def test_a_set_is_spoken_scored_and_resumed(run: Run, model_folder: Path, small: Path, tmp_path: Path) -> None:
    command = [
        *("evaluate", model_folder, "--set", small, "--out", tmp_path / "out", "--device", "cpu"),
        *("--set-option", "max_codes=20", "--set-option", "retries=0", "--measure", "signal", "--measure", "stability"),
    ]
    done = run(*command)
    assert done.code == 1  # one item failed
    assert "short: not spoken: the reference must last 3 to 10 seconds" in " ".join(done.err.split())
    result = read_result(tmp_path / "out")
    assert (result.summary["en"].items, result.summary["en"].failed) == (3, 1)
    assert result.system.settings["max_codes"] == "20" and result.system.fingerprint
    assert result.speed["first_audio"] > 0 and result.speed["peak_memory_mb"] > 50
    assert result.recordings["en"].items == 1
    rows = {row.item.id: row for row in read_rows(tmp_path / "out" / "items.tsv")}
    assert rows["a1"].number("unfinished") == 1.0 and rows["a1"].number("faulty") == 1.0
    assert rows["short"].number("failed") == 1.0 and (rows["a1"].number("rtf") or 0) > 0
    assert rows["a1"].number("seed") == item_seed(1, "a1") != item_seed(1, "a2") == rows["a2"].number("seed")
    wav = tmp_path / "out" / "wavs" / "a1.wav"
    before = wav.stat().st_mtime_ns
    manifest = (tmp_path / "out" / "wavs" / "manifest.jsonl").read_text("utf8")
    assert len([json.loads(line) for line in manifest.splitlines()]) == 3
    (tmp_path / "out" / "wavs" / "a2.wav").unlink()
    assert run(*command).code == 1
    assert wav.stat().st_mtime_ns == before
    assert (tmp_path / "out" / "wavs" / "a2.wav").is_file()


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ([5] * 50, False),
        ([5] * 52, True),
        (list(range(20)) * 2, False),
        (list(range(20)) * 3, True),
        ([1, 2] * 13, False),
        ([1, 2] * 14, True),
        (list(range(300)), False),
        ([], False),
        ([1], False),
    ],
)
def test_loops(codes: list[int], expected: bool) -> None:
    assert loops(codes) is expected


def test_the_better_model_is_selected(model_folder: Path, small: Path, tmp_path: Path) -> None:
    work = Work(Tools(measures=("stability",)))
    candidates = [Candidate(name, lambda: TTS(model_folder, "cpu")) for name in ("first", "second")]
    chosen = load_set(str(small))
    options = {"max_codes": 20, "retries": 0}
    best, results = select_model(candidates, chosen, tmp_path / "out", work, by="faulty", options=options, items=1)
    assert best.name == "first"  # equal: the earlier one
    figures = [results[name].summary["all"].figures["faulty"] for name in ("first", "second")]
    assert figures[0] == figures[1] and figures[0].value == 1.0
    with pytest.raises(ConfigError, match="cannot select by 'pitch': use one of error_rate"):
        select_model(candidates, chosen, tmp_path / "out", work, by="pitch")


def test_ways_to_speak_are_tried(run: Run, model_folder: Path, small: Path, tmp_path: Path) -> None:
    done = run(
        *("evaluate", "select", model_folder, "--set", small, "--items", "1", "--by", "clipping", "--device", "cpu"),
        *("--try", "max_codes=20,retries=0", "--try", "max_codes=30,retries=0", "--out", tmp_path / "out"),
    )
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0].startswith("debug max_codes=20,retries=0: ") and lines[0].endswith(", 1 items")
    assert lines[2] == "best: debug max_codes=20,retries=0"  # equal: the earlier one
    seconds = [row.number("seconds") for n in (20, 30) for row in read_rows(
        tmp_path / "out" / f"debug max_codes={n},retries=0" / "items.tsv")]  # fmt: skip
    assert (seconds[0] or 0) < (seconds[1] or 0)


def test_measures_of_a_figure() -> None:
    assert measures_of("error_rate") == ("intelligibility",)
    assert measures_of("faulty") == ("intelligibility", "similarity", "stability")
    assert measures_of("dnsmos_speech") == ("quality",) and measures_of("mcd") == ("prosody",)
    with pytest.raises(ConfigError, match=r"cannot select by error_rate: .*whisper"):
        check_measurable("error_rate", Tools(models=Path("nowhere")))
    check_measurable("clipping", Tools())
