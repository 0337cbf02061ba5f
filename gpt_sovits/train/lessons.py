"""What a content encoder learns from: recordings beside a teacher's features and their codes, made once and kept."""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from feature_extractor.audio import load_audio
from gpt_sovits.core.device import generator
from gpt_sovits.core.errors import AudioError, DatasetError
from gpt_sovits.core.files import atomic_path
from gpt_sovits.train.targets import Projection, fit_projection, kmeans, nearest, speaker_means
from gpt_sovits.train.teacher import RATE, Teacher, load_teacher

log = logging.getLogger(__name__)

HOP = 320
LONGEST = 29.0
PEAK = 0.7
BLOCK = 64
"""Recordings a worker hears at a time."""


@dataclass(frozen=True, slots=True)
class Lessons:
    """All recordings end to end.

    Attributes:
        waves: int16 at 16 kHz [sum of f * HOP].
        frames: unit targets, half precision [sum of f, d].
        codes: [sum of f // 2].
        lengths: f of each recording, even [r].
        centres: of the codes, unit [v, d].
    """

    waves: Tensor
    frames: Tensor
    codes: Tensor
    lengths: Tensor
    centres: Tensor

    def save(self, path: Path) -> None:
        with atomic_path(path) as temporary:
            torch.save({each.name: getattr(self, each.name) for each in fields(self)}, temporary)


def load_lessons(path: Path) -> Lessons:
    return Lessons(**torch.load(path, weights_only=True, mmap=True))


def prepare_lessons(
    listing: Path,
    teacher: Path,
    width: int,
    codes: int,
    *,
    seed: int,
    sample: int,
    prior_frames: int,
    half: bool,
    workers: int,
) -> Lessons:
    """Hear every readable recording with the teacher and make targets of its features.

    Args:
        listing: `path|speaker|language|text` lines, paths relative to the list's folder; the text is not used.
        teacher: folder of a Whisper encoder.
        width: channels of the student's features.
        codes: how many.
        sample: recordings the projection and the codes are fitted on.
        prior_frames: see `speaker_means`.
        half: run the teacher in bfloat16.
        workers: processes.

    Raises:
        DatasetError: no usable recording, or too few for so many codes.
    """
    load_teacher(teacher)  # a wrong folder is said before the workers start
    speakers, waves, heard = [], [], []
    for speaker, wave, features in _heard(listing, teacher, half, workers):
        speakers.append(speaker)
        waves.append(torch.from_numpy(wave))
        heard.append(torch.from_numpy(features))
    if not heard:
        raise DatasetError(f"{listing} names no usable audio: check its paths")
    means = speaker_means(zip(speakers, heard, strict=True), prior_frames)
    order = torch.randperm(len(heard), generator=generator(seed)).tolist()
    chosen = [(speakers[i], heard[i]) for i in order[:sample]]
    projection = fit_projection(chosen, means, width)
    points = torch.cat([projection.pairs(features, speaker) for speaker, features in chosen])
    if len(points) < codes:
        raise DatasetError(f"{len(points)} code-length frames are too few for {codes} codes: give more speech")
    centres = kmeans(points, codes, seed)
    return _assemble(projection, centres, speakers, waves, heard)


def _assemble(
    projection: Projection, centres: Tensor, speakers: Sequence[str], waves: list[Tensor], heard: list[Tensor]
) -> Lessons:
    lengths = torch.tensor([len(features) for features in heard])
    frames, codes = [], []
    for speaker in speakers:
        features = heard.pop(0)  # the teacher's features are large, and of no use any more
        frames.append(projection.frames(features, speaker).half())
        codes.append(nearest(projection.pairs(features, speaker), centres).short())
    return Lessons(torch.cat(waves), torch.cat(frames), torch.cat(codes), lengths, centres)


def _heard(listing: Path, teacher: Path, half: bool, workers: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Speaker, wave and teacher features of every usable recording, in the list's order."""
    rows = [line.split("|", 3)[:2] for line in listing.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    work = [(str(listing.parent / path), speaker) for path, speaker in rows]
    blocks = [work[i : i + BLOCK] for i in range(0, len(work), BLOCK)]
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        for done, block in enumerate(pool.map(partial(_hear, teacher, half), blocks)):
            for path, speaker, wave, features in block:
                if wave is None or features is None:
                    log.warning("%s is silent, empty or no audio: left out", path)
                else:
                    yield speaker, wave, features
            log.info("teacher: %d of %d recordings", min(len(work), (done + 1) * BLOCK), len(work))


@lru_cache(maxsize=1)
def _teacher(folder: Path, half: bool) -> Teacher:
    """The worker's own, loaded once."""
    torch.set_num_threads(1)
    return load_teacher(folder, torch.bfloat16 if half else torch.float32)


def _hear(
    folder: Path, half: bool, block: list[tuple[str, str]]
) -> list[tuple[str, str, np.ndarray | None, np.ndarray | None]]:
    found: list[tuple[str, str, np.ndarray | None, np.ndarray | None]] = []
    for path, speaker in block:
        wave = _read(Path(path))
        if wave is None:
            found.append((path, speaker, None, None))
            continue
        features = _teacher(folder, half)(wave)[: len(wave) // HOP].half()
        found.append((path, speaker, (wave * 32767).to(torch.int16).numpy(), features.numpy()))
    return found


def _read(path: Path) -> Tensor | None:
    """A recording at one peak level, cut to whole codes and to what the teacher can hear; None: nothing to hear."""
    try:
        wave = load_audio(path, RATE)
    except AudioError:
        return None
    count = min(len(wave), int(LONGEST * RATE)) // (2 * HOP) * 2 * HOP
    peak = wave.abs().max().item() if count else 0.0
    return None if peak == 0.0 else wave[:count] / peak * PEAK
