"""Speech to text by a recogniser of the user's choice."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from gpt_sovits.core.errors import CheckpointError, InputError, ManifestError, MissingExtraError
from gpt_sovits.evaluate.item import Card, Clip
from gpt_sovits.evaluate.locate import checksum, find

FASTEST = 12
"""Tokens that somebody may say in a second; of 70 recordings in English and Chinese the fastest has 6.5."""
WINDOW = 30
"""Seconds that Whisper hears at a time."""
FILE = "file:"
"""Start of the name of a recogniser that reads transcripts from a table."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was heard."""

    text: str
    language: str | None = None
    """The language it sounds like; None: the recogniser does not tell."""
    certainty: float | None = None


class Recogniser(Protocol):
    """Anything that writes down what a clip says."""

    @property
    def card(self) -> Card: ...

    def hear(self, clip: Clip) -> Transcript: ...


class Whisper:
    """Whisper of any size in the CTranslate2 format, by faster-whisper: beam 5, temperature 0, no voice detection."""

    def __init__(self, folder: Path, compute_type: str = "int8", device: str = "cpu", threads: int = 1) -> None:
        try:
            from faster_whisper import WhisperModel
        except ImportError as error:
            raise MissingExtraError("faster-whisper", "eval", "recognising speech") from error
        try:
            self._model = _encoding_once(WhisperModel)(
                str(folder), device=device, compute_type=compute_type, cpu_threads=threads, local_files_only=True
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise CheckpointError(f"{folder} cannot be loaded as a Whisper model: {error}") from error
        self._options = {"beam_size": 5, "temperature": 0.0, "condition_on_previous_text": False}
        self.card = Card(
            measure="intelligibility",
            model=folder.name,
            version=_version("faster-whisper"),
            sha256=checksum(folder),
            settings={**self._options, "compute_type": compute_type, "tokens_per_second": FASTEST},
        )

    def hear(self, clip: Clip) -> Transcript:
        wave = np.ascontiguousarray(clip.sound.heard.numpy(), dtype=np.float32)
        told, certainty = self._language(wave)
        wanted = clip.item.language
        language = wanted if wanted in self._model.supported_languages else told
        # on a sound that is no speech the decoder may write one word for ever
        limit = math.ceil(FASTEST * (1 + min(clip.sound.seconds, WINDOW)))
        segments, _ = self._model.transcribe(wave, language=language, max_new_tokens=limit, **self._options)
        text = " ".join(segment.text.strip() for segment in segments)
        return Transcript(text, told, round(certainty, 4))

    def _language(self, wave: np.ndarray) -> tuple[str, float]:
        """The language it sounds like and how certain that is; a model of one language hears only that."""
        if not self._model.model.is_multilingual:
            return self._model.supported_languages[0], 1.0
        # transcribing leaves out the last 10 ms: from the same frames, both share one encoding
        told, certainty, _ = self._model.detect_language(features=self._model.feature_extractor(wave)[..., :-1])
        return told, float(certainty)

    def words(self, clip: Clip) -> list[tuple[float, float]]:
        """Seconds at which each word that is heard begins and ends."""
        wave = np.ascontiguousarray(clip.sound.heard.numpy(), dtype=np.float32)
        segments, _ = self._model.transcribe(wave, language=clip.item.language, word_timestamps=True, **self._options)
        return [(float(word.start), float(word.end)) for segment in segments for word in segment.words or ()]


class Transcribed:
    """Transcripts that some other recogniser wrote: a table with the columns `id` and `text`."""

    def __init__(self, path: Path) -> None:
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise ManifestError(f"the transcripts {path} cannot be read as UTF-8 text: {error}") from error
        rows = list(csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE))
        if not rows or not {"id", "text"} <= set(rows[0]):
            raise ManifestError(f"the first line of {path} must name the columns id and text, separated by a tab")
        self._texts = {row["id"]: row for row in rows}
        self.card = Card(measure="intelligibility", model=path.name, version="transcripts", sha256=checksum(path))

    def hear(self, clip: Clip) -> Transcript:
        row = self._texts.get(clip.item.id)
        if row is None:
            raise InputError(f"the transcripts hold no line for {clip.item.id!r}")
        return Transcript(row["text"] or "", row.get("language") or None)


def load_recogniser(name: str, folder: Path | None, threads: int = 1) -> Recogniser:
    """`whisper-SIZE` among the metric models, a folder, or `file:TABLE.tsv`.

    Raises:
        CheckpointError: it is not there.
        MissingExtraError: its package is not installed.
    """
    if name.startswith(FILE):
        return Transcribed(Path(name.removeprefix(FILE)))
    if (Path(name) / "model.bin").is_file():
        return Whisper(Path(name), threads=threads)
    size = name.removeprefix("whisper-")
    names = (f"whisper-{size}-ct2", f"faster-whisper-{size}", f"whisper-{size}")
    return Whisper(find(names, folder, f"the speech recogniser {name}"), threads=threads)


def _encoding_once(kind: Any) -> Any:
    """The class with a memory of one encoding: telling the language and writing down the words share it."""

    class EncodingOnce(kind):
        _last: tuple[Any, Any] | None = None

        def encode(self, features: Any) -> Any:
            if self._last is None or not np.array_equal(self._last[0], features):
                self._last = (features, super().encode(features))
            return self._last[1]

    return EncodingOnce


def _version(package: str) -> str:
    from importlib.metadata import version

    return f"{package} {version(package)}"
