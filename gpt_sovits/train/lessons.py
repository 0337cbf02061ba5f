"""What a content encoder's projection learns from: features of recordings beside the phones that are said in them."""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from feature_extractor.audio import HUBERT_RATE, load_audio
from feature_extractor.text import analyse
from feature_extractor.whisper import Whisper, load_whisper
from gpt_sovits.core.errors import AudioError, DatasetError, TextError
from gpt_sovits.core.files import atomic_path
from prep.manifest import Utterance, read_manifest

log = logging.getLogger(__name__)

BLOCK = 64
"""Recordings a worker hears at a time."""


@dataclass(frozen=True, slots=True)
class Lessons:
    """Recordings end to end.

    Attributes:
        features: averages of two frames of the encoder, 25 a second, half precision [sum of t, c].
        lengths: t of each recording [r].
        phones: ids of each recording.
    """

    features: Tensor
    lengths: Tensor
    phones: list[Tensor]

    def save(self, path: Path) -> None:
        with atomic_path(path) as temporary:
            torch.save({"features": self.features, "lengths": self.lengths, "phones": self.phones}, temporary)


def load_lessons(path: Path) -> Lessons:
    return Lessons(**torch.load(path, weights_only=True, mmap=True))


def prepare_lessons(listing: Path, encoder: Path, symbols: str, half: bool, workers: int) -> Lessons:
    """Hear every readable recording of a list.

    Args:
        encoder: the file of a Whisper encoder.
        half: run it in bfloat16.
        workers: processes.

    Raises:
        ManifestError: the list cannot be read.
        DatasetError: no usable recording.
        CheckpointError: the file is no Whisper encoder.
    """
    load_whisper(encoder)  # a wrong file is said before the workers start
    utterances = read_manifest(listing).utterances
    blocks = [utterances[i : i + BLOCK] for i in range(0, len(utterances), BLOCK)]
    features, phones = [], []
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        for done, heard in enumerate(pool.map(partial(_hear, encoder, symbols, half), blocks)):
            for each in heard:
                features.append(torch.from_numpy(each[0]))
                phones.append(torch.tensor(each[1]))
            log.info("heard %d of %d recordings", min(len(utterances), (done + 1) * BLOCK), len(utterances))
    if not features:
        raise DatasetError(f"{listing} names no usable audio: check its paths")
    return Lessons(torch.cat(features), torch.tensor([len(each) for each in features]), phones)


@lru_cache(maxsize=1)
def _encoder(file: Path, half: bool) -> Whisper:
    """The worker's own, loaded once."""
    torch.set_num_threads(1)
    return load_whisper(file).to(torch.bfloat16 if half else torch.float32)


def _hear(file: Path, symbols: str, half: bool, block: Sequence[Utterance]) -> list[tuple[np.ndarray, list[int]]]:
    return list(_each(_encoder(file, half), symbols, block))


@torch.inference_mode()
def _each(encoder: Whisper, symbols: str, block: Sequence[Utterance]) -> Iterator[tuple[np.ndarray, list[int]]]:
    for utterance in block:
        try:
            wave = load_audio(utterance.path, HUBERT_RATE)
            ids = list(analyse(utterance.spoken, utterance.language, symbols=symbols).ids)
            hidden = encoder.hidden(wave[None])[0].float()
        except (AudioError, TextError) as error:
            log.warning("left out: %s", error)
            continue
        pairs = hidden[: len(hidden) // 2 * 2].unflatten(0, (-1, 2)).mean(1)
        yield pairs.half().numpy(), ids
