"""A voice model says a set: resumable, the same seeds for every model, failures kept."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch

from gpt_sovits.core.errors import GPTSoVITSError, InputError, StorageError
from gpt_sovits.evaluate.item import Item, Value
from gpt_sovits.pipeline.audio import Audio
from gpt_sovits.pipeline.batch import Record, Speaker, request_digest, run_jobs
from gpt_sovits.pipeline.jobs import Job
from gpt_sovits.pipeline.request import Request, parse_request
from gpt_sovits.pipeline.tts import TTS

SIGNALS = "signals.jsonl"
CODES_PER_SECOND = 25
Progress = Callable[[Iterable[Job]], Iterable[Job]]


@dataclass(frozen=True, slots=True)
class SpokenSet:
    """Items with their recordings, and what making them told about each, by id."""

    items: tuple[Item, ...]
    columns: dict[str, dict[str, Value]]
    errors: dict[str, str]


def speak_set(
    speaker: Speaker,
    items: Sequence[Item],
    out: Path,
    model: str,
    options: Mapping[str, Any],
    seed: int,
    progress: Progress = iter,
) -> SpokenSet:
    """Speak every item into `out`; what is there already and was made the same way is kept.

    Args:
        model: what tells this model from another.
        options: fields of a request, the same for all items.
        seed: with the item's id it gives the seed of the item, whatever the model.
    """
    jobs = [_job(number, item, options, seed) for number, item in enumerate(items, 1)]
    watched = Watched(speaker, out / SIGNALS, model)
    records = {record.name: record for record in run_jobs(watched, jobs, out, model, "wav", progress).records}
    spoken = [item.model_copy(update={"wav": out / f"{item.id}.wav"}) for item in items]
    errors = {name: record.error for name, record in records.items() if record.error is not None}
    for item in spoken:
        if item.id in errors and item.wav is not None:
            item.wav.unlink(missing_ok=True)  # a recording of an earlier run is not what this model says
    return SpokenSet(tuple(spoken), {name: watched.columns(record) for name, record in records.items()}, errors)


class Watched:
    """A speaker that also notes what stage 1 did, beside the recordings."""

    def __init__(self, speaker: Speaker, path: Path, model: str) -> None:
        self._speaker = speaker
        self._path = path
        self._model = model
        self._known: dict[str, dict[str, float]] = {}
        if path.is_file():
            for line in path.read_text(encoding="utf8", errors="replace").splitlines():
                try:
                    entry = json.loads(line)
                    self._known[entry["digest"]] = entry["values"]
                except (json.JSONDecodeError, KeyError, TypeError):  # cut short by a kill
                    continue

    def run(self, request: Request) -> Audio:
        audio = self._speaker.run(request)
        values = {
            "loops": float(any(loops(codes) for codes in audio.codes)),
            "unfinished": float(any("did not end" in text for text in audio.warnings)),
        }
        digest = request_digest(request, self._model)
        self._known[digest] = values
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf8") as file:
                file.write(json.dumps({"digest": digest, "values": values}) + "\n")
        except OSError as error:
            raise StorageError(f"cannot write {self._path}: {error.strerror or error}") from error
        return audio

    def columns(self, record: Record) -> dict[str, Value]:
        """Columns of an item from its manifest line."""
        if record.error is not None:
            return {}
        return {**self._known.get(record.digest or "", {}), "rtf": record.rtf, "seed": float(record.seed or 0)}


def loops(codes: Sequence[int], longest: int = 25) -> bool:
    """Whether codes repeat themselves: one code for 2 s, or a pattern of up to 1 s three times and for over 1 s."""
    row = torch.tensor(codes)
    for period in range(1, min(longest, len(codes) - 1) + 1):
        same = (row[period:] == row[:-period]).tolist()
        need = 2 * CODES_PER_SECOND if period == 1 else max(2 * period, CODES_PER_SECOND)
        run = 0
        for end, equal in enumerate(same, period + 1):
            run = run + 1 if equal else 0
            if run >= need and (period == 1 or len(set(codes[end - run - period : end])) > 1):
                return True
    return False


def item_seed(seed: int, name: str) -> int:
    """A seed of its own for every item, equal for all models."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:4], "big") >> 1


def measure_speed(tts: TTS, request: Request) -> dict[str, float]:
    """Seconds until the first sound of a streamed request, the voice already known; peak memory in MB."""
    tts.run(request)
    begin = time.perf_counter()
    with closing(cast("Generator[object]", tts.stream(request))) as stream:
        next(stream, None)
        seconds = time.perf_counter() - begin
    found = {"first_audio": round(seconds, 3), "threads": float(torch.get_num_threads())}
    if sys.platform != "win32":
        import resource

        unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kilobytes elsewhere
        found["peak_memory_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6, 1)
    if torch.cuda.is_available():
        found["peak_gpu_memory_mb"] = round(torch.cuda.max_memory_allocated() / 1e6, 1)
    return found


def make_request(item: Item, options: Mapping[str, Any], seed: int) -> Request:
    """The request that an item stands for.

    Raises:
        InputError: it has no reference, or a value is wrong.
    """
    if item.reference is None:
        raise InputError(f"{item.id} names no reference: a voice cannot be cloned without one")
    given = {
        "text": item.text,
        "language": item.language,
        "reference": item.reference,
        "reference_text": item.reference_text,
        "reference_language": item.reference_language,
        "seed": item_seed(seed, item.id),
    }
    return parse_request({**given, **options}, item.id)


def _job(line: int, item: Item, options: Mapping[str, Any], seed: int) -> Job:
    try:
        return Job(line, item.id, make_request(item, options, seed))
    except GPTSoVITSError as error:
        return Job(line, item.id, None, str(error))
