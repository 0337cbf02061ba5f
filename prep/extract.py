"""The work itself: one recording and its text to the files and table entries of a prepared folder."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from feature_extractor.audio import PREPARED_RATE, ScaledAudio, prepare_scaling, save_audio
from feature_extractor.text import TextAnalysis, analyse
from gpt_sovits.core.store import FeatureStore, TextEntry, read_tensor, write_tensor
from prep.checks import load_recording
from prep.job import AUDIO_STEPS, Job, Outcome, Recipe
from prep.manifest import Utterance
from prep.networks import Networks

_BREAKS = frozenset("\t\n\v\f\r\x1c\x1d\x1e\x85\u2028\u2029")


class Extractor:
    """Runs jobs."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.store = FeatureStore(recipe.out)
        self.networks = Networks(recipe)

    @torch.inference_mode()
    def run(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Do all steps of all jobs.

        Raises:
            GPTSoVITSError: a fault of the run (disk, model files), not of an item.
        """
        outcomes = [Outcome(job) for job in jobs]
        self._bert_steps([(outcome, self._text_step(outcome)) for outcome in outcomes])
        recordings = [self._recording(outcome) for outcome in outcomes]
        wanted = [i for i, audio in enumerate(recordings) if audio is not None and jobs[i].needs_content]
        batch = self.networks.content([audio for i in wanted if (audio := recordings[i]) is not None])
        content = dict(zip(wanted, batch, strict=True))
        for i, (outcome, audio) in enumerate(zip(outcomes, recordings, strict=True)):
            self._audio_steps(outcome, audio, content.get(i))
        return outcomes

    def _text_step(self, outcome: Outcome) -> TextAnalysis | None:
        """The text as it is read; None where no step needs it or it cannot be read, which is then noted."""
        keys, utterance = outcome.job.keys, outcome.job.utterance
        analysis: TextAnalysis | None = None
        if "text" in keys or "bert" in keys:
            with outcome.attempt("text"):
                analysis = analyse(
                    utterance.spoken,
                    utterance.language,
                    symbols=self.recipe.symbols,
                    compat=self.recipe.compat,
                    pad_short=False,
                )
        if analysis is not None and "text" in keys:
            entry = text_entry(utterance, analysis)
            value = {"phones": entry.phones, "word2ph": entry.word2ph, "text": entry.text}
            outcome.done("text", self.recipe.out, value=value)
        return analysis

    def _bert_steps(self, texts: Sequence[tuple[Outcome, TextAnalysis | None]]) -> None:
        wanted = [
            (outcome, analysis) for outcome, analysis in texts if analysis is not None and "bert" in outcome.job.keys
        ]
        together = self.networks.bert([analysis for _, analysis in wanted])
        for (outcome, analysis), features in zip(wanted, together, strict=True):
            with outcome.attempt("bert"):
                path = self.store.bert_path(outcome.job.utterance.name)
                write_tensor(path, self.networks.bert_of(analysis) if features is None else features)
                outcome.done("bert", self.recipe.out, [path])

    def _recording(self, outcome: Outcome) -> ScaledAudio | None:
        """The recording, levelled; None where no step needs it or it is bad, which is then noted."""
        job = outcome.job
        if job.needs_recording:
            with outcome.attempt(next(step for step in AUDIO_STEPS if step in job.keys)):
                wave = load_recording(job.utterance.path, self.recipe.limits)
                return prepare_scaling(wave, job.utterance.name)
        return None

    def _audio_steps(self, outcome: Outcome, audio: ScaledAudio | None, features: Tensor | None) -> None:
        keys, name = outcome.job.keys, outcome.job.utterance.name
        if audio is not None and outcome.job.needs_content:
            with outcome.attempt("hubert" if "hubert" in keys else "semantic"):
                features = self.networks.content_of(audio) if features is None else features
                if "hubert" in keys:
                    self._hubert(outcome, audio, features)
        if "semantic" in keys and (features is not None or outcome.job.content_stored):
            with outcome.attempt("semantic"):
                codes = self.networks.codes(read_tensor(self.store.hubert_path(name)) if features is None else features)
                outcome.done("semantic", self.recipe.out, value={"codes": codes})
        if "speaker" in keys and audio is not None:
            with outcome.attempt("speaker"):
                path = self.store.speaker_path(name)
                write_tensor(path, self.networks.speaker(audio))
                outcome.done("speaker", self.recipe.out, [path])

    def _hubert(self, outcome: Outcome, audio: ScaledAudio, features: Tensor) -> None:
        name = outcome.job.utterance.name
        wave_path, feature_path = self.store.wave_path(name), self.store.hubert_path(name)
        save_audio(wave_path, audio.stored, PREPARED_RATE, kind="wav")
        write_tensor(feature_path, features)
        outcome.done("hubert", self.recipe.out, [wave_path, feature_path])


def text_entry(utterance: Utterance, analysis: TextAnalysis) -> TextEntry:
    """The item's line of `2-name2text.txt`."""
    # A tab or line break would end the field; one space for each keeps the phone counts in step.
    text = "".join(" " if character in _BREAKS else character for character in analysis.normalised)
    return TextEntry(utterance.name, analysis.phones, analysis.word2ph, text)
