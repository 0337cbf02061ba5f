"""Which steps of which items are out of date, told by hashes of everything a result depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from gpt_sovits.core.store import FeatureStore
from prep.index import FOLDER, Index
from prep.job import AUDIO_STEPS, STEPS, Job, Recipe
from prep.manifest import Utterance

_REVISIONS = {"text": 1, "bert": 1, "hubert": 1, "semantic": 1, "speaker": 1}
"""Raised when the code of a step comes to give other results, so that folders made before are brought up to date."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run has to do."""

    jobs: list[Job]
    stale: list[tuple[str, str]]
    """Records that no longer hold: (name, step)."""
    keys: dict[tuple[str, str], str]
    """What an up-to-date record carries, for every item and step that applies."""


def make_plan(utterances: Sequence[Utterance], steps: Iterable[str], recipe: Recipe, index: Index) -> Plan:
    """Compare what should be there with what the index vouches for."""
    chosen = [step for step in STEPS if step in set(steps)]
    with ThreadPoolExecutor(4) as pool:
        contents = pool.map(file_digest, (utterance.path for utterance in utterances))
        hashes = dict(zip((utterance.name for utterance in utterances), contents, strict=True))
    keys = Keys(recipe)
    plan = Plan([], [], {})
    for utterance in utterances:
        name, audio = utterance.name, hashes[utterance.name]
        wanted = {step: keys.of(step, utterance, audio) for step in chosen}
        plan.keys.update({(name, step): key for step, key in wanted.items() if key is not None})
        # A recording that cannot be read vouches for nothing.
        missing = [s for s in wanted if (s in AUDIO_STEPS and audio is None) or not index.current(name, s, wanted[s])]
        plan.stale.extend((name, step) for step in missing)
        pending = {step: key for step in missing if (key := wanted[step]) is not None}
        if pending:
            stored = audio is not None and bool(index.current(name, "hubert", keys.of("hubert", utterance, audio)))
            plan.jobs.append(Job(utterance, pending, stored and "hubert" not in pending))
    return plan


class Keys:
    """Record keys of one recipe; model parts are hashed when the first key asks for them."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe

    def of(self, step: str, utterance: Utterance, audio: str | None) -> str | None:
        """Key of an item's result, or None where the step does not apply to it.

        Args:
            audio: hash of the recording; None: it cannot be read, which no record can match.
        """
        if step in {"text", "bert"}:
            reading = [self.recipe.symbols, *(["public"] if self.recipe.compat else [])]
            text = self._key("text", utterance.spoken, utterance.language, *reading)
            if step == "text":
                return text
            return self._key("bert", text, self._bert, self.recipe.half) if utterance.language == "zh" else None
        settings = [audio or "unreadable", self.recipe.limits.model_dump(), self.recipe.half]
        if step == "speaker":
            return self._key("speaker", settings, self._speaker)
        content = self._key("hubert", settings, self._hubert)
        return content if step == "hubert" else self._key("semantic", content, self._s2)

    @staticmethod
    def _key(step: str, *parts: object) -> str:
        text = json.dumps([step, _REVISIONS[step], *parts], ensure_ascii=False, sort_keys=True)
        return hashlib.sha256(text.encode("utf8")).hexdigest()

    @cached_property
    def _hubert(self) -> str | None:
        return part_digest(self.recipe.hubert)

    @cached_property
    def _s2(self) -> str | None:
        return part_digest(self.recipe.s2)

    @cached_property
    def _bert(self) -> str | None:
        return part_digest(self.recipe.bert)

    @cached_property
    def _speaker(self) -> str | None:
        return part_digest(self.recipe.speaker)


def file_digest(path: Path) -> str | None:
    """SHA-256 of a file, or None when it cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError:
        return None
    return digest.hexdigest()


def part_digest(path: Path | None) -> str | None:
    """SHA-256 of a model part: a file, or a folder's files with their names."""
    if path is None or path.is_file():
        return None if path is None else file_digest(path)
    files = sorted(p for p in path.rglob("*") if p.is_file())
    listing = [[p.relative_to(path).as_posix(), file_digest(p)] for p in files]
    return hashlib.sha256(json.dumps(listing).encode()).hexdigest()


def leftovers(store: FeatureStore) -> list[Path]:
    """Temporary files of runs that were killed."""
    folders = {
        store.root,
        store.root / FOLDER,
        *(of("x").parent for of in (store.bert_path, store.hubert_path, store.wave_path, store.speaker_path)),
    }
    return [path for folder in sorted(folders) for path in folder.glob(".*.part")]
