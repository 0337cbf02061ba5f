"""Reading a jobs file: one request a line, as tsv, csv or jsonl."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpt_sovits.core.errors import InputError, ManifestError
from gpt_sovits.pipeline.request import Request, parse_request

DELIMITERS = {".tsv": "\t", ".csv": ","}


@dataclass(frozen=True, slots=True)
class Job:
    """One line: the request, or what is wrong with it."""

    line: int
    name: str
    """File name of the output without its suffix."""
    request: Request | None
    error: str | None = None


def read_jobs(path: Path, defaults: Mapping[str, Any]) -> list[Job]:
    """Every job of a file; a line that cannot be used becomes a job with an error, the others stand.

    tsv and csv begin with a line that names the columns; columns and jsonl keys are the fields of `Request` and `name`.
    A relative path is taken from the folder of the jobs file. Several `aux_references` in one column are separated
    by `;`.

    Args:
        defaults: values of fields that a line leaves out.

    Raises:
        ManifestError: the file is missing, empty, or of an unknown kind.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ManifestError(f"the jobs file {path} cannot be read: {reason}") from error
    if path.suffix == ".jsonl":
        rows = _json_rows(text)
    elif path.suffix in DELIMITERS:
        rows = _table_rows(path, text)
    else:
        raise ManifestError(f"the jobs file {path} must end in .tsv, .csv or .jsonl")
    taken: set[str] = set()
    jobs = []
    for line, values in rows:
        job = _job(path, line, values, defaults)
        if job.request is not None and job.name in taken:
            job = Job(line, job.name, None, f"line {line}: the name {job.name} is taken by an earlier line")
        taken.add(job.name)
        jobs.append(job)
    if not jobs:
        raise ManifestError(f"the jobs file {path} holds no jobs")
    return jobs


def _job(path: Path, line: int, values: dict[str, Any] | str, defaults: Mapping[str, Any]) -> Job:
    fallback = f"{line:04d}"
    if isinstance(values, str):
        return Job(line, fallback, None, f"line {line} {values}")
    name = str(values.pop("name", None) or fallback)
    if name != Path(name).name or name.startswith("."):
        return Job(line, fallback, None, f"line {line}: the name {name!r} is not a plain file name")
    try:
        request = parse_request({**defaults, **values}, f"line {line}")
    except InputError as error:
        return Job(line, name, None, str(error))
    folder = path.parent
    moved: dict[str, Any] = {
        "reference": _place(request.reference, folder, "reference" in values),
        "aux_references": tuple(_place(p, folder, "aux_references" in values) for p in request.aux_references),
    }
    if request.dictionary is not None:
        moved["dictionary"] = _place(request.dictionary, folder, "dictionary" in values)
    return Job(line, name, request.model_copy(update=moved))


def _place(path: Path, folder: Path, own: bool) -> Path:
    """A path written in the jobs file is relative to that file; one given on the command line is not."""
    return folder / path if own else path


def _json_rows(text: str) -> Iterator[tuple[int, dict[str, Any] | str]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except json.JSONDecodeError as error:
            yield number, f"is not JSON: {error.msg} at column {error.colno}"
            continue
        if isinstance(values, dict):
            yield number, {key: value for key, value in values.items() if value is not None}
        else:
            yield number, 'is not a JSON object such as {"text": "…"}'


def _table_rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any] | str]]:
    delimiter = DELIMITERS[path.suffix]
    lines = text.splitlines(keepends=True)
    # quotes mean something in csv only
    reader = csv.reader(lines) if delimiter == "," else csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    header = next(reader, [])
    unknown = set(header) - {*Request.model_fields, "name"}
    if unknown or not header:
        raise ManifestError(
            f"the first line of {path} must name its columns, such as reference{delimiter}text"
            + (f"; there is no field {', '.join(sorted(map(repr, unknown)))}" if unknown else "")
        )
    for row in reader:
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(header):
            yield reader.line_num, f"has {len(row)} columns, the first line names {len(header)}"
            continue
        values: dict[str, Any] = {key: cell for key, cell in zip(header, row, strict=True) if cell.strip()}
        if "aux_references" in values:
            values["aux_references"] = [part.strip() for part in values["aux_references"].split(";")]
        yield reader.line_num, values
