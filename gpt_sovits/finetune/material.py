"""What a creator hands over: a list, a folder of recordings, or a folder that is prepared already."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import soundfile

from gpt_sovits.core.errors import AudioError, InputError, MissingExtraError
from gpt_sovits.core.files import write_text
from gpt_sovits.core.store import FeatureStore
from prep.config import SliceConfig
from prep.manifest import read_manifest
from prep.slice import SUFFIXES, slice_file

TRANSCRIPTS = (".txt", ".lab")
LANGUAGES = ("zh", "en", "ja", "ko", "yue")
LISTED = "recordings.list"


@dataclass(frozen=True, slots=True)
class Material:
    """Recordings with texts, by a list or in a prepared folder."""

    listing: Path | None
    prepared: Path | None
    seconds: dict[str, float]
    """Length of every recording that can be opened, by name."""
    languages: tuple[str, ...]
    speakers: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    """What was left out or guessed, in words."""


def gather(data: Path, work: Path, language: str = "auto", recogniser: str | None = None) -> Material:
    """Find the recordings and their texts.

    Args:
        data: a `.list` file; a folder that `prep run` wrote; or a folder of audio, each file with its text in a file of
            the same name that ends in .txt or .lab.
        work: where a list and cut recordings go.
        language: of texts that stand in files; `auto`: by their script.
        recogniser: a Whisper model (folder or size) that writes down recordings without a text; they are cut at
            silences first. The list it writes may be corrected by hand: later calls read it.

    Raises:
        InputError: there is nothing to train on, or texts are missing and nothing was named to write them.
        MissingExtraError: texts are missing and faster-whisper is not installed.
    """
    if data.is_file():
        return _listed(data)
    if not data.is_dir():
        raise InputError(f"{data} does not exist: give a list, a folder of recordings, or a prepared folder")
    if FeatureStore(data).text_path.is_file():
        return _prepared(data)
    files = sorted(p for p in data.iterdir() if p.suffix.lower() in SUFFIXES)
    if not files:
        raise InputError(f"the folder {data} holds no audio files ({', '.join(sorted(SUFFIXES))})")
    lines, bare, notes = _with_texts(files, language)
    listing = work / LISTED
    if bare and listing.is_file():
        notes.append(f"texts are taken from {listing}, which an earlier call wrote")
    else:
        if bare:
            more, failed = _transcribe(bare, len(files), data, work, language, recogniser)
            lines, notes = lines + more, notes + failed
        write_text(listing, "\n".join(lines) + "\n")
    found = _listed(listing)
    return Material(listing, None, found.seconds, found.languages, found.speakers, [*notes, *found.notes])


def guess_language(text: str) -> str:
    """The language of a text by its script: kana are Japanese, hangul Korean, Han characters Chinese, else English."""
    for language, pattern in (("ja", "[\u3041-\u30fa]"), ("ko", "[\uac00-\ud7a3]"), ("zh", "[\u4e00-\u9fff]")):
        if re.search(pattern, text):
            return language
    return "en"


def _listed(listing: Path) -> Material:
    manifest = read_manifest(listing)
    seconds = _lengths(utterance.path for utterance in manifest.utterances)
    return Material(
        listing,
        None,
        seconds,
        tuple(sorted({u.language for u in manifest.utterances})),
        tuple(sorted({u.speaker for u in manifest.utterances})),
        [f"line {failure.line}: {failure.reason}" for failure in manifest.failures],
    )


def _prepared(folder: Path) -> Material:
    store = FeatureStore(folder)
    texts = store.read_text()
    return Material(
        None, folder, _lengths(store.wave_path(name) for name in texts), _languages(e.text for e in texts.values())
    )


def _languages(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({guess_language(text) for text in texts}))


def _lengths(paths: Iterable[Path]) -> dict[str, float]:
    found = {}
    for path in paths:
        try:
            found[path.name] = float(soundfile.info(path).duration)
        except (soundfile.SoundFileError, OSError):
            continue  # preparation names it and says why
    return found


def _with_texts(files: list[Path], language: str) -> tuple[list[str], list[Path], list[str]]:
    """List lines of the recordings that have a text; those that have none; what was wrong."""
    lines, bare, notes = [], [], []
    for path in files:
        beside = next((p for s in TRANSCRIPTS if (p := path.with_suffix(s)).is_file()), None)
        if beside is None:
            bare.append(path)
            continue
        text = " ".join(beside.read_text(encoding="utf-8-sig", errors="replace").split())
        if text:
            lines.append(_line(path, text, guess_language(text) if language == "auto" else language))
        else:
            notes.append(f"{beside.name} is empty: {path.name} was left out")
    return lines, bare, notes


def _line(path: Path, text: str, language: str) -> str:
    return f"{path.resolve()}|voice|{language}|{text}"


def _transcribe(
    bare: list[Path], count: int, data: Path, work: Path, language: str, recogniser: str | None
) -> tuple[list[str], list[str]]:
    missing = f"{len(bare)} of {count} recordings in {data} have no text, such as {bare[0].name}"
    try:
        from faster_whisper import WhisperModel
    except ImportError as error:
        raise MissingExtraError("faster-whisper", "asr", f"writing texts ({missing})") from error
    if recogniser is None:
        raise InputError(
            f"{missing}: put the text into {bare[0].with_suffix('.txt').name} beside it, or name a Whisper model "
            "with --recogniser to have the texts written"
        )
    try:
        model = WhisperModel(recogniser, device="cpu", compute_type="int8")
    except (RuntimeError, ValueError, OSError) as error:
        raise InputError(f"the Whisper model {recogniser} cannot be loaded: {error}") from error
    lines, notes = [], [f"{missing}; {Path(recogniser).name} wrote the texts: read them in {work / LISTED}"]
    for path in bare:
        try:
            pieces = slice_file(path, work / "pieces", SliceConfig())
        except AudioError as error:
            notes.append(str(error))
            continue
        for piece in pieces:
            segments, info = model.transcribe(str(piece), language=None if language == "auto" else language)
            text = " ".join(segment.text.strip() for segment in segments)
            if text and info.language in LANGUAGES:
                lines.append(_line(piece, text, info.language))
            else:
                notes.append(f"{piece.name}: no speech in {', '.join(LANGUAGES)} was heard; left out")
    return lines, notes
