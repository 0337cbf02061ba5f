"""Faults a listener would name: skipped and repeated words, a bad end, a wrong tempo, another voice, clipping.

Each is 0 or 1 a sentence. What a recogniser heard is aligned with the text; ends and tempo are read off the wave.
The thresholds were set on real recordings with planted faults; docs/evaluation.md tells how often each is right.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from gpt_sovits.core.config import Strict
from gpt_sovits.evaluate.alignment import Alignment, Step, align
from gpt_sovits.evaluate.columns import FAULTS
from gpt_sovits.evaluate.echo import echo
from gpt_sovits.evaluate.item import Card, Clip, Item, Value
from gpt_sovits.evaluate.normalise import WORDS, heard_as, normalise
from gpt_sovits.evaluate.pitch import Frames, track
from gpt_sovits.evaluate.signal import clipped_share


class Limits(Strict):
    """Where a fault begins."""

    skipped_letters: int = 4
    """Shortest lost word, in letters, that counts; two short words in a row count too."""
    skipped_share: float = 0.45
    """Share of the letters of a misheard stretch that must be missing for a word in it to count as lost."""
    echo: float = 0.45
    """Unlikeness of neighbouring stretches below which a phrase was said twice."""
    tail_noise: float = 0.4
    tail_silence: float = 1.5
    """Seconds after the last voiced sound and the 0.3 s that consonants take."""
    noise_spread: float = 2.5
    """dB within which the level of noise stays for `tail_noise` seconds; what is left of speech falls or wavers."""
    noise_above_floor: float = 3.0
    """dB by which a tail must exceed the pauses before it, unless it goes on for `noise_alone` seconds."""
    noise_alone: float = 0.6
    slow: float = 0.66
    fast: float = 1.65
    """Tempo against that of the reference, or against what is usual where its text is unknown."""
    other_voice: float = 0.45
    """Speaker similarity (CAM++) below which it is somebody else."""
    clipped: float = 5e-4
    language_certainty: float = 0.7


LIMITS = Limits()
USUAL = {"en": 4.1, "zh": 4.2, "ja": 6.0, "ko": 5.0, "yue": 4.2}
"""Syllables (Japanese: characters) a second of speech."""
FEWEST = 5
"""Syllables of a text or reference below which its tempo tells nothing."""
PRIOR = 12
"""Syllables at the usual tempo that are added to a reference: a short one tells little of how fast somebody speaks."""
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")


class Stability:
    """Reads what intelligibility and similarity left in the clip; what they did not leave is not judged."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.limits = limits
        self.card = Card(measure="stability", model="-", version="4", settings=limits.model_dump())

    def score(self, clip: Clip) -> dict[str, Value]:
        frames = track(clip.sound.heard.numpy())
        found: dict[str, Value] = {}
        wanted = normalise(clip.item.text, clip.item.language)
        heard = clip.values.get("heard")
        if isinstance(heard, str):
            found.update(word_faults(wanted, heard_as(heard, wanted, clip.item.language), self.limits))
            found["wrong_language"] = float(self._wrong_language(clip))
        likeness = echo(clip.sound, frames)
        found["echo"] = likeness
        if likeness < self.limits.echo and not repeats_itself(wanted):
            found["repeated"] = 1.0
        kind = tail(frames, self.limits)
        found["tail"], found["tail_kind"] = float(kind is not None), kind
        tempo = self._tempo(clip, frames)
        if tempo is not None:
            found["tempo"] = tempo
            found["off_tempo"] = float(not self.limits.slow <= tempo <= self.limits.fast)
        similarity = clip.values.get("similarity")
        if isinstance(similarity, float):
            found["other_voice"] = float(similarity < self.limits.other_voice)
        found["clipped"] = float(clipped_share(clip.sound.wave.numpy()) > self.limits.clipped)
        found["units_per_second"] = len(wanted) / max(speech(frames), 0.1)
        found["faulty"] = float(any(found.get(name) for name in FAULTS))
        return found

    def failed(self, item: Item) -> dict[str, Value]:
        return {"faulty": 1.0, "skipped": 1.0, "early_end": 1.0}

    def _wrong_language(self, clip: Clip) -> bool:
        told, certainty = clip.values.get("heard_language"), clip.values.get("language_certainty")
        if not isinstance(told, str) or told == clip.item.language:
            return False
        related = {told, clip.item.language} <= {"zh", "yue"}
        return not related and isinstance(certainty, float) and certainty >= self.limits.language_certainty

    def _tempo(self, clip: Clip, frames: Frames) -> float | None:
        """Syllables a second against the reference, or against what is usual; None for a text of few syllables."""
        item = clip.item
        said = syllables(item.text, item.language)
        usual = USUAL.get(item.language)
        if said < FEWEST or usual is None:
            return None
        known = item.reference_language or item.language
        if clip.reference is not None and item.reference_text and known == item.language:
            there = syllables(item.reference_text, known)
            if there >= FEWEST:
                took = speech(track(clip.reference.heard.numpy()))
                usual = (there + PRIOR) / (took + PRIOR / usual)
        return said / max(speech(frames), 0.1) / usual


def word_faults(wanted: Sequence[str], heard: Sequence[str], limits: Limits = LIMITS) -> dict[str, Value]:
    """Skipped, repeated and added words and an early end, from units of the wanted and the heard text."""
    found = align(wanted, heard)
    lost = [s for s in found.steps if s.kind == "delete"]
    wrong = _stretches(found)
    more = [s for s in found.steps if s.kind == "insert"]
    end = len(found.wanted)
    last = [s for s in lost if s.end == end]
    return {
        "skipped": float(
            any(_is_skip(found, s.start, s.end, limits) for s in lost if s.end != end)
            or any(_is_short(found, s, limits) for s in wrong if s.end != end)
        ),
        "early_end": float(any(_is_skip(found, s.start, s.end, limits) for s in last)),
        "repeated": float(any(_is_repeat(found, s.heard_start, s.heard_end) for s in more) or _doubled(found)),
        "babble": float(any(_is_babble(found, s.heard_start, s.heard_end) for s in more)),
    }


def _is_skip(found: Alignment, start: int, end: int, limits: Limits) -> bool:
    """A lost word of some length, or two in a row; beside a replaced word it is rather a word misheard."""
    for step in found.steps:
        if step.kind in ("replace", "insert") and (step.end == start or step.start == end):
            return False
    lost = found.wanted[start:end]
    letters = sum(map(len, lost)) if lost[0].isascii() else limits.skipped_letters * (len(lost) - 1)
    return letters >= limits.skipped_letters


def _stretches(found: Alignment) -> list[Step]:
    """Stretches that are not as wanted: what was replaced together with what was lost or added beside it."""
    joined: list[Step] = []
    for step in found.steps:
        if step.kind == "equal":
            continue
        if joined and joined[-1].end == step.start and joined[-1].heard_end == step.heard_start:
            last = joined.pop()
            step = Step("replace", last.start, step.end, last.heard_start, step.heard_end)
        joined.append(step)
    return joined


def _is_short(found: Alignment, step: Step, limits: Limits) -> bool:
    """A stretch from which too much is missing: a word went with what was misheard.

    A Chinese character is a syllable and stays one when it is misheard; of English too many letters must be missing.
    """
    wanted, heard = found.wanted[step.start : step.end], found.heard[step.heard_start : step.heard_end]
    if wanted and all(_HAN.fullmatch(unit) for unit in wanted):
        return len(heard) < len(wanted)
    if step.kind != "replace" or not wanted[0].isascii():
        return False
    lost = sum(map(len, wanted)) - sum(map(len, heard))
    return lost >= max(limits.skipped_letters, limits.skipped_share * sum(map(len, wanted)))


def repeats_itself(units: Sequence[str]) -> bool:
    """Whether a text says something twice in a row: two units or more, or one long word."""
    for size in range(1, len(units) // 2 + 1):
        for start in range(len(units) - 2 * size + 1):
            part = units[start : start + size]
            if part == units[start + size : start + 2 * size] and (size > 1 or len(part[0]) >= 4):
                return True
    return False


def _is_repeat(found: Alignment, start: int, end: int) -> bool:
    """What was added stands right before or after itself: two units or more, or one long word."""
    added = found.heard[start:end]
    size = len(added)
    if size == 1 and len(added[0]) < 4:
        return False
    return any(found.heard[place : place + size] == added for place in (start - size, end) if place >= 0)


def _doubled(found: Alignment) -> bool:
    """More phrases are heard twice than the text says twice, which may be misheard; one more often than there."""
    wanted, heard = found.wanted, found.heard
    twice = _twice(heard)
    new = any(_occurrences(part, heard) > _occurrences(part, wanted) for part in twice)
    return new and len(twice) > len(_twice(wanted))


def _twice(units: Sequence[str], longest: int = 6, gap: int = 2) -> list[Sequence[str]]:
    """Phrases of two to six units that come again within two units, one after the other."""
    parts: list[Sequence[str]] = []
    start = 0
    while start < len(units):
        pairs = (
            (size, again) for size in range(longest, 1, -1) for again in range(start + size, start + size + gap + 1)
        )
        pair = next(
            ((s, p) for s, p in pairs if len(units) >= p + s and units[p : p + s] == units[start : start + s]), None
        )
        if pair is None:
            start += 1
        else:
            size, again = pair
            parts.append(units[start : start + size])
            start = again + size
    return parts


def _occurrences(part: Sequence[str], units: Sequence[str]) -> int:
    return sum(tuple(units[i : i + len(part)]) == tuple(part) for i in range(len(units) - len(part) + 1))


def _is_babble(found: Alignment, start: int, end: int) -> bool:
    """Two units or more after the end of the text, that do not repeat what stands before."""
    return end == len(found.heard) and end - start >= 2 and not _is_repeat(found, start, end)


def tail(frames: Frames, limits: Limits = LIMITS) -> str | None:
    """`noise` or `silence` where the recording goes on after its speech has ended."""
    voiced = np.flatnonzero(frames.voiced & (frames.level > frames.loud - 25))
    if not len(voiced):
        return None
    rest = frames.level[voiced[-1] + 31 : -2]
    pauses = frames.level[: voiced[-1]]
    floor = max(float(np.percentile(pauses, 5)), frames.loud - 60) if len(pauses) else frames.loud - 60
    for seconds, above in ((limits.tail_noise, limits.noise_above_floor), (limits.noise_alone, -np.inf)):
        size = round(seconds * 100)
        if len(rest) >= size:
            stretches = np.lib.stride_tricks.sliding_window_view(rest, size)
            low, middle, high = np.percentile(stretches, [10, 50, 90], axis=1)
            strong = middle > max(floor + above, frames.loud - 40)
            if (strong & (high - low <= limits.noise_spread)).any():
                return "noise"
    return "silence" if len(rest) >= limits.tail_silence * 100 else None


def speech(frames: Frames) -> float:
    """Seconds in which something is said."""
    return float(frames.spoken.sum()) / 100


def syllables(text: str, language: str) -> int:
    """Groups of vowel letters in English words, characters otherwise."""
    units = normalise(text, language)
    if language not in WORDS:
        return len(units)
    return sum(
        max(1, len(re.findall(r"[aeiouy]+", re.sub(r"(?<=[a-z]{2})(?<![^aeiouy]l)e\b", "", unit)))) for unit in units
    )
