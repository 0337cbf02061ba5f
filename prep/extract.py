"""The work itself: one recording and its text to the files and table entries of a prepared folder."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from feature_extractor.audio import HUBERT_RATE, PREPARED_RATE, ScaledAudio, prepare_scaling, save_audio, sinc_resample
from gpt_sovits.core.errors import (
    AudioError,
    CheckpointError,
    ConfigError,
    DatasetError,
    GPTSoVITSError,
    StorageError,
)
from gpt_sovits.core.store import FeatureStore, TextEntry, read_tensor, write_tensor
from prep.checks import load_recording
from prep.config import Limits
from prep.index import Record
from prep.manifest import Utterance
from prep.report import Failure

if TYPE_CHECKING:
    from feature_extractor.bert import BertFeatures
    from feature_extractor.hubert import Hubert
    from feature_extractor.speaker import SpeakerEncoder
    from feature_extractor.text import TextAnalysis
    from sovits.model import Synthesizer

_log = logging.getLogger(__name__)

FATAL = (StorageError, CheckpointError, ConfigError)
"""Faults of the run, not of an item: they stop it."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything a worker needs to know; it travels to other processes."""

    out: Path
    symbols: str
    hubert: Path | None
    bert: Path | None
    s2: Path | None
    speaker: Path | None
    device: str
    half: bool
    batch: int
    limits: Limits


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be done for one item."""

    utterance: Utterance
    keys: dict[str, str]
    """By step, in order: the key its record will carry."""
    content_stored: bool
    """Whether `4-cnhubert` holds this recording's features already."""


@dataclass(slots=True)
class Outcome:
    """What came of a job."""

    job: Job
    records: list[Record] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    @contextmanager
    def attempt(self, step: str) -> Iterator[None]:
        """Note whatever goes wrong with this item, and let the others go on."""
        try:
            yield
        except FATAL:
            raise
        except GPTSoVITSError as error:
            self._fail(step, str(error))
        except Exception as error:  # noqa: BLE001 - an item may hurt third-party code in any way
            _log.debug("unexpected failure of %s", self.job.utterance.name, exc_info=True)
            self._fail(step, f"{type(error).__name__}: {error}")

    def _fail(self, step: str, reason: str) -> None:
        utterance = self.job.utterance
        self.failures.append(Failure(utterance.name, utterance.line, step, reason))

    def done(self, step: str, root: Path, files: Sequence[Path] = (), value: Mapping[str, Any] | None = None) -> None:
        sizes = {path.relative_to(root).as_posix(): path.stat().st_size for path in files}
        self.records.append(Record(self.job.utterance.name, step, self.job.keys[step], sizes, dict(value or {})))


class Extractor:
    """Runs jobs; each network is loaded when the first job asks for it."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.store = FeatureStore(recipe.out)
        self.device = torch.device(recipe.device)
        # Half precision is computed on a GPU only; elsewhere it says how features are stored.
        self.dtype = torch.float16 if recipe.half and self.device.type == "cuda" else torch.float32

    @torch.inference_mode()
    def run(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Do all steps of all jobs.

        Raises:
            GPTSoVITSError: a fault of the run (disk, model files), not of an item.
        """
        outcomes = [Outcome(job) for job in jobs]
        for outcome in outcomes:
            self._text(outcome)
        self._audio(outcomes)
        return outcomes

    def _text(self, outcome: Outcome) -> None:
        keys, utterance = outcome.job.keys, outcome.job.utterance
        if not keys.keys() & {"text", "bert"}:
            return
        with outcome.attempt("text"):
            analysis = self._analyse(utterance)
            if "text" in keys:
                entry = text_entry(utterance, analysis)
                value = {"phones": entry.phones, "word2ph": entry.word2ph, "text": entry.text}
                outcome.done("text", self.recipe.out, value=value)
            if "bert" in keys:
                with outcome.attempt("bert"):
                    path = self.store.bert_path(utterance.name)
                    write_tensor(path, self._stored(self._bert_features(analysis), "BERT features"))
                    outcome.done("bert", self.recipe.out, [path])

    def _audio(self, outcomes: Sequence[Outcome]) -> None:
        scaled: dict[int, ScaledAudio] = {}
        for place, outcome in enumerate(outcomes):
            if self._needs_recording(outcome.job):
                with outcome.attempt(next(step for step in outcome.job.keys if step in AUDIO_STEPS)):
                    wave = load_recording(outcome.job.utterance.path, self.recipe.limits)
                    scaled[place] = prepare_scaling(wave, outcome.job.utterance.name)
        content = self._content({i: s for i, s in scaled.items() if needs_content(outcomes[i].job)})
        for place, outcome in enumerate(outcomes):
            keys, audio = outcome.job.keys, scaled.get(place)
            features: Tensor | None = None
            if audio is not None and needs_content(outcome.job):
                with outcome.attempt("hubert" if "hubert" in keys else "semantic"):
                    features = self._checked(content.get(place), audio)
                    if "hubert" in keys:
                        self._hubert(outcome, audio, features)
            if "semantic" in keys and (features is not None or outcome.job.content_stored):
                with outcome.attempt("semantic"):
                    self._semantic(outcome, features)
            if "speaker" in keys and audio is not None:
                with outcome.attempt("speaker"):
                    self._speaker(outcome, audio)

    def _hubert(self, outcome: Outcome, audio: ScaledAudio, features: Tensor) -> None:
        name = outcome.job.utterance.name
        wave_path, feature_path = self.store.wave_path(name), self.store.hubert_path(name)
        save_audio(wave_path, audio.stored, PREPARED_RATE, kind="wav")
        write_tensor(feature_path, features)
        outcome.done("hubert", self.recipe.out, [wave_path, feature_path])

    def _semantic(self, outcome: Outcome, features: Tensor | None) -> None:
        if features is None:
            features = read_tensor(self.store.hubert_path(outcome.job.utterance.name))
        codes = self._synthesizer.encode(features.to(self.device, torch.float32)).flatten().tolist()
        if not codes:
            raise DatasetError(f"{outcome.job.utterance.name} is too short for a single semantic code")
        outcome.done("semantic", self.recipe.out, value={"codes": codes})

    def _speaker(self, outcome: Outcome, audio: ScaledAudio) -> None:
        path = self.store.speaker_path(outcome.job.utterance.name)
        wave = sinc_resample(audio.stored.float() / 32768, PREPARED_RATE, HUBERT_RATE)
        embedding = self._speaker_encoder(wave[None].to(self.device))
        write_tensor(path, self._stored(embedding, "the speaker embedding"))
        outcome.done("speaker", self.recipe.out, [path])

    def _needs_recording(self, job: Job) -> bool:
        return "speaker" in job.keys or needs_content(job)

    def _content(self, scaled: dict[int, ScaledAudio]) -> dict[int, Tensor]:
        """Content features [1, c, t] by place, where the encoder could make them in the usual precision."""
        if not scaled:
            return {}
        waves = [audio.content.to(self.device, self.dtype) for audio in scaled.values()]
        try:
            features = self._hubert_encoder.each(waves)
        except (RuntimeError, AudioError):  # one of them does not fit: `_checked` takes each alone and names it
            return {}
        return {place: item[None] for place, item in zip(scaled, features, strict=True)}

    def _checked(self, features: Tensor | None, audio: ScaledAudio) -> Tensor:
        """Features as they are stored; what overflowed in half precision is computed again in full."""
        if features is None:
            features = self._hubert_encoder(audio.content[None].to(self.device, self.dtype))
        if self.recipe.half and not features.half().isfinite().all():
            features = self._full_precision(audio)
            return self._finite(features.float().cpu(), "content features")
        return self._stored(features, "content features")

    def _full_precision(self, audio: ScaledAudio) -> Tensor:
        encoder = self._hubert_encoder
        try:
            return encoder.float()(audio.content[None].to(self.device))
        finally:
            encoder.to(self.dtype)

    def _stored(self, tensor: Tensor, what: str) -> Tensor:
        return self._finite(tensor, what).to("cpu", torch.float16 if self.recipe.half else torch.float32)

    @staticmethod
    def _finite(tensor: Tensor, what: str) -> Tensor:
        if not tensor.isfinite().all():
            raise DatasetError(f"{what} came out as NaN or infinite: check the recording and the model's weights")
        return tensor

    def _analyse(self, utterance: Utterance) -> TextAnalysis:
        from feature_extractor.text import analyse

        return analyse(clean_text(utterance.text), utterance.language, symbols=self.recipe.symbols, pad_short=False)

    def _bert_features(self, analysis: TextAnalysis) -> Tensor:
        from feature_extractor.bert import phone_features

        return phone_features(analysis, self._bert, self._bert.width)

    @cached_property
    def _bert(self) -> BertFeatures:
        from feature_extractor.bert import load_bert

        return load_bert(_given(self.recipe.bert)).to(self.device, self.dtype)

    @cached_property
    def _hubert_encoder(self) -> Hubert:
        from feature_extractor.hubert import load_hubert

        return load_hubert(_given(self.recipe.hubert)).to(self.device, self.dtype)

    @cached_property
    def _synthesizer(self) -> Synthesizer:
        from sovits import load_sovits

        return load_sovits(_given(self.recipe.s2)).to(self.device)

    @cached_property
    def _speaker_encoder(self) -> SpeakerEncoder:
        from feature_extractor.speaker import load_speaker

        return load_speaker(_given(self.recipe.speaker)).to(self.device, self.dtype)


_BREAKS = frozenset("\t\n\v\f\r\x1c\x1d\x1e\x85\u2028\u2029")

AUDIO_STEPS = ("hubert", "semantic", "speaker")


def needs_content(job: Job) -> bool:
    """Whether content features must be computed from the recording."""
    return "hubert" in job.keys or ("semantic" in job.keys and not job.content_stored)


def clean_text(text: str) -> str:
    """Two replacements the public preparation makes before its front end."""
    return text.replace("%", "-").replace("￥", ",")


def text_entry(utterance: Utterance, analysis: TextAnalysis) -> TextEntry:
    """The item's line of `2-name2text.txt`."""
    # A tab or line break would end the field; one space for each keeps the phone counts in step.
    text = "".join(" " if character in _BREAKS else character for character in analysis.normalised)
    return TextEntry(utterance.name, analysis.phones, analysis.word2ph, text)


def _given(path: Path | None) -> Path:
    assert path is not None, "the plan asks for no step whose model part is absent"
    return path
