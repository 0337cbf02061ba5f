"""Many jobs: grouped, resumable, none stopped by another."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import soundfile

from gpt_sovits.core.errors import StorageError
from gpt_sovits.pipeline import TTS, Audio, Request
from gpt_sovits.pipeline.batch import MANIFEST, read_manifest, run_jobs
from gpt_sovits.pipeline.jobs import Job, read_jobs

DEFAULTS = {"language": "en", "max_codes": 20, "retries": 0}


class Counting:
    """A speaker that notes what it was asked for and can be told to die."""

    def __init__(self, tts: TTS, die_at: int | None = None) -> None:
        self.tts, self.die_at = tts, die_at
        self.asked: list[Request] = []

    def run(self, request: Request) -> Audio:
        if len(self.asked) == self.die_at:
            raise KeyboardInterrupt
        self.asked.append(request)
        return self.tts.run(request)


def write(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf8")
    return path


@pytest.fixture
def rows(ada: Path, ben: Path) -> list[dict[str, Any]]:
    return [
        {"name": "a", "reference": str(ada), "text": "The train was late.", "seed": 1},
        {"name": "b", "reference": str(ben), "text": "She waited, and read."},
        {"name": "c", "reference": str(ada), "text": "Then it came.", "seed": 1},
    ]


@pytest.fixture
def jobs(tmp_path: Path, rows: list[dict[str, Any]]) -> list[Job]:
    return read_jobs(write(tmp_path / "jobs.jsonl", rows), DEFAULTS)


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / MANIFEST).read_text(encoding="utf8").splitlines()]


def test_every_job_is_spoken_grouped_by_voice(tts: TTS, jobs: list[Job], tmp_path: Path, ada: Path) -> None:
    out, speaker = tmp_path / "out", Counting(tts)
    summary = run_jobs(speaker, jobs, out, "model")
    assert (summary.failed, summary.skipped) == (0, 0)
    assert [r.text for r in speaker.asked] == ["The train was late.", "Then it came.", "She waited, and read."]
    assert [line["name"] for line in lines(out)] == ["a", "b", "c"]
    for line in lines(out):
        info = soundfile.info(out / line["output"])
        assert info.duration == pytest.approx(line["seconds"], abs=1e-3)
        assert line["rtf"] > 0 and line["seed"] >= 0 and line["error"] is None
    assert lines(out)[0]["seed"] == 1


def test_a_second_run_does_nothing(tts: TTS, jobs: list[Job], tmp_path: Path) -> None:
    out, speaker = tmp_path / "out", Counting(tts)
    first = run_jobs(speaker, jobs, out, "model")
    before = {path: path.stat().st_mtime_ns for path in out.glob("*.wav")}
    second = run_jobs(speaker, jobs, out, "model")
    assert second.skipped == 3 and len(speaker.asked) == 3
    assert [vars_of(r) for r in first.records] == [vars_of(r) for r in second.records]
    assert before == {path: path.stat().st_mtime_ns for path in out.glob("*.wav")}


def vars_of(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__slots__}


def test_a_stopped_run_goes_on(tts: TTS, jobs: list[Job], tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        run_jobs(Counting(tts, die_at=2), jobs, out, "model")
    assert set(read_manifest(out / MANIFEST)) == {"a", "c"}
    with (out / MANIFEST).open("a", encoding="utf8") as f:
        f.write('{"name": "b", "li')  # cut short by a kill
    speaker = Counting(tts)
    summary = run_jobs(speaker, jobs, out, "model")
    assert [r.text for r in speaker.asked] == ["She waited, and read."]
    assert summary.skipped == 2
    assert [line["name"] for line in lines(out)] == ["a", "b", "c"]
    assert not list(out.glob(".*"))


@pytest.mark.parametrize("change", ["text", "model", "output", "format", "voice"])
def test_what_changed_is_spoken_again(
    tts: TTS, rows: list[dict[str, Any]], tmp_path: Path, ben: Path, change: str
) -> None:
    out, path, speaker = tmp_path / "out", tmp_path / "jobs.jsonl", Counting(tts)
    voice = tmp_path / "voice.ogg"
    voice.write_bytes(Path(rows[0]["reference"]).read_bytes())
    rows[0]["reference"] = str(voice)
    run_jobs(speaker, read_jobs(write(path, rows), DEFAULTS), out, "model")
    if change == "text":
        rows[0]["text"] = "The train was early."
    elif change == "output":
        (out / "a.wav").unlink()
    elif change == "voice":
        voice.write_bytes(ben.read_bytes())
    model, suffix = ("other" if change == "model" else "model"), ("flac" if change == "format" else "wav")
    summary = run_jobs(speaker, read_jobs(write(path, rows), DEFAULTS), out, model, suffix)
    again = 3 if change in ("model", "format") else 1
    assert (len(speaker.asked), summary.skipped) == (3 + again, 3 - again)
    assert (out / f"a.{suffix}").is_file()


def test_failures_are_recorded_and_the_others_go_on(
    tts: TTS, rows: list[dict[str, Any]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows[0]["text"] = "?!"
    rows[1]["reference"] = str(tmp_path / "none.wav")
    rows.insert(2, {"text": "No reference.", "name": "d"})
    out, speaker = tmp_path / "out", Counting(tts)
    path = write(tmp_path / "jobs.jsonl", rows)
    summary = run_jobs(speaker, read_jobs(path, DEFAULTS), out, "model")
    errors = {line["name"]: line["error"] for line in lines(out)}
    assert summary.failed == 3
    assert "nothing to say" in errors["a"]
    assert "none.wav cannot be read" in errors["b"]
    assert errors["d"] == "line 3 cannot be used: reference is missing"
    assert errors["c"] is None and [p.name for p in out.glob("*.wav")] == ["c.wav"]
    # mended, the failed ones are spoken and the good one is left
    rows[0]["text"], rows[1]["reference"] = "Yes, do.", rows[0]["reference"]
    rows[2]["reference"] = rows[0]["reference"]
    mended = run_jobs(speaker, read_jobs(write(path, rows), DEFAULTS), out, "model")
    assert (mended.failed, mended.skipped) == (0, 1)


def test_an_unexpected_failure_is_one_line_too(jobs: list[Job], tts: TTS, tmp_path: Path) -> None:
    class Broken(Counting):
        def run(self, request: Request) -> Audio:
            if request.text.startswith("Then"):
                raise RuntimeError("out of memory")
            return super().run(request)

    summary = run_jobs(Broken(tts), jobs, tmp_path / "out", "model")
    assert [r.error for r in summary.records] == [None, None, "unexpected RuntimeError: out of memory"]


def test_a_folder_that_cannot_be_written(jobs: list[Job], tts: TTS, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot write"):
        run_jobs(Counting(tts), jobs, tmp_path / "file" / "out", "model")
