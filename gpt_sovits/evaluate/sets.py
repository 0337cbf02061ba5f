"""Sets of sentences: tables of this project, and lists of others."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from gpt_sovits.core.errors import ManifestError
from gpt_sovits.core.resources import resource
from gpt_sovits.evaluate.item import Item

AUDIO = (".wav", ".flac", ".opus", ".ogg", ".mp3")
_PATHS = ("wav", "reference", "recording")


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """Items under a name; the hash tells whether two results are about the same sentences and voices."""

    name: str
    items: tuple[Item, ...]

    @property
    def hash(self) -> str:
        """Of ids, languages, texts and the content of the references; not of where the files lie."""
        digest = hashlib.sha256()
        for item in self.items:
            fields = [item.id, item.language, item.text, item.reference_text, item.speaker]
            files = [_content(path) for path in (item.reference, item.recording)]
            digest.update(json.dumps([fields, files], ensure_ascii=False).encode())
        return digest.hexdigest()

    def first(self, most: int | None) -> EvaluationSet:
        """A smaller set with items of every language and speaker in turn; None: all of it."""
        return self if most is None else EvaluationSet(self.name, tuple(choose(self.items, most)))


def load_set(name: str, path: Path | None = None) -> EvaluationSet:
    """A set by what it is called.

    `smoke`, `hard`: shipped. A `.tsv`: our table. A `.list` or `.txt`: `path|speaker|language|text` lines. `KIND:PATH`
    with KIND `seed-tts-en`, `seed-tts-zh`, `libri` or `aishell`: a user's copy of that set.

    Raises:
        ManifestError: it does not exist or cannot be read.
    """
    kind, colon, place = name.partition(":")
    if colon and kind in READERS:
        return _checked(kind, READERS[kind](Path(place)), Path(place))
    shipped = resource("res", "evaluate", f"{name}.tsv")
    path = shipped if re.fullmatch(r"[\w-]+", name) and shipped.is_file() else Path(name)
    if path.suffix in {".list", ".txt"}:
        return _checked(path.stem, read_listing(path), path)
    if path.suffix != ".tsv":
        known = sorted(p.stem for p in resource("res", "evaluate").glob("*.tsv"))
        raise ManifestError(
            f"there is no set {name!r}: use {', '.join(known)}, a .tsv or .list file, or {', '.join(READERS)} and :PATH"
        )
    return _checked(path.stem, read_table(path), path)


def read_table(path: Path) -> list[Item]:
    """A tab-separated table whose first line names the columns, which are the fields of `Item`; paths are relative.

    Other columns are left aside, so that a table of results can be read again.

    Raises:
        ManifestError: a line that cannot be used; the sentence names it.
    """
    rows = csv.reader(io.StringIO(_text(path)), delimiter="\t", quoting=csv.QUOTE_NONE)
    header = [name.strip() for name in next(rows, [])]
    lacking = {"id", "language", "text"} - set(header)
    if "wav" in header:
        lacking -= {"id"}
    if lacking:
        raise ManifestError(f"the first line of {path} must name its columns; it lacks {', '.join(sorted(lacking))}")
    items = []
    for row in rows:
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(header):
            raise ManifestError(
                f"line {rows.line_num} of {path} has {len(row)} columns, the first line names {len(header)}"
            )
        values = {k: v.strip() for k, v in zip(header, row, strict=True) if k in Item.model_fields and v.strip()}
        items.append(_item(values, path, rows.line_num))
    return items


def read_listing(path: Path) -> list[Item]:
    """`path|speaker|language|text` lines: real recordings, each judged against the speaker's first (the first against
    the second)."""
    rows = []
    for number, line in enumerate(_text(path).splitlines(), 1):
        if line.strip():
            cells = line.split("|", 3)
            if len(cells) != 4:
                raise ManifestError(f"line {number} of {path} must read path|speaker|language|text")
            rows.append([cell.strip() for cell in cells])
    voices: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for file, speaker, language, text in rows:
        voices.setdefault((speaker, language), []).append((file, text))
    items = []
    for number, (file, speaker, language, text) in enumerate(rows, 1):
        values = {"id": Path(file).stem, "wav": file, "speaker": speaker, "language": language, "text": text}
        for other, said in voices[speaker, language][:2]:
            if other != file:
                values = {"reference": other, "reference_text": said} | values
                break
        items.append(_item(values, path, number))
    return items


def read_seed_tts(path: Path, language: str) -> list[Item]:
    """The list format of the Seed-TTS evaluation: `id|prompt text|prompt wav|text`, a fifth column is a recording."""
    items = []
    for number, line in enumerate(_text(path).splitlines(), 1):
        cells = [cell.strip() for cell in line.split("|")]
        if not line.strip():
            continue
        if len(cells) not in (4, 5):
            raise ManifestError(f"line {number} of {path} must read id|prompt text|prompt wav|text")
        name, said, prompt, text, *recording = cells
        values = {
            "id": name.removesuffix(".wav"), "language": language, "text": text, "reference": prompt,
            "reference_text": said, "speaker": Path(prompt).stem,
        }  # fmt: skip
        items.append(_item(values | ({"recording": recording[0]} if recording else {}), path, number))
    return items


def read_libri(folder: Path) -> list[Item]:
    """A LibriSpeech or LibriTTS folder: SPEAKER/CHAPTER/*.trans.txt beside the recordings."""
    found: list[tuple[Path, str, str]] = []
    for listing in sorted(folder.rglob("*.trans.txt")):
        for line in _text(listing).splitlines():
            name, _, text = line.partition(" ")
            found.append((listing.parent / f"{name}.flac", name.split("-")[0], text.lower()))
    for text_file in sorted(folder.rglob("*.normalized.txt")):
        wav = text_file.with_name(text_file.name.replace(".normalized.txt", ".wav"))
        found.append((wav, text_file.name.split("_")[0], _text(text_file).strip()))
    return _recordings(folder, found, "en")


def read_aishell(folder: Path) -> list[Item]:
    """An AISHELL-1 folder (transcript/*.txt) or AISHELL-3 part (content.txt beside wav/)."""
    found: list[tuple[Path, str, str]] = []
    places = {p.stem: p for p in folder.rglob("*.wav")}
    for listing in [*sorted(folder.rglob("aishell_transcript*.txt")), *sorted(folder.rglob("content.txt"))]:
        for line in _text(listing).splitlines():
            name, *words = line.split()
            stem = Path(name).stem
            if stem not in places:
                continue
            if listing.name == "content.txt":  # character, pinyin, character, pinyin ...
                words = words[::2]
            speaker = stem[6:11] if stem.startswith("BAC009") else stem[:7]
            found.append((places[stem], speaker, "".join(words)))
    return _recordings(folder, found, "zh")


READERS: dict[str, Callable[[Path], list[Item]]] = {
    "seed-tts-en": lambda path: read_seed_tts(path, "en"),
    "seed-tts-zh": lambda path: read_seed_tts(path, "zh"),
    "libri": read_libri,
    "aishell": read_aishell,
}


def read_recordings(path: Path) -> EvaluationSet:
    """What `evaluate wavs` scores: a table or list, or a folder that holds one, such as what `evaluate` wrote.

    Raises:
        ManifestError: there is no list of what the recordings should say.
    """
    if path.is_dir():
        tables = [p for p in (path / "items.tsv", path / "wavs.tsv", *sorted(path.glob("*.tsv"))) if p.is_file()]
        if not tables:
            raise ManifestError(
                f"{path} holds no table: put a wavs.tsv with the columns id, wav, language, text, reference into it"
            )
        path = tables[0]
    return load_set(str(path))


def _recordings(folder: Path, found: Sequence[tuple[Path, str, str]], language: str) -> list[Item]:
    voices: dict[str, list[Path]] = {}
    for wav, speaker, _ in found:
        voices.setdefault(speaker, []).append(wav)
    items = []
    for wav, speaker, text in found:
        others = [other for other in voices[speaker][:2] if other != wav]
        reference = others[0] if others else None
        items.append(Item(id=wav.stem, language=language, text=text, wav=wav, reference=reference, speaker=speaker))
    if not items:
        raise ManifestError(f"{folder} holds no transcripts of that kind: check that it is the unpacked corpus")
    return items


def _checked(name: str, items: Sequence[Item], path: Path) -> EvaluationSet:
    seen: set[str] = set()
    for item in items:
        if item.id in seen:
            raise ManifestError(f"the id {item.id!r} stands twice in {path}: ids name the recordings")
        seen.add(item.id)
    if not items:
        raise ManifestError(f"{path} holds no items")
    return EvaluationSet(name, tuple(items))


def _item(values: dict[str, str], path: Path, line: int) -> Item:
    placed: dict[str, str | Path] = dict(values)
    for name in _PATHS:
        if name in values:
            placed[name] = path.parent / values[name]
    if "id" not in placed and "wav" in values:
        placed["id"] = Path(values["wav"]).stem
    try:
        return Item.model_validate(placed)
    except ValidationError as error:
        fault = error.errors()[0]
        raise ManifestError(f"line {line} of {path}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}") from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ManifestError(f"the set {path} cannot be read: {reason}") from error


def _content(path: Path | None) -> str | None:
    try:
        return None if path is None else hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return "unreadable"


def choose(items: Sequence[Item], most: int) -> Iterator[Item]:
    """The first items of every language and speaker in turn, so that a small budget sees them all."""
    queues: dict[tuple[str, str | None], list[Item]] = {}
    for item in items:
        queues.setdefault((item.language, item.speaker), []).append(item)
    left = min(most, len(items))
    depth = 0
    while left > 0:
        for queue in queues.values():
            if depth < len(queue) and left > 0:
                yield queue[depth]
                left -= 1
        depth += 1
