"""Cutting long recordings at silences, as the slicer of the public GPT-SoVITS does (after the openvpi audio slicer)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from feature_extractor.audio import PREPARED_RATE, load_audio, save_audio
from gpt_sovits.core.errors import AudioError, InputError
from prep.config import SliceConfig
from prep.report import Failure

SUFFIXES = {".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif"}


@dataclass(frozen=True, slots=True)
class Piece:
    """One stretch of a recording, silence cut off."""

    start: int
    """First sample."""
    end: int
    """Sample after the last; whole frames, so the final piece may name one past the end of the recording."""


@dataclass(frozen=True, slots=True)
class Frames:
    """The slicer's lengths in frames."""

    hop: int
    window: int
    length: int
    """Shortest piece."""
    interval: int
    """Shortest silence that is cut at."""
    kept: int
    """Longest silence left on either side of a cut."""

    @staticmethod
    def of(config: SliceConfig, rate: int) -> Frames:
        hop = round(rate * config.hop_ms / 1000)
        interval = rate * config.min_interval_ms / 1000
        return Frames(
            hop=hop,
            window=min(round(interval), 4 * hop),
            length=round(rate * config.min_length_ms / 1000 / hop),
            interval=round(interval / hop),
            kept=round(rate * config.max_silence_kept_ms / 1000 / hop),
        )


def find_pieces(wave: Tensor, rate: int, config: SliceConfig) -> list[Piece]:
    """Where to cut: the stretches of `wave` [w] between long silences."""
    frames = Frames.of(config, rate)
    if len(wave) <= frames.length:
        return [Piece(0, len(wave))]
    loudness = frame_loudness(wave, frames.window, frames.hop)
    cuts = _find_cuts(loudness, 10 ** (config.threshold_db / 20), frames)
    total = len(loudness)
    edges = [0, *(edge for cut in cuts for edge in cut), total]
    spans = zip(edges[::2], edges[1::2], strict=True)
    return [Piece(start * frames.hop, end * frames.hop) for start, end in spans if start < end]


def frame_loudness(wave: Tensor, window: int, hop: int) -> Tensor:
    """Root-mean-square level of frames centred every `hop` samples, zeros beyond the ends."""
    padded = F.pad(wave, (window // 2, window // 2))
    return padded.unfold(0, window, hop).square().mean(dim=1).sqrt()


def _find_cuts(loudness: Tensor, threshold: float, frames: Frames) -> list[tuple[int, int]]:
    """Silences to leave out, as (first, last + 1) frames; the two are equal where one frame separates two pieces."""
    cuts: list[tuple[int, int]] = []
    total, begun, silence = len(loudness), 0, None
    for frame, silent in enumerate((loudness < threshold).tolist()):
        if silent:
            silence = frame if silence is None else silence
            continue
        if silence is not None:
            leading = silence == 0 and frame > frames.kept
            between = frame - silence >= frames.interval and frame - begun >= frames.length
            if leading or between:
                cuts.append(_cut(loudness, silence, frame, frames.kept))
                begun = cuts[-1][1]
        silence = None
    if silence is not None and total - silence >= frames.interval:
        quietest = _quietest(loudness, silence, min(total, silence + frames.kept))
        cuts.append((quietest, total))
    return cuts


def _cut(loudness: Tensor, silence: int, sound: int, kept: int) -> tuple[int, int]:
    """What to leave out of a silence [silence, sound), cut where it is quietest: at most `kept` frames stay a side."""
    length = sound - silence
    if length <= kept:
        left = right = _quietest(loudness, silence, sound)
    else:
        left, right = _quietest(loudness, silence, silence + kept), _quietest(loudness, sound - kept, sound)
        if length <= 2 * kept:  # the two sides overlap: the quietest frame of the overlap lies in the cut
            middle = _quietest(loudness, sound - kept, silence + kept)
            left, right = min(left, middle), right if silence == 0 else max(right, middle)
    return (0 if silence == 0 else left), right


def _quietest(loudness: Tensor, first: int, last: int) -> int:
    """Quietest frame of [first, last], both included."""
    return first + int(loudness[first : last + 1].argmin())


def level(wave: Tensor, peak: float, mix: float) -> Tensor:
    """Raise a piece partly to a common level: `mix` of itself normalised to `peak`, the rest as it is.

    Quirk of the public slicer, kept: a piece that exceeds full scale is first divided by its peak, and then
    "normalised" by the peak it had before.
    """
    highest = wave.abs().max()
    if highest == 0:
        return wave
    limited = wave / highest if highest > 1 else wave
    return limited / highest * (peak * mix) + (1 - mix) * limited


def slice_file(path: Path, out: Path, config: SliceConfig) -> list[Path]:
    """Cut one recording into `out/NAME_START_END.wav` (32 kHz, positions in samples, ten digits).

    Raises:
        AudioError: the recording cannot be read.
        StorageError: a piece cannot be written.
    """
    wave = load_audio(path, PREPARED_RATE)
    written = []
    for piece in find_pieces(wave, PREPARED_RATE, config):
        target = out / f"{path.name}_{piece.start:010d}_{piece.end:010d}.wav"
        samples = level(wave[piece.start : piece.end], config.peak, config.mix)
        save_audio(target, (samples * 32767).to(torch.int16), PREPARED_RATE)
        written.append(target)
    return written


def slice_all(source: Path, out: Path, config: SliceConfig) -> tuple[list[Path], list[Failure]]:
    """Cut one file, or every audio file of a folder; what cannot be read is reported and the others go on."""
    if not source.exists():
        raise InputError(f"{source} does not exist: give an audio file or a folder of them")
    files = sorted(p for p in source.iterdir() if p.suffix.lower() in SUFFIXES) if source.is_dir() else [source]
    if not files:
        raise InputError(f"the folder {source} holds no audio files ({', '.join(sorted(SUFFIXES))})")
    written: list[Path] = []
    failures: list[Failure] = []
    for number, path in enumerate(files, 1):
        try:
            written += slice_file(path, out, config)
        except AudioError as error:
            failures.append(Failure(path.name, number, "slice", str(error)))
    return written, failures
