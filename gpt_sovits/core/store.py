"""The layout of a prepared dataset: the only file that knows the names on disk.

    2-name2text.txt        name <tab> phones <tab> word2ph or None <tab> normalised text
    3-bert/NAME.pt         [1024, n] per-phone BERT features, Chinese only
    4-cnhubert/NAME.pt     [1, c, t] content features, 50 a second
    5-wav32k/NAME          32 kHz mono 16-bit wav, whatever NAME's suffix says
    6-name2semantic.tsv    header, then name <tab> codes, 25 a second
    7-sv_cn/NAME.pt        [1, 20480] speaker embedding, models with a speaker branch only

NAME is the recording's file name with its suffix. This is the layout of the public GPT-SoVITS, so folders travel
both ways.
"""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from gpt_sovits.core.errors import DatasetError
from gpt_sovits.core.files import atomic_path, write_text

TSV_HEADER = "item_name\tsemantic_audio"


@dataclass(frozen=True, slots=True)
class TextEntry:
    """One line of `2-name2text.txt`."""

    name: str
    phones: list[str]
    word2ph: list[int] | None
    text: str

    def line(self) -> str:
        """The entry as it stands in the file; a tab or line break becomes one space, so that phone counts still fit."""
        text = re.sub(r"[\t\r\n]", " ", self.text)
        return f"{self.name}\t{' '.join(self.phones)}\t{self.word2ph}\t{text}"


class FeatureStore:
    """Paths, readers and writers of one prepared folder."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    @property
    def text_path(self) -> Path:
        return self.root / "2-name2text.txt"

    @property
    def semantic_path(self) -> Path:
        return self.root / "6-name2semantic.tsv"

    def bert_path(self, name: str) -> Path:
        return self.root / "3-bert" / f"{name}.pt"

    def hubert_path(self, name: str) -> Path:
        return self.root / "4-cnhubert" / f"{name}.pt"

    def wave_path(self, name: str) -> Path:
        return self.root / "5-wav32k" / name

    def speaker_path(self, name: str) -> Path:
        return self.root / "7-sv_cn" / f"{name}.pt"

    def read_text(self) -> dict[str, TextEntry]:
        """Every well-formed line in file order; as in the public readers, a line without four fields is passed over.

        Raises:
            DatasetError: the file is missing, or a line's phone counts are not numbers.
        """
        try:
            entries = [_parse_text(line) for line in _lines(self.text_path)]
        except (ValueError, SyntaxError, TypeError) as error:
            raise DatasetError(f"{self.text_path} has malformed phone counts ({error}): run prep text again") from error
        return {entry.name: entry for entry in entries if entry is not None}

    def write_text(self, entries: Iterable[TextEntry]) -> None:
        write_text(self.text_path, "".join(f"{entry.line()}\n" for entry in entries))

    def read_semantic(self) -> dict[str, list[int]]:
        """Codes of every utterance in file order.

        Raises:
            DatasetError: the file is missing or a line is malformed.
        """
        codes: dict[str, list[int]] = {}
        for number, line in enumerate(_lines(self.semantic_path), 1):
            if line == TSV_HEADER or not line:
                continue
            name, tab, values = line.partition("\t")
            try:
                codes[name] = [int(value) for value in values.split()]
            except ValueError:
                tab = ""
            if not tab:
                raise DatasetError(f"{self.semantic_path} line {number} is not name<tab>codes: run prep semantic again")
        return codes

    def write_semantic(self, codes: dict[str, list[int]]) -> None:
        rows = (f"{name}\t{' '.join(map(str, values))}" for name, values in codes.items())
        write_text(self.semantic_path, "\n".join((TSV_HEADER, *rows)) + "\n")


def read_tensor(path: Path) -> Tensor:
    """A feature file; nothing in it is executed."""
    try:
        tensor = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise DatasetError(f"the feature file {path} is missing: run prep again") from error
    except Exception as error:  # torch raises half a dozen types for a damaged file
        raise DatasetError(f"{path} is not a readable tensor file ({error}): delete it and run prep again") from error
    if not isinstance(tensor, Tensor):
        raise DatasetError(f"{path} holds a {type(tensor).__name__}, not a tensor: delete it and run prep again")
    return tensor


def write_tensor(path: Path, tensor: Tensor) -> None:
    """Write one feature file atomically; equal tensors give equal bytes.

    The detour through memory is for both promises: given a path, torch writes the temporary file's name into the
    archive, and reports a full disk as a RuntimeError.
    """
    buffer = io.BytesIO()
    torch.save(tensor.detach().cpu().clone(), buffer)
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def _lines(path: Path) -> list[str]:
    """Lines as any program counts them; text may hold the rarer separators that `splitlines` also breaks at."""
    try:
        return path.read_text(encoding="utf8").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not UTF-8 text: run prep again") from error
    except FileNotFoundError as error:
        raise DatasetError(f"{path} is missing: prepare the folder with prep run first") from error


def _parse_text(line: str) -> TextEntry | None:
    fields = line.split("\t")
    if len(fields) != 4:
        return None
    name, phones, word2ph, text = fields
    spread = None if word2ph == "None" else [int(n) for n in ast.literal_eval(word2ph)]
    return TextEntry(name, phones.split(), spread, text)
