"""The voice in a predicted mel spectrogram, for networks whose training makes no wave to listen to."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional as F

from feature_extractor.audio import HUBERT_RATE, sinc_resample
from feature_extractor.speaker import SHIFT, SpeakerEncoder, fbank
from gpt_sovits.core.errors import ConfigError
from sovits.segments import slice_segments
from sovits.vocoder import MelVocoder

AROUND = 3
"""Mel frames that one frame of the filterbank is told from; their windows are of other lengths."""
RIDGE = 10.0
LONGEST = 200
"""Frames that are listened to: two seconds tell a voice."""


class MelListener:
    """A speaker encoder behind a linear map from the vocoder's log-mel frames to the filterbank it reads.

    No module, as it is no part of what is trained and stored.
    """

    def __init__(self, encoder: SpeakerEncoder, weight: Tensor) -> None:
        self.encoder = encoder
        self.weight = weight

    @classmethod
    def fit(cls, encoder: SpeakerEncoder, head: MelVocoder, waves: Iterable[Tensor], rate: int) -> MelListener:
        """Find the map by least squares in recordings [w] at `rate`, some minutes of several voices.

        Raises:
            ConfigError: the vocoder's frames are not those of the filterbank.
        """
        if head.config.hop * HUBERT_RATE != SHIFT * rate:
            raise ConfigError("task.weights.speaker needs a vocoder with a frame every 10 ms: set it to 0 for this one")
        size = AROUND * head.config.bands + 1
        square = RIDGE * torch.eye(size, dtype=torch.float64)
        product = torch.zeros(size, encoder.config.bands, dtype=torch.float64)
        for wave in waves:
            banks = fbank(sinc_resample(wave[None].float(), rate, HUBERT_RATE), encoder.config.bands)[0]
            x = _around(head.target(wave[None]))[0, : len(banks)].double()
            square += x.T @ x
            product += x.T @ banks[: len(x)].double()
        return cls(encoder, torch.linalg.solve(square, product).float())

    def to(self, device: torch.device | str) -> MelListener:
        return MelListener(self.encoder.to(device), self.weight.to(device))

    def __call__(self, mel: Tensor) -> Tensor:
        """Embeddings [b, e] of log-mel frames [b, m, f]."""
        return self.encoder.embed(_around(mel.float()) @ self.weight)


def excerpt(mel: Tensor, start: Tensor, lengths: Tensor, span: int) -> Tensor:
    """What is listened to of a batch [b, m, f]: a window of one length inside the shortest row.

    Args:
        start, lengths: where the windows may begin, and what is real, in frames of the spectrogram [b].
        span: frames of `mel` to one of the spectrogram.
    """
    real = span * lengths
    longest = min(LONGEST, int(real.min()))
    return slice_segments(mel, (span * start).minimum(real - longest), longest)


def _around(mel: Tensor) -> Tensor:
    """Each frame of [b, m, f] with its neighbours, and a one: [b, f, 3 m + 1]."""
    padded = F.pad(mel, (AROUND // 2, AROUND // 2), mode="replicate")
    near = torch.cat([padded[..., i : i + mel.shape[-1]] for i in range(AROUND)], dim=1)
    return F.pad(near.mT, (0, 1), value=1.0)
