"""Faults planted in good recordings, to learn how often each detector is right."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from feature_extractor.audio import save_audio
from gpt_sovits.core.errors import InputError
from gpt_sovits.evaluate.cache import CACHE
from gpt_sovits.evaluate.columns import FAULTS
from gpt_sovits.evaluate.item import Clip, Item, Sound, read_sound
from gpt_sovits.evaluate.measures import Tools
from gpt_sovits.evaluate.recognise import Whisper, load_recogniser
from gpt_sovits.evaluate.score import Row, score_items

log = logging.getLogger(__name__)
Wave = NDArray[np.float32]
Words = Sequence[tuple[float, float]]
"""Seconds at which each word begins and ends."""

WANTED = {
    "word cut out": "skipped",
    "phrase doubled": "repeated",
    "tail of noise": "tail",
    "half speed": "off_tempo",
    "another voice": "other_voice",
    "clipping": "clipped",
}
"""Which detector is to find what."""
BY_EAR = frozenset({"word cut out", "phrase doubled"})
"""Faults that only a recogniser finds."""


def cut_word(wave: Wave, rate: int, words: Words) -> Wave | None:
    """Take out the longest word that is neither the first nor the last (two neighbours where words are short)."""
    spans = [(words[i][0], words[i][1]) for i in range(1, len(words) - 1)]
    spans += [(a[0], b[1]) for a, b in pairwise(words[1:-1]) if b[1] - a[0] <= 0.6]
    spans = [span for span in spans if 0.2 <= span[1] - span[0] <= 0.8]
    if not spans:
        return None
    start, end = max(spans, key=lambda span: span[1] - span[0])
    return joined([wave[: int(start * rate)], wave[int(end * rate) :]], rate)


def double_phrase(wave: Wave, rate: int, words: Words, length: int = 3, slower: float = 1.07) -> Wave | None:
    """Say three words in the middle twice, the second time a little slower: no two sounds are the same."""
    first = max(0, (len(words) - length) // 2)
    if len(words) < length + 1:
        return None
    start, end = int(words[first][0] * rate), int(words[first + length - 1][1] * rate)
    again = stretch(wave[start:end], rate, slower)[: int((end - start) * slower)]
    return joined([wave[:end], again, wave[end:]], rate)


def noise_tail(wave: Wave, rate: int, seed: int, seconds: float = 1.0, below: float = 20.0) -> Wave:
    """White noise after the end, so many dB below the recording's own level."""
    level = float(np.sqrt(np.square(wave).mean())) * 10 ** (-below / 20)
    noise = np.random.default_rng(seed).normal(0, level, int(seconds * rate)).astype(np.float32)
    return np.concatenate((wave, noise))


def clip_peaks(wave: Wave, decibels: float = 12.0) -> Wave:
    """Overdrive by so many dB beyond full scale."""
    gain = 10 ** (decibels / 20) / max(float(np.abs(wave).max()), 1e-6)
    return np.clip(wave * gain, -1.0, 1.0).astype(np.float32)


def stretch(wave: Wave, rate: int, factor: float = 2.0) -> Wave:
    """Slower by `factor` at the same pitch: overlapping pieces, each moved to where it fits best (WSOLA, 1993)."""
    size, reach = int(0.04 * rate), int(0.01 * rate)
    hop = size // 2
    window = np.hanning(size + 1)[:-1]
    padded = np.pad(wave, (reach, size + 2 * reach))
    count = int(len(wave) * factor) // hop
    out = np.zeros(count * hop + size)
    place = reach
    for i in range(count):
        out[i * hop : i * hop + size] += window * padded[place : place + size]
        follows = padded[place + hop : place + hop + size]
        target = reach + int((i + 1) * hop / factor)
        area = padded[target - reach : target + reach + size]
        if len(follows) < size or len(area) < size + 2 * reach:
            break
        place = target - reach + int(np.argmax(np.correlate(area, follows, mode="valid")))
    return out.astype(np.float32)


def joined(parts: Sequence[Wave], rate: int, fade: float = 0.005) -> Wave:
    """Pieces one after the other, their edges blended over 5 ms."""
    out = parts[0]
    for part in parts[1:]:
        length = min(int(fade * rate), len(out), len(part))
        ramp = np.linspace(0, 1, length, dtype=np.float32)
        edge = out[len(out) - length :] * (1 - ramp) + part[:length] * ramp
        out = np.concatenate((out[: len(out) - length], edge, part[length:]))
    return out


@dataclass(frozen=True, slots=True)
class Trial:
    """How one kind of fault fared."""

    fault: str
    detector: str
    planted: int
    found: int
    clean: int
    false_alarms: int

    @property
    def hit_rate(self) -> float:
        return self.found / max(self.planted, 1)


def plant_all(items: Sequence[Item], out: Path, recogniser: Whisper) -> dict[str, list[Item]]:
    """Write every recording with each fault; what is there already is kept. Also the clean ones, under `none`."""
    planted: dict[str, list[Item]] = {"none": [], **{kind: [] for kind in WANTED}}
    for number, item in enumerate(items):
        if item.wav is None:
            continue
        sound = read_sound(item.wav)
        words: Words = ()
        planted["none"].append(item)
        stranger = _stranger(items, number)
        if stranger is not None:
            planted["another voice"].append(item.model_copy(update={"id": f"{item.id}.voice", "wav": stranger}))
        for kind, make in _MAKERS.items():
            path = out / kind.replace(" ", "_") / f"{item.id}.wav"
            if not path.is_file():
                if kind in BY_EAR and not words:
                    words = recogniser.words(Clip(item, sound))
                wave = make(sound, words, _seed(item))
                if wave is None:
                    log.debug("%s: too short for %s", item.id, kind)
                    continue
                save_audio(path, torch.from_numpy(wave), sound.rate)
            planted[kind].append(item.model_copy(update={"wav": path}))
    return planted


def try_detectors(items: Sequence[Item], out: Path, tools: Tools, processes: int = 1) -> list[Trial]:
    """Plant every fault in every recording and count what the detectors say.

    Raises:
        GPTSoVITSError: a metric model is not there.
    """
    recogniser = load_recogniser(tools.recogniser, tools.models, tools.threads)
    if not isinstance(recogniser, Whisper):
        raise InputError("planting faults needs Whisper, which tells when each word is said")
    planted = plant_all(items, out, recogniser)
    rows = {}
    for kind, group in planted.items():
        if group:
            needed = tools.model_copy(update={"measures": _needed(kind)})
            rows[kind] = score_items(group, needed, out / CACHE, processes).rows
    trials = []
    for kind, detector in WANTED.items():
        if kind in rows:
            faulty, clean = _judged(rows[kind], detector), _judged(rows["none"], detector)
            trials.append(Trial(kind, detector, len(faulty), sum(faulty), len(clean), sum(clean)))
    return trials


def _needed(kind: str) -> tuple[str, ...]:
    """What the detector of a fault reads; all of them are tried on the clean recordings."""
    heard = ("intelligibility",) if kind in {*BY_EAR, "none"} else ()
    voice = ("similarity",) if kind in {"another voice", "none"} else ()
    return (*heard, *voice, "stability")


def _judged(rows: Sequence[Row], detector: str) -> list[bool]:
    """What a detector said of each recording it can judge: another voice asks for a reference, tempo for syllables."""
    assert detector in FAULTS
    return [value == 1.0 for value in (row.number(detector) for row in rows) if value is not None]


def _stranger(items: Sequence[Item], number: int) -> Path | None:
    """The next recording of somebody else."""
    own = items[number].speaker
    for step in range(1, len(items)):
        other = items[(number + step) % len(items)]
        if other.speaker != own and other.wav is not None:
            return other.wav
    return None


def _seed(item: Item) -> int:
    return int.from_bytes(hashlib.sha256(item.id.encode()).digest()[:4], "big")


Maker = Callable[[Sound, Words, int], "Wave | None"]
_MAKERS: dict[str, Maker] = {
    "word cut out": lambda sound, words, seed: cut_word(sound.wave.numpy(), sound.rate, words),
    "phrase doubled": lambda sound, words, seed: double_phrase(sound.wave.numpy(), sound.rate, words),
    "tail of noise": lambda sound, words, seed: noise_tail(sound.wave.numpy(), sound.rate, seed),
    "half speed": lambda sound, words, seed: stretch(sound.wave.numpy(), sound.rate),
    "clipping": lambda sound, words, seed: clip_peaks(sound.wave.numpy()),
}
