"""Codes as stage 1 would say them, for teaching stage 2 what it will hear when speaking."""

from __future__ import annotations

import torch
from torch import Tensor

from ar import Batch, Text2SemanticDecoder, load_text2semantic
from ar.loss import teacher_forced
from gpt_sovits.core.bundle import Bundle
from gpt_sovits.core.device import pick_device
from gpt_sovits.core.errors import ConfigError
from sovits.batch import Batch as Recordings
from sovits.model import FRAMES_PER_CODE


class Reteller:
    """A stage 1 that says each code anew after the right ones before it, so that time and text stay aligned.

    Drawn from torch's global generator, at temperature 1: unlikely codes are among them, as in a voice never heard.
    No module, as it is no part of what is trained and stored.
    """

    def __init__(self, decoder: Text2SemanticDecoder, codes: int) -> None:
        self.decoder = decoder.eval().requires_grad_(False)
        self.codes = codes

    @classmethod
    def of(cls, source: Bundle, codes: int, device: str) -> Reteller:
        """The model's own stage 1.

        Args:
            codes: how many codes its stage 2 knows.

        Raises:
            ConfigError: the model has no stage 1, or one that reads more than phones.
        """
        path = source.part("s1")
        decoder = None if path is None else load_text2semantic(path)
        if decoder is None or decoder.bert is not None:
            raise ConfigError(
                "task.retold needs a model whose stage 1 reads phones alone, without BERT features: set it to 0 for "
                "this one"
            )
        return cls(decoder.to(pick_device(device)), codes)

    @torch.no_grad()
    def __call__(self, batch: Recordings, codes: Tensor) -> Tensor:
        """Codes [b, t] said anew; what lies behind a shorter recording is of no meaning."""
        lengths = (batch.spec_lengths // FRAMES_PER_CODE).clamp(max=codes.shape[1])
        known = Batch(phones=batch.phones, phone_lengths=batch.phone_lengths, codes=codes, code_lengths=lengths)
        _, logits, _ = teacher_forced(self.decoder, known)
        chances = logits[:, : codes.shape[1], : self.codes].float().softmax(-1)
        return torch.multinomial(chances.flatten(0, 1), 1).view_as(codes)
