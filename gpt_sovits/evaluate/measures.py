"""Which measures to take, and which of them can be taken here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gpt_sovits.core.config import Strict
from gpt_sovits.core.errors import CheckpointError, ConfigError, GPTSoVITSError
from gpt_sovits.evaluate.intelligibility import Intelligibility
from gpt_sovits.evaluate.item import Measure
from gpt_sovits.evaluate.nisqa import Nisqa, find_nisqa
from gpt_sovits.evaluate.prosody import Prosody
from gpt_sovits.evaluate.quality import load_dnsmos
from gpt_sovits.evaluate.recognise import load_recogniser
from gpt_sovits.evaluate.signal import Signal
from gpt_sovits.evaluate.similarity import Similarity, load_voiceprint
from gpt_sovits.evaluate.stability import Stability

ALL = ("intelligibility", "similarity", "quality", "stability", "signal", "prosody")


class Tools(Strict):
    """What to measure with."""

    measures: tuple[str, ...] = ALL
    """Of `ALL`, NISQA follows where its weights are among the metric models."""
    models: Path | None = None
    """Folder of the metric models; None: the user's cache."""
    recogniser: str = "whisper-base"
    speakers: tuple[str, ...] = ("campplus",)
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Missing:
    """A measure that could not be taken at all, and why."""

    measure: str
    reason: str


def build_measures(tools: Tools) -> tuple[list[Measure], tuple[Missing, ...]]:
    """Load what can be loaded; the rest is named with the reason.

    Raises:
        ConfigError: there is no measure of that name.
    """
    built: list[Measure] = []
    missing: list[Missing] = []
    for name in tools.measures:
        if name not in _BUILDERS:
            raise ConfigError(f"there is no measure {name!r}: use {', '.join(_BUILDERS)}")
    asked = (*tools.measures, "nisqa") if tools.measures == ALL and _has_nisqa(tools) else tools.measures
    for name in sorted(asked, key=list(_BUILDERS).index):  # stability reads what the first ones find
        try:
            built += _BUILDERS[name](tools)
        except GPTSoVITSError as error:
            missing.append(Missing(name, str(error)))
    return built, tuple(missing)


def _intelligibility(tools: Tools) -> list[Measure]:
    return [Intelligibility(load_recogniser(tools.recogniser, tools.models, tools.threads))]


def _similarity(tools: Tools) -> list[Measure]:
    first, *others = tools.speakers
    named = [(first, "similarity"), *((name, f"similarity_{name}") for name in others)]
    return [Similarity(load_voiceprint(name, tools.models), column) for name, column in named]


def _quality(tools: Tools) -> list[Measure]:
    return [load_dnsmos()]


def _nisqa(tools: Tools) -> list[Measure]:
    return [Nisqa(find_nisqa(tools.models))]


def _has_nisqa(tools: Tools) -> bool:
    try:
        return find_nisqa(tools.models).is_file()
    except CheckpointError:
        return False


_BUILDERS: dict[str, Callable[[Tools], list[Measure]]] = {
    "intelligibility": _intelligibility,
    "similarity": _similarity,
    "quality": _quality,
    "nisqa": _nisqa,
    "stability": lambda tools: [Stability()],
    "signal": lambda tools: [Signal()],
    "prosody": lambda tools: [Prosody()],
}
