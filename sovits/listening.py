"""What is heard in a predicted mel spectrogram, for networks whose training makes no wave to listen to.

A linear map from the vocoder's log-mel frames to the spectra that an encoder reads stands for the wave between them. It
is found by least squares in some minutes of recordings of several voices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from feature_extractor.audio import HUBERT_RATE, sinc_resample
from feature_extractor.speaker import SHIFT, SpeakerEncoder, fbank
from feature_extractor.whisper import Whisper, floored
from gpt_sovits.core.errors import ConfigError
from sovits.segments import slice_segments
from sovits.vocoder import MelVocoder

AROUND = 3
"""Mel frames that one frame of the spectrum is told from; their windows are of other lengths."""
RIDGE = 10.0
LONGEST = 200
"""Frames that are listened to: two seconds tell a voice."""


class MelListener:
    """A speaker encoder that hears mel frames.

    No module, as it is no part of what is trained and stored.
    """

    def __init__(self, encoder: SpeakerEncoder, weight: Tensor) -> None:
        self.encoder = encoder
        self.weight = weight

    @classmethod
    def fit(cls, encoder: SpeakerEncoder, head: MelVocoder, waves: Iterable[Tensor], rate: int) -> MelListener:
        """Find the map in recordings [w] at `rate`.

        Raises:
            ConfigError: the vocoder's frames are not those of the filterbank.
        """
        bands = encoder.config.bands
        return cls(encoder, _fit(head, waves, rate, lambda wave: fbank(wave, bands)[0], bands))

    def to(self, device: torch.device | str) -> MelListener:
        return MelListener(self.encoder.to(device), self.weight.to(device))

    def __call__(self, mel: Tensor) -> Tensor:
        """Embeddings [b, e] of log-mel frames [b, m, f]."""
        return self.encoder.embed(_around(mel.float()) @ self.weight)


class ContentListener:
    """Whisper's encoder, and the layer before the codes, hearing mel frames."""

    def __init__(self, whisper: Whisper, content: nn.Conv1d, weight: Tensor, peak: float) -> None:
        self.whisper = whisper
        self.content = content
        self.weight = weight
        self.peak = peak

    @classmethod
    def fit(
        cls, whisper: Whisper, content: nn.Conv1d, head: MelVocoder, waves: Iterable[Tensor], rate: int
    ) -> ContentListener:
        """Find the map in recordings [w] at `rate`, and how loud their loudest bands are to the encoder.

        Args:
            content: content features to those that the codes stand for.

        Raises:
            ConfigError: the vocoder's frames are not those of the encoder.
        """
        peaks: list[float] = []

        def hear(wave: Tensor) -> Tensor:
            peaks.append(float(whisper.log_mel(wave).max()))
            power = whisper.log_power(wave)[0].mT
            return power.maximum(power.max() - 8)  # what lies below is not heard

        weight = _fit(head, waves, rate, hear, len(whisper.filters))
        return cls(whisper, content, weight, sum(peaks) / len(peaks))

    def to(self, device: torch.device | str) -> ContentListener:
        return ContentListener(self.whisper.to(device), self.content.to(device), self.weight.to(device), self.peak)

    def __call__(self, real: Tensor, made: Tensor) -> Tensor:
        """How far what is said in made log-mel frames is from what is said in real ones, both [b, m, f].

        Returns:
            Mean squared distance, in variances of the real features.
        """
        with torch.no_grad():
            wanted = self.features(real, real).float()
        return F.mse_loss(self.features(made, real).float(), wanted) / wanted.var()

    def features(self, mel: Tensor, level: Tensor) -> Tensor:
        """What the codes stand for [b, c, f // 4] in log-mel frames [b, m, f].

        Args:
            level: frames [b, m, f'] that are made as loud as recordings are made for the encoder.
        """
        power, loud = (_around(frames.float()) @ self.weight for frames in (mel, level))
        power = power + 4 * self.peak - 4 - loud.amax((1, 2), keepdim=True)
        features = self.whisper.project(self.whisper.hear(floored(power.mT), power.shape[1] // 4 * 2))
        heard: Tensor = self.content(features.mT)
        return heard


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


def _fit(head: MelVocoder, waves: Iterable[Tensor], rate: int, hear: Callable[[Tensor], Tensor], bands: int) -> Tensor:
    """The map [3 m + 1, bands] from mel frames to what `hear` makes [f, bands] of a wave [1, w] at 16 kHz."""
    if head.config.hop * HUBERT_RATE != SHIFT * rate:
        raise ConfigError(
            "task.weights.speaker and content need a vocoder with a frame every 10 ms: set them to 0 for this one"
        )
    size = AROUND * head.config.bands + 1
    square = RIDGE * torch.eye(size, dtype=torch.float64)
    product = torch.zeros(size, bands, dtype=torch.float64)
    for wave in waves:
        y = hear(sinc_resample(wave[None].float(), rate, HUBERT_RATE))
        x = _around(head.target(wave[None]))[0, : len(y)].double()
        square += x.T @ x
        product += x.T @ y[: len(x)].double()
    return torch.linalg.solve(square, product).float()


def drawn_voices(rows: int, every: int, swapped: float, device: torch.device) -> Tensor:
    """In whose voice each of the first `rows` of a batch of `every` is to be spoken [rows]: its own, or another's.

    Args:
        swapped: share of others.
    """
    own = torch.arange(rows, device=device)
    if swapped == 0 or every == 1:
        return own
    other = (own + torch.randint(1, every, (), device=device)) % every
    return torch.where(torch.rand(rows, device=device) < swapped, other, own)
