"""The networks that preparation asks, each loaded when the first item needs it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from feature_extractor.audio import HUBERT_RATE, PREPARED_RATE, ScaledAudio, sinc_resample
from gpt_sovits.core.errors import AudioError, DatasetError, TextError
from prep.job import Recipe

if TYPE_CHECKING:
    from feature_extractor.bert import BertFeatures
    from feature_extractor.content import ContentEncoder
    from feature_extractor.speaker import SpeakerEncoder
    from feature_extractor.text import TextAnalysis
    from sovits.model import Synthesizer


class Networks:
    """Features in the form they are stored in: on the CPU, half precision if the recipe says so, all finite."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.device = torch.device(recipe.device)
        # Half precision is computed on a GPU only; elsewhere it says how features are stored.
        self.dtype = torch.float16 if recipe.half and self.device.type == "cuda" else torch.float32

    def content(self, recordings: Sequence[ScaledAudio]) -> list[Tensor | None]:
        """Content features [1, c, t] of recordings; None for one that `content_of` has to look at alone."""
        if not recordings:
            return []
        try:
            features = self._hubert.each([audio.content.to(self.device, self.dtype) for audio in recordings])
        except (RuntimeError, AudioError):  # out of memory, or one is too short: taken singly, it can be named
            return [None] * len(recordings)
        what = "the content features"
        return [self.stored(item[None], what) if self._fits(item) else None for item in features]

    def content_of(self, audio: ScaledAudio) -> Tensor:
        """Content features [1, c, t] of one recording; what overflows in half precision is kept in full.

        Raises:
            DatasetError: they are not finite in full precision either.
        """
        features = self._hubert(audio.content[None].to(self.device, self.dtype))
        if self.recipe.half and not self._fits(features):
            return _finite(self._full_precision(audio), "the content features").float().cpu()
        return self.stored(features, "the content features")

    def bert(self, analyses: Sequence[TextAnalysis]) -> list[Tensor | None]:
        """BERT features [c, n] of every phone of each text; None for one that `bert_of` has to look at alone."""
        from feature_extractor.bert import phone_features_of

        if len(analyses) < 2:
            return [None] * len(analyses)
        try:
            features = phone_features_of(analyses, self._bert, self._bert.width)
        except (RuntimeError, TextError):  # out of memory, or one is too long: taken singly, it can be named
            return [None] * len(analyses)
        return [self.stored(item, "the BERT features") if self._fits(item) else None for item in features]

    def bert_of(self, analysis: TextAnalysis) -> Tensor:
        """BERT features [c, n] of every phone of one text.

        Raises:
            TextError: it is too long for the network.
            DatasetError: the features are not finite.
        """
        from feature_extractor.bert import phone_features

        return self.stored(phone_features(analysis, self._bert, self._bert.width), "the BERT features")

    def codes(self, features: Tensor) -> list[int]:
        """Semantic codes of content features [1, c, t]."""
        codes: list[int] = self._synthesizer.encode(features.to(self.device, torch.float32)).flatten().tolist()
        if not codes:
            raise AudioError("the recording is too short for a single semantic code")
        return codes

    def speaker(self, audio: ScaledAudio) -> Tensor:
        """[1, e] embedding of the voice, from the samples as stored."""
        wave = sinc_resample(audio.stored.float() / 32768, PREPARED_RATE, HUBERT_RATE)
        return self.stored(self._speaker(wave[None].to(self.device)), "the speaker embedding")

    def stored(self, tensor: Tensor, what: str) -> Tensor:
        """The tensor as it goes to disk.

        Raises:
            DatasetError: it holds NaN or infinite values.
        """
        return _finite(tensor.to("cpu", torch.float16 if self.recipe.half else torch.float32), what)

    def _fits(self, features: Tensor) -> bool:
        return bool((features.half() if self.recipe.half else features).isfinite().all())

    def _full_precision(self, audio: ScaledAudio) -> Tensor:
        encoder = self._hubert
        try:
            return encoder.float()(audio.content[None].to(self.device))
        finally:
            encoder.to(self.dtype)

    @cached_property
    def _hubert(self) -> ContentEncoder:
        from feature_extractor.content import load_content

        return load_content(_given(self.recipe.hubert)).to(self.device, self.dtype)

    @cached_property
    def _bert(self) -> BertFeatures:
        from feature_extractor.bert import load_bert

        return load_bert(_given(self.recipe.bert)).to(self.device, self.dtype)

    @cached_property
    def _synthesizer(self) -> Synthesizer:
        from sovits import load_sovits

        return load_sovits(_given(self.recipe.s2)).to(self.device)

    @cached_property
    def _speaker(self) -> SpeakerEncoder:
        from feature_extractor.speaker import load_speaker

        return load_speaker(_given(self.recipe.speaker)).to(self.device, self.dtype)


def _finite(tensor: Tensor, what: str) -> Tensor:
    if not tensor.isfinite().all():
        raise DatasetError(f"{what} came out as NaN or infinite: check the recording and the model's weights")
    return tensor


def _given(path: Path | None) -> Path:
    assert path is not None, "the plan asks for no step whose model part is absent"
    return path
