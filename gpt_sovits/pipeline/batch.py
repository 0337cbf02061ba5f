"""Speaking a file of jobs: grouped by voice, resumable, one manifest line each."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from gpt_sovits.core.errors import GPTSoVITSError, StorageError
from gpt_sovits.core.files import write_text
from gpt_sovits.pipeline.audio import Audio
from gpt_sovits.pipeline.jobs import Job
from gpt_sovits.pipeline.request import Request

log = logging.getLogger(__name__)
MANIFEST = "manifest.jsonl"


class Speaker(Protocol):
    """What `run_jobs` needs of a `TTS`."""

    def run(self, request: Request) -> Audio: ...


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the manifest."""

    name: str
    line: int
    output: str | None
    digest: str | None
    seconds: float | None = None
    rtf: float | None = None
    seed: int | None = None
    warnings: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """How a run went; `records` are in the order of the jobs file."""

    records: tuple[Record, ...]
    skipped: int

    @property
    def failed(self) -> int:
        return sum(record.error is not None for record in self.records)


def run_jobs(
    speaker: Speaker,
    jobs: Sequence[Job],
    out: Path,
    model: str,
    suffix: str = "wav",
    progress: Callable[[Iterable[Job]], Iterable[Job]] = iter,
) -> Summary:
    """Speak every job into `out`; a failing job is recorded and the others go on.

    A job whose output is there and was made from the same request, reference and model is not spoken again. Each record
    is appended as soon as its file is finished, so that a killed run loses at most the job at hand; at the end
    the manifest is written anew in the order of the jobs.

    Args:
        model: what tells this voice model from another; part of what makes a request the same.
        progress: wraps the jobs as they are done, such as by a progress bar.

    Raises:
        StorageError: the folder cannot be written.
    """
    done = read_manifest(out / MANIFEST)
    records: dict[int, Record] = {}
    skipped = 0
    for job in progress(_by_voice(jobs)):
        record = _finished(job, out, model, done.get(job.name), suffix)
        if record is None:
            record = _speak(speaker, job, out, model, suffix)
            _append(out / MANIFEST, record)
        elif record.error is None:
            skipped += 1
        records[job.line] = record
    ordered = tuple(records[job.line] for job in jobs)
    write_text(out / MANIFEST, "".join(_line(record) for record in ordered))
    return Summary(ordered, skipped)


def read_manifest(path: Path) -> dict[str, Record]:
    """The last record of each name; a line cut short by a kill counts as not written."""
    records: dict[str, Record] = {}
    if not path.is_file():
        return records
    for line in path.read_text(encoding="utf8", errors="replace").splitlines():
        try:
            record = Record(**json.loads(line))
        except (json.JSONDecodeError, TypeError):
            continue
        records[record.name] = record
    return records


def request_digest(request: Request, model: str) -> str:
    """What decides how a request sounds: its fields, the content of its clips and dictionary, and the model."""
    values: dict[str, Any] = request.model_dump(mode="json")
    del values["reference"], values["aux_references"], values["dictionary"]
    files = [request.reference, *request.aux_references, *([request.dictionary] if request.dictionary else [])]
    clips = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
    text = json.dumps([values, clips, model], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _by_voice(jobs: Sequence[Job]) -> list[Job]:
    """Jobs of one voice together, voices in order of appearance."""
    groups: dict[tuple[Path, ...] | None, list[Job]] = {}
    for job in jobs:
        key = None if job.request is None else (job.request.reference, *job.request.aux_references)
        groups.setdefault(key, []).append(job)
    return [job for group in groups.values() for job in group]


def _finished(job: Job, out: Path, model: str, record: Record | None, suffix: str) -> Record | None:
    """The record of an earlier run when it still holds."""
    if job.request is None or record is None or record.error is not None:
        return None
    output = f"{job.name}.{suffix}"
    if record.output != output or record.digest != _digest(job.request, model) or not (out / output).is_file():
        return None
    return Record(**{**asdict(record), "line": job.line, "warnings": tuple(record.warnings)})


def _speak(speaker: Speaker, job: Job, out: Path, model: str, suffix: str) -> Record:
    if job.request is None:
        return Record(job.name, job.line, None, None, error=job.error)
    output = f"{job.name}.{suffix}"
    digest = _digest(job.request, model)
    try:
        audio = speaker.run(job.request)
        audio.save(out / output)
    except GPTSoVITSError as error:
        return Record(job.name, job.line, None, digest, error=str(error))
    except Exception as error:
        log.debug("line %d", job.line, exc_info=True)
        return Record(job.name, job.line, None, digest, error=f"unexpected {type(error).__name__}: {error}")
    return Record(
        job.name, job.line, output, digest, round(audio.seconds, 3), round(audio.rtf, 4), audio.seed, audio.warnings
    )


def _digest(request: Request, model: str) -> str | None:
    """None when a clip cannot be read: the job itself then says so."""
    try:
        return request_digest(request, model)
    except OSError:
        return None


def _append(path: Path, record: Record) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        cut = path.is_file() and not path.read_bytes().endswith(b"\n")
        with path.open("a", encoding="utf8") as f:
            f.write(("\n" if cut else "") + _line(record))
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}") from error


def _line(record: Record) -> str:
    return json.dumps(asdict(record), ensure_ascii=False) + "\n"
