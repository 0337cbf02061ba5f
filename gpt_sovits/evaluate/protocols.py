"""Sets made from a corpus of recordings by rule, so that others make the same ones: zero-shot and few-shot."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import soundfile

from gpt_sovits.core.errors import InputError
from gpt_sovits.core.files import write_text
from gpt_sovits.evaluate.item import Item

SHORTEST, LONGEST = 3.0, 10.0
"""Seconds of a reference."""
HELD_BACK = 30
"""Sentences of a few-shot test."""
MINUTES = (1, 3, 10)
"""Training sizes of the few-shot protocol."""
_COLUMNS = ("id", "language", "text", "reference", "reference_text", "speaker", "recording")


@dataclass(frozen=True, slots=True)
class _Recording:
    item: Item
    path: Path
    seconds: float

    @property
    def voice(self) -> tuple[str, str]:
        return self.item.language, self.item.speaker or self.item.id

    @property
    def usable(self) -> bool:
        """Whether it can be a reference."""
        return SHORTEST <= self.seconds <= LONGEST


def zero_shot(items: Sequence[Item], most: int, seed: int = 1) -> list[Item]:
    """Sentences in voices a model has never heard, from recordings of several speakers with their texts.

    A text is spoken in its own speaker's voice, from another of his recordings of 3 to 10 s; in another speaker's where
    there is none. Voices take turns. What is taken, and in which order, follows from the seed and the ids alone.

    Raises:
        InputError: there are no recordings of 3 to 10 s, or only one voice that has but one.
    """
    recordings = sorted(_recordings(items), key=lambda r: _place(seed, r.item.id))
    usable = [r for r in recordings if r.usable]
    if not usable:
        raise InputError(f"no recording lasts {SHORTEST:g} to {LONGEST:g} seconds, as a reference must")
    queues: dict[tuple[str, str], list[_Recording]] = {}
    for recording in recordings:
        queues.setdefault(recording.voice, []).append(recording)
    turns = [queue[i] for i in range(len(recordings)) for queue in queues.values() if i < len(queue)]
    made = []
    spoken: Counter[Path] = Counter()
    for said in turns[:most]:
        reference = _reference(said, usable, spoken, seed)
        spoken[reference.path] += 1
        own = reference.voice == said.voice
        made.append(
            Item(
                id=said.item.id if own else f"{reference.voice[1]}_says_{said.item.id}",
                language=said.item.language,
                text=said.item.text,
                reference=reference.path,
                reference_text=reference.item.text,
                speaker=reference.voice[1],
                recording=said.path if own else None,
            )
        )
    return made


def _reference(said: _Recording, usable: Sequence[_Recording], spoken: Mapping[Path, int], seed: int) -> _Recording:
    """Another recording of the speaker, else one of another speaker of the language; those seldom taken first."""
    own = [r for r in usable if r.voice == said.voice and r is not said]
    others = own or [r for r in usable if r.voice[0] == said.voice[0] and r.voice != said.voice]
    if not others:
        raise InputError(
            f"{said.item.id} has no voice to be said in: give two recordings of a speaker, or two speakers"
        )
    return min(others, key=lambda r: (spoken[r.path], _place(seed, f"{said.item.id}/{r.item.id}")))


@dataclass(frozen=True, slots=True)
class FewShot:
    """Training lists by minutes, and the sentences to test with."""

    training: dict[int, list[Item]]
    test: list[Item]


def few_shot(items: Sequence[Item], test: Sequence[Item] | None = None) -> FewShot:
    """The few-shot protocol of docs/evaluation.md from recordings of one speaker, in their order.

    Args:
        test: recordings that are held back; None: the last 30 of `items`.

    Raises:
        InputError: more than one speaker, too few recordings, or none of 3 to 10 s in the first minute.
    """
    found = _recordings(items)
    voices = {r.voice[1] for r in found}
    if len(voices) > 1:
        raise InputError(f"a few-shot test is of one speaker; these recordings are of {len(voices)}")
    if test is None and len(found) <= HELD_BACK:
        raise InputError(f"{len(found)} recordings do not suffice: {HELD_BACK} are held back to test with")
    held = _recordings(test)[:HELD_BACK] if test is not None else found[-HELD_BACK:]
    rest = [r for r in found if r.item.id not in {h.item.id for h in held}]
    training = {minutes: first for minutes in MINUTES if (first := _first_minutes(rest, minutes)) is not None}
    reference = next((r for r in training.get(MINUTES[0], []) if r.usable), None)
    if reference is None:
        raise InputError(f"the first minute holds no recording of {SHORTEST:g} to {LONGEST:g} s to speak from")
    said = [
        h.item.model_copy(
            update={
                "wav": None,
                "recording": h.path,
                "reference": reference.path,
                "reference_text": reference.item.text,
            }
        )
        for h in held
    ]
    return FewShot({m: [r.item for r in part] for m, part in training.items()}, said)


def _first_minutes(recordings: Sequence[_Recording], minutes: int) -> list[_Recording] | None:
    """The first recordings that together last so long, the one that crosses the mark included; None: too few."""
    taken, seconds = [], 0.0
    for recording in recordings:
        if seconds >= 60 * minutes:
            break
        taken.append(recording)
        seconds += recording.seconds
    return taken if seconds >= 60 * minutes else None


def write_set(path: Path, items: Sequence[Item]) -> None:
    """A set as a table that `read_table` reads; paths are relative to it."""
    lines = [list(_COLUMNS)]
    for item in items:
        lines.append([_cell(getattr(item, name), path.parent) for name in _COLUMNS])
    write_text(path, "".join("\t".join(line) + "\n" for line in lines))


def write_few_shot(folder: Path, made: FewShot) -> list[Path]:
    """`train_1.list`, `train_3.list` … and `test.tsv`."""
    written = []
    for minutes, items in made.training.items():
        path = folder / f"train_{minutes}.list"
        cells = [(_cell(i.wav, folder), i.speaker or "voice", i.language, _cell(i.text, folder)) for i in items]
        write_text(path, "".join("|".join(line) + "\n" for line in cells))
        written.append(path)
    write_set(folder / "test.tsv", made.test)
    return [*written, folder / "test.tsv"]


def _recordings(items: Sequence[Item]) -> list[_Recording]:
    found = []
    for item in items:
        if item.wav is None:
            raise InputError(f"{item.id} names no recording: the set is made from recordings and their texts")
        try:
            seconds = float(soundfile.info(item.wav).duration)
        except (soundfile.SoundFileError, OSError) as error:
            raise InputError(f"{item.wav} cannot be read as audio: take it out of the list") from error
        found.append(_Recording(item, item.wav, seconds))
    return found


def _place(seed: int, name: str) -> str:
    """An order that looks random and is the same everywhere."""
    return hashlib.sha256(f"{seed}/{name}".encode()).hexdigest()


def _cell(value: str | Path | None, folder: Path) -> str:
    text = os.path.relpath(value, folder) if isinstance(value, Path) else value or ""
    return " ".join(text.split())
