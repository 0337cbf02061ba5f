"""More speakers out of few: recordings played slower or faster, as somebody deeper or higher would say them.

Speed perturbation (Ko et al. 2015) as trainings of speaker recognition use it, where each copy counts as a new speaker.
"""

from __future__ import annotations

import random
from pathlib import Path

from feature_extractor.audio import PREPARED_RATE, load_audio, resample, save_audio
from gpt_sovits.core.errors import AudioError
from gpt_sovits.core.files import write_text
from prep.config import VaryConfig
from prep.manifest import Utterance, read_manifest
from prep.report import Failure

LIST = "varied.list"


def vary(list_path: Path, out: Path, config: VaryConfig) -> tuple[int, list[Failure]]:
    """Write a copy of each recording of a list into `out`, and their list, `varied.list`, behind the given one's lines.

    The same seed gives the same copies, whatever else the list holds.

    Returns:
        How many copies, and what could not be copied; the others go on.

    Raises:
        ManifestError: the list cannot be used at all.
        StorageError: a copy cannot be written.
    """
    manifest = read_manifest(list_path)
    failures = list(manifest.failures)
    lines, copies = [], []
    for utterance in manifest.utterances:
        lines.append(_line(utterance, utterance.path.resolve(), utterance.speaker))
        percent = _percent(utterance, config)
        target = out / f"{utterance.path.stem}_{percent}.flac"
        try:
            if not target.is_file():
                played = load_audio(utterance.path, PREPARED_RATE)
                save_audio(target, resample(played, percent * PREPARED_RATE // 100, PREPARED_RATE), PREPARED_RATE)
        except AudioError as error:
            failures.append(Failure(utterance.name, utterance.line, "vary", str(error)))
            continue
        copies.append(_line(utterance, target.resolve(), f"{utterance.speaker}_{percent}"))
    write_text(out / LIST, "\n".join([*lines, *copies]) + "\n")
    return len(copies), failures


def _percent(utterance: Utterance, config: VaryConfig) -> int:
    """How fast it is played, in percent: slower or faster, never nearly as it was."""
    source = random.Random(f"{config.seed}/{utterance.name}")  # noqa: S311 - no secret
    low, high = source.choice([config.slower, config.faster])
    return source.randint(low, high)


def _line(utterance: Utterance, path: Path, speaker: str) -> str:
    return "|".join([str(path), speaker, utterance.language, utterance.text])
