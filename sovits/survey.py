"""Looking a prepared folder over before training: what can be learned from, what cannot, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from rich.progress import track
from torch import Tensor

from feature_extractor.audio import load_audio, to_int16
from feature_extractor.spectral import SpectrogramConfig
from feature_extractor.text.symbols import symbol_ids
from gpt_sovits.core.config import Strict
from gpt_sovits.core.errors import AudioError, DatasetError
from gpt_sovits.core.store import FeatureStore, TextEntry, read_tensor
from sovits.config import SynthesizerConfig

HEADER_BYTES = 44


@dataclass(frozen=True, slots=True)
class Recording:
    """What is read of one utterance."""

    wave: Tensor
    """[w] int16."""
    hubert: Tensor
    """[c, t] in the number format of the file."""
    speaker: Tensor | None
    """[s], models with a speaker branch only."""


@dataclass(frozen=True, slots=True)
class Item:
    """One usable utterance."""

    name: str
    phones: tuple[int, ...]
    frames: int
    """Spectrogram frames."""


@dataclass(slots=True)
class Survey:
    """The usable utterances in name order, the faulty ones and those of an unsuitable length, with reasons."""

    items: list[Item] = field(default_factory=list)
    faults: dict[str, str] = field(default_factory=dict)
    unsuitable: dict[str, str] = field(default_factory=dict)
    recordings: dict[str, Recording] = field(default_factory=dict)
    """What was kept in memory."""


class Needs(Strict):
    """What the network to be trained expects of its data."""

    symbols: Literal["v1", "v2"] = "v2"
    spectrogram: SpectrogramConfig = SpectrogramConfig()
    hubert: int = 768
    """Channels of the content features."""
    speaker: int | None = None
    """Channels of the speaker embedding; None: no speaker branch."""
    segment: int = 32
    """Frames the generator is trained on at once; an utterance must have more."""

    @classmethod
    def of(cls, config: SynthesizerConfig, symbols: Literal["v1", "v2"]) -> Needs:
        return cls(
            symbols=symbols,
            spectrogram=config.spectrogram,
            hubert=config.quantizer.width,
            speaker=config.speaker,
            segment=config.segment,
        )


@dataclass(frozen=True, slots=True)
class Limits:
    """What is accepted, and how much of it is kept in memory."""

    shortest: float
    longest: float
    cache_bytes: int


class Reader:
    """Reads and checks single utterances of one folder."""

    def __init__(self, store: FeatureStore, needs: Needs) -> None:
        self.store = store
        self.needs = needs
        self.spectrogram = needs.spectrogram

    def read(self, name: str) -> Recording:
        """One utterance from disk.

        Raises:
            DatasetError: a file is missing, unreadable, of another shape, or holds values that are not numbers.
        """
        try:
            wave = to_int16(load_audio(self.store.wave_path(name), self.spectrogram.rate))
        except AudioError as error:
            raise DatasetError(str(error)) from error
        hubert = self._feature(self.store.hubert_path(name), (1, self.needs.hubert, None))
        frames = len(wave) // self.spectrogram.hop
        if abs(hubert.shape[-1] - frames) > max(2, 0.02 * frames):
            raise DatasetError(
                f"{name}: {hubert.shape[-1]} content frames do not match {frames} spectrogram frames: run prep again"
            )
        width, speaker = self.needs.speaker, None
        if width is not None:
            speaker = self._feature(self.store.speaker_path(name), (1, width)).squeeze(0)
        return Recording(wave, hubert.squeeze(0), speaker)

    def frames(self, name: str) -> int:
        """Spectrogram frames, told from the size of the wav file alone.

        Raises:
            DatasetError: the file is missing.
        """
        try:
            size = self.store.wave_path(name).stat().st_size
        except OSError as error:
            raise DatasetError(f"the audio file {self.store.wave_path(name)} is missing: run prep again") from error
        return (size - HEADER_BYTES) // (2 * self.spectrogram.hop)

    def _feature(self, path: Path, shape: tuple[int | None, ...]) -> Tensor:
        tensor = read_tensor(path)
        fits = tensor.dim() == len(shape) and all(
            wanted in (None, size) for wanted, size in zip(shape, tensor.shape, strict=True)
        )
        if not fits:
            wanted = ", ".join("t" if size is None else str(size) for size in shape)
            raise DatasetError(
                f"{path} has the shape {tuple(tensor.shape)}, not ({wanted}): prepare with the model you train"
            )
        if not tensor.isfinite().all():
            raise DatasetError(f"{path} holds values that are not numbers: delete it and run prep again")
        return tensor


def survey(reader: Reader, limits: Limits, read: bool) -> Survey:
    """Check every utterance of the text file, in name order.

    Args:
        read: read every file; else only names, phonemes and file sizes are looked at.

    Raises:
        DatasetError: a whole part of the folder is missing.
    """
    store = reader.store
    entries = store.read_text()
    _need_folders(store, reader.needs.speaker is not None)
    index = symbol_ids(reader.needs.symbols)
    found, kept = Survey(), 0
    for name in track(sorted(entries), "checking the prepared utterances", transient=True):
        try:
            phones = _phone_ids(entries[name], index)
            recording = reader.read(name) if read else None
            frames = reader.frames(name) if recording is None else len(recording.wave) // reader.spectrogram.hop
        except DatasetError as error:
            found.faults[name] = str(error)
            continue
        if reason := _unsuitable(frames, reader.needs, limits):
            found.unsuitable[name] = reason
            continue
        found.items.append(Item(name, phones, frames))
        if recording is not None and (kept := kept + _bytes(recording)) <= limits.cache_bytes:
            found.recordings[name] = recording
    return found


def public_survey(reader: Reader) -> Survey:
    """The choice of the public GPT-SoVITS: names present in every part, 0.6 to 54 s; the others vanish without a word.

    Lengths are told from file sizes, header included. The public order is that of a Python set and differs from
    process to process; here it is that of the names.
    """
    store, index = reader.store, symbol_ids(reader.needs.symbols)
    found = Survey()
    for name, entry in sorted(store.read_text().items()):
        parts = [store.wave_path(name), store.hubert_path(name)] + [store.speaker_path(name)] * (
            reader.needs.speaker is not None
        )
        if not all(path.exists() for path in parts) or any(phone not in index for phone in entry.phones):
            continue
        size = store.wave_path(name).stat().st_size
        if 0.6 < size / reader.spectrogram.rate / 2 < 54:
            ids = tuple(index[phone] for phone in entry.phones)
            found.items.append(Item(name, ids, size // (2 * reader.spectrogram.hop)))
    return found


def _need_folders(store: FeatureStore, speaker: bool) -> None:
    folders = {
        "content features": store.hubert_path("x").parent,
        "32 kHz recordings": store.wave_path("x").parent,
    }
    if speaker:
        folders["speaker embeddings, which this model needs,"] = store.speaker_path("x").parent
    for what, folder in folders.items():
        if not folder.is_dir():
            raise DatasetError(f"{store.root} has no {folder.name} folder ({what.strip(',')}): run prep on it first")


def _phone_ids(entry: TextEntry, index: Mapping[str, int]) -> tuple[int, ...]:
    unknown = sorted({phone for phone in entry.phones if phone not in index})
    if unknown:
        raise DatasetError(
            f"{entry.name}: the phonemes {' '.join(unknown[:5])} are not in the symbol table: prepare for this model"
        )
    if not entry.phones:
        raise DatasetError(f"{entry.name}: there are no phonemes: remove the line or run prep again")
    return tuple(index[phone] for phone in entry.phones)


def _unsuitable(frames: int, needs: Needs, limits: Limits) -> str:
    frame = needs.spectrogram.hop / needs.spectrogram.rate
    seconds = frames * frame
    if frames <= needs.segment or seconds < limits.shortest:
        least = max(limits.shortest, (needs.segment + 1) * frame)
        return f"{seconds:.2f} s is shorter than {least:.2f} s"
    if seconds > limits.longest:
        return f"{seconds:.1f} s is longer than {limits.longest:.0f} s"
    return ""


def _bytes(recording: Recording) -> int:
    tensors = (recording.wave, recording.hubert, recording.speaker)
    return sum(t.numel() * t.element_size() for t in tensors if t is not None)


def stored(recording: Recording) -> tuple[Tensor, Tensor, Tensor | None]:
    """Wave [w] in -1..1, content features [c, t] and speaker embedding as 32-bit floats."""
    speaker = None if recording.speaker is None else recording.speaker.float()
    return recording.wave.to(torch.float32) / 32768, recording.hubert.float(), speaker
