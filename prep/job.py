"""What travels between the run and its workers: the recipe, a job, and what came of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gpt_sovits.core.errors import CheckpointError, ConfigError, GPTSoVITSError, StorageError
from prep.config import Limits
from prep.index import Record
from prep.manifest import Utterance
from prep.report import Failure

_log = logging.getLogger(__name__)

STEPS = ("text", "bert", "hubert", "semantic", "speaker")
"""Every step, in the order in which an item goes through them."""
AUDIO_STEPS = ("hubert", "semantic", "speaker")
"""Those that depend on the recording."""

FATAL = (StorageError, CheckpointError, ConfigError)
"""Faults of the run, not of an item: they stop it."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything a worker needs to know."""

    out: Path
    symbols: str
    compat: bool
    """Whether text is read as the public front end reads it."""
    hubert: Path | None
    bert: Path | None
    s2: Path | None
    speaker: Path | None
    device: str
    half: bool
    batch: int
    limits: Limits


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be done for one item."""

    utterance: Utterance
    keys: dict[str, str]
    """By step, in order: the key its record will carry."""
    content_stored: bool
    """Whether `4-cnhubert` holds this recording's features already."""

    @property
    def needs_recording(self) -> bool:
        return "speaker" in self.keys or self.needs_content

    @property
    def needs_content(self) -> bool:
        """Whether content features must be computed from the recording."""
        return "hubert" in self.keys or ("semantic" in self.keys and not self.content_stored)


@dataclass(slots=True)
class Outcome:
    """What came of a job."""

    job: Job
    records: list[Record] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    @contextmanager
    def attempt(self, step: str) -> Iterator[None]:
        """Note whatever goes wrong with this item, and let the others go on."""
        try:
            yield
        except FATAL:
            raise
        except GPTSoVITSError as error:
            self._fail(step, str(error))
        except Exception as error:  # noqa: BLE001 - an item may hurt third-party code in any way
            _log.debug("unexpected failure of %s", self.job.utterance.name, exc_info=True)
            self._fail(step, f"{type(error).__name__}: {error}")

    def done(self, step: str, root: Path, files: Sequence[Path] = (), value: Mapping[str, Any] | None = None) -> None:
        """Note that a step is finished and its files have their final names."""
        sizes = {path.relative_to(root).as_posix(): path.stat().st_size for path in files}
        self.records.append(Record(self.job.utterance.name, step, self.job.keys[step], sizes, dict(value or {})))

    def _fail(self, step: str, reason: str) -> None:
        utterance = self.job.utterance
        self.failures.append(Failure(utterance.name, utterance.line, step, reason))
