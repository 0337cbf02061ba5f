"""The list of recordings: lines `path|speaker|language|text`, as the public GPT-SoVITS writes them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from gpt_sovits.core.errors import ManifestError
from prep.report import Failure

LANGUAGES = {"zh": "zh", "ja": "ja", "jp": "ja", "en": "en", "ko": "ko", "yue": "yue"}
"""Language keys as lists spell them (in any case), and as the front end does."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """One usable line."""

    name: str
    """File name with its suffix: the key of every prepared file."""
    path: Path
    speaker: str
    language: str
    text: str
    line: int

    @property
    def spoken(self) -> str:
        """The text as the front end gets it: the public preparation makes two replacements before its own."""
        return self.text.replace("%", "-").replace("￥", ",")


@dataclass(frozen=True, slots=True)
class Manifest:
    """Usable lines in list order, and the others with what is wrong with them."""

    utterances: list[Utterance]
    failures: list[Failure]

    @property
    def items(self) -> int:
        return len(self.utterances) + len(self.failures)


def read_manifest(path: Path, audio_root: Path | None = None) -> Manifest:
    """Read a list; a malformed line is set aside by its number, the others go on.

    Args:
        audio_root: folder that relative paths start from; None: the list's own folder.

    Raises:
        ManifestError: the list cannot be read, holds no lines, or names two recordings alike.
    """
    root = path.parent if audio_root is None else audio_root
    if not root.is_dir():
        raise ManifestError(f"the audio folder {root} does not exist")
    manifest = Manifest([], [])
    for number, line in enumerate(_read(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            manifest.utterances.append(_parse(line, number, root))
        except ManifestError as error:
            manifest.failures.append(Failure(line.split("|")[0].strip(), number, "list", str(error)))
    if not manifest.items:
        raise ManifestError(f"{path} holds no lines; each line reads path|speaker|language|text")
    _refuse_duplicates(path, manifest.utterances)
    return manifest


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise ManifestError(f"the list {path} does not exist") from error
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path} is not UTF-8 text (byte {error.start}): save it as UTF-8") from error
    except OSError as error:
        raise ManifestError(f"the list {path} cannot be read: {error.strerror}") from error


def _parse(line: str, number: int, root: Path) -> Utterance:
    fields = line.strip().split("|", 3)
    if len(fields) != 4:
        raise ManifestError(f"line {number} has {len(fields)} fields; it must read path|speaker|language|text")
    location, speaker, language, text = (field.strip() for field in fields)
    path = _plain(location.strip("\"'"))
    if path.name in {"", ".."} or not path.name.isprintable():
        raise ManifestError(f"line {number} names no audio file: {location!r}")
    key = LANGUAGES.get(language.casefold())
    if key is None:
        raise ManifestError(f"line {number} has the language {language!r}; use one of {', '.join(LANGUAGES)}")
    return Utterance(path.name, _locate(path, root), speaker, key, text, number)


def _plain(location: str) -> Path:
    return Path(PureWindowsPath(location).as_posix() if "\\" in location else location)


def _locate(path: Path, root: Path) -> Path:
    """Where a recording is; a list made on another machine may carry a folder that is not here."""
    full = path if path.is_absolute() else root / path
    beside = root / path.name
    return beside if not full.exists() and beside.is_file() else full


def _refuse_duplicates(path: Path, utterances: list[Utterance]) -> None:
    seen: dict[str, Utterance] = {}
    for utterance in utterances:
        first = seen.setdefault(utterance.name, utterance)
        if first is not utterance:
            raise ManifestError(
                f"{path} names {utterance.name} twice (lines {first.line} and {utterance.line}): prepared files are "
                "kept by file name, so one would overwrite the other; rename one of them"
            )
