"""The voice to clone, and what stage 1 continues in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from feature_extractor.audio import HUBERT_RATE, limit_peak, load_audio, sinc_resample
from feature_extractor.spectral import SpectrogramConfig, spectrogram
from gpt_sovits.core.errors import AudioError, ReferenceAudioError
from gpt_sovits.pipeline.parts import Parts
from gpt_sovits.pipeline.text import Sentence

SHORTEST, LONGEST = 3.0, 10.0


@dataclass(frozen=True, slots=True)
class Voice:
    """One reference clip, with the auxiliary ones that share in its timbre."""

    codes: Tensor | None
    """[t] semantic codes of the reference, and of the silence the model wants after it; None: not asked for."""
    spectrograms: tuple[Tensor, ...]
    """[1, bins, f] of the reference, then of each auxiliary clip."""
    speakers: tuple[Tensor, ...] | None
    """[1, 20480] of each clip; None: the model has no speaker branch."""
    style: Tensor
    """[1, s, 1] what stage 2 makes of all that."""


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence and its codes [t]."""

    sentence: Sentence
    codes: Tensor


@dataclass(frozen=True, slots=True)
class Prompt:
    """The voice, and what stage 1 continues: a sentence of the model's own in the language, or else the reference's."""

    voice: Voice
    sentence: Sentence | None = None
    """What the reference says, when that is known."""
    own: Mapping[str, Said] = field(default_factory=dict)
    """The model's, by language."""

    def before(self, sentence: Sentence) -> Said | None:
        """What stage 1 continues with this one; None: it begins by itself."""
        if sentence.language in self.own:
            return self.own[sentence.language]
        if self.sentence is None or self.voice.codes is None:
            return None
        return Said(self.sentence, self.voice.codes)


@torch.inference_mode()
def read_voice(parts: Parts, reference: Path, others: Sequence[Path] = (), codes: bool = True) -> Voice:
    """Hear the reference clips.

    Args:
        codes: whether stage 1 may have to continue the reference; hearing what it says takes longer than its voice.

    Raises:
        AudioError: a clip cannot be read, or is silent.
        ReferenceAudioError: the reference lasts less than 3 or more than 10 seconds.
    """
    content = load_audio(reference, HUBERT_RATE)
    seconds = content.shape[-1] / HUBERT_RATE
    if not SHORTEST <= seconds <= LONGEST:
        raise ReferenceAudioError(seconds)
    config = parts.synthesizer.config.spectrogram
    waves = [_timbre(path, config) for path in (reference, *others)]
    spectrograms = [spectrogram(wave[None].to(parts.device), config) for wave in waves]
    speakers = None
    if parts.synthesizer.config.speaker is not None:
        speakers = [_speaker(parts, wave, config.rate) for wave in waves]
    return Voice(
        codes=_codes(parts, content) if codes else None,
        spectrograms=tuple(spectrograms),
        speakers=None if speakers is None else tuple(speakers),
        style=parts.synthesizer.reference_style(spectrograms, speakers),
    )


def _timbre(path: Path, config: SpectrogramConfig) -> Tensor:
    wave = load_audio(path, config.rate, published=True)
    if wave.shape[-1] < config.n_fft:
        raise AudioError(f"{path} lasts only {wave.shape[-1] / config.rate:.2f} s: give at least 0.1 s of the voice")
    if not wave.abs().max() > 1e-4:
        raise AudioError(f"{path} is silent: choose a clip in which somebody speaks")
    return limit_peak(wave)


def _codes(parts: Parts, content: Tensor) -> Tensor:
    padded = torch.cat([content, torch.zeros(int(parts.prompt_silence * HUBERT_RATE))])
    return parts.synthesizer.encode(parts.hubert(padded[None].to(parts.device)))


def _speaker(parts: Parts, wave: Tensor, rate: int) -> Tensor:
    assert parts.speaker is not None
    return parts.speaker(sinc_resample(wave, rate, HUBERT_RATE)[None].to(parts.device))
