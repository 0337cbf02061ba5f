"""What has been computed, from what: `.prep/index.jsonl` in the prepared folder.

One JSON line per item and step, appended after the step's files have their final names; a kill between the two costs
one item's work and nothing else. A line cut off by a kill is passed over. Lines that no longer hold are removed
before anything is overwritten, so a record never vouches for files of another run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from gpt_sovits.core.errors import StorageError
from prep.report import write_changed

FOLDER = ".prep"


@dataclass(frozen=True, slots=True)
class Record:
    """The result of one step for one item."""

    name: str
    step: str
    key: str
    """Hash of everything the result depends on."""
    files: dict[str, int] = field(default_factory=dict)
    """Files written, relative to the prepared folder, and their sizes."""
    value: dict[str, Any] = field(default_factory=dict)
    """What goes into the item's line of a table."""


class Index:
    """Records of one prepared folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / FOLDER / "index.jsonl"
        self.records: dict[tuple[str, str], Record] = {}
        self._file: IO[str] | None = None
        if self.path.is_file():
            for line in self.path.read_text(encoding="utf8", errors="replace").split("\n"):
                record = _parse(line)
                if record is not None:
                    self.records[record.name, record.step] = record

    def current(self, name: str, step: str, key: str | None) -> Record | None:
        """The record of a result that is still right: made from the same inputs, with its files in place."""
        record = self.records.get((name, step))
        if record is None or key is None or record.key != key:
            return None
        return record if all(_size(self.root / path) == size for path, size in record.files.items()) else None

    def discard(self, stale: Iterable[tuple[str, str]]) -> None:
        """Forget results, then delete their files: in this order, so that no record outlives its files."""
        gone = [self.records.pop(key) for key in list(stale) if key in self.records]
        if not gone:
            return
        self.compact(())
        kept = {path for record in self.records.values() for path in record.files}
        for path in {path for record in gone for path in record.files} - kept:
            (self.root / path).unlink(missing_ok=True)

    @contextmanager
    def appending(self) -> Iterator[None]:
        """Keep the file open for `append`."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("a", encoding="utf8")
        except OSError as error:
            raise self._cannot(error) from error
        try:
            self._write("\n")  # ends a line that a kill cut off
            yield
        finally:
            with suppress(OSError):  # what a full disk kept back has been reported by `_write`
                self._file.close()
            self._file = None

    def append(self, records: Iterable[Record]) -> None:
        """Note finished work; it survives a kill of this process once this returns."""
        found = list(records)
        self._write("".join(map(_line, found)))
        self.records.update({(record.name, record.step): record for record in found})

    def compact(self, names: Iterable[str]) -> None:
        """Rewrite the file: one line per record, items in the order of `names`, then the others by name."""
        rank = {name: position for position, name in enumerate(names)}
        ordered = sorted(self.records.values(), key=lambda r: (rank.get(r.name, len(rank)), r.name, r.step))
        write_changed(self.path, "".join(_line(record) for record in ordered))

    def _write(self, text: str) -> None:
        assert self._file is not None, "append belongs inside `with index.appending()`"
        try:
            self._file.write(text)
            self._file.flush()
        except OSError as error:
            raise self._cannot(error) from error

    def _cannot(self, error: OSError) -> StorageError:
        return StorageError(f"cannot write {self.path}: {error.strerror or error}")


def _line(record: Record) -> str:
    return json.dumps(asdict(record), ensure_ascii=False) + "\n"


def _parse(line: str) -> Record | None:
    try:
        return Record(**json.loads(line))
    except (ValueError, TypeError):
        return None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1
