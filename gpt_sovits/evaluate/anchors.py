"""The real recordings of a set: what the measures say about them, so that a system's figures can be read."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import torch

from gpt_sovits.core.errors import GPTSoVITSError
from gpt_sovits.evaluate.item import Item, read_sound
from gpt_sovits.evaluate.result import Anchors
from gpt_sovits.evaluate.similarity import Voiceprint

MOST_FILES = 120
HALF = 1.5
"""Shortest half of a recording, in seconds, that is compared with the other half."""


def recordings_of(items: Sequence[Item]) -> list[Item]:
    """Recordings whose words are known, as items: those of the same texts, and the references."""
    found: dict[Path, Item] = {}
    files = _files(items)
    for item in items:
        if item.recording is not None:
            found[item.recording] = item.model_copy(
                update={"id": f"recording/{item.id}", "wav": item.recording, "recording": None}
            )
    for item in items:
        if item.reference is None or not item.reference_text or item.reference in found:
            continue
        own = files[item.reference]
        others = [path for path, voice in files.items() if voice == own and path != item.reference]
        found[item.reference] = Item(
            id=f"reference/{item.reference.stem}",
            language=item.reference_language or item.language,
            text=item.reference_text,
            wav=item.reference,
            reference=others[0] if others else None,
            speaker=item.speaker,
        )
    return list(found.values())


def find_anchors(items: Sequence[Item], voiceprint: Voiceprint) -> Anchors:
    """Similarity between real recordings of one speaker, and of different ones.

    Where no speaker has two recordings, the two halves of each are compared instead, which is said.
    """
    files = dict(list(_files(items).items())[:MOST_FILES])  # path: (speaker, language)
    voices: dict[Path, torch.Tensor] = {}
    for path in files:
        try:
            voices[path] = voiceprint.of(read_sound(path))
        except GPTSoVITSError:  # the item that names it reports it
            continue
    same, other = [], []
    for (a, first), (b, second) in combinations(voices.items(), 2):
        if files[a] == files[b]:
            same.append(float(first @ second))
        elif files[a][0] != files[b][0]:  # one speaker in two languages is neither
            other.append(float(first @ second))
    halves = not same
    if halves:
        same = [value for path in voices if (value := _halves(path, voiceprint)) is not None]
    return Anchors(
        ceiling=sum(same) / len(same) if same else None,
        ceiling_pairs=len(same),
        halves=halves and bool(same),
        floor=sum(other) / len(other) if other else None,
        floor_pairs=len(other),
    )


def _files(items: Sequence[Item]) -> dict[Path, tuple[str, str]]:
    """Real recordings, whose they are and in which language."""
    found: dict[Path, tuple[str, str]] = {}
    for item in items:
        if item.reference is not None:
            found.setdefault(item.reference, (_speaker(item), item.reference_language or item.language))
        if item.recording is not None:
            found.setdefault(item.recording, (_speaker(item), item.language))
    return found


def _speaker(item: Item) -> str:
    return item.speaker or str(item.reference)


def _halves(path: Path, voiceprint: Voiceprint) -> float | None:
    wave = read_sound(path).heard
    if wave.shape[-1] < 2 * HALF * 16000:
        return None
    first, second = wave.tensor_split(2)
    return float(voiceprint.embed(first) @ voiceprint.embed(second))
