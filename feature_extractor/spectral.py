"""Linear and mel spectrograms, the same for preparing data, for training losses and for inference."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from gpt_sovits.core.config import Strict
from gpt_sovits.core.errors import AudioError, ConfigError


class SpectrogramConfig(Strict):
    """Framing of a short-time Fourier transform, in samples of `rate` Hz audio."""

    rate: int = 32000
    n_fft: int = 2048
    hop: int = 640
    window: int = 2048

    @property
    def bins(self) -> int:
        """Height of the linear spectrogram."""
        return self.n_fft // 2 + 1


class MelConfig(SpectrogramConfig):
    """A spectrogram and the mel bands it is summed into."""

    bands: int = 128
    low: float = 0.0
    """Lower edge of the lowest band in Hz."""
    high: float | None = None
    """Upper edge of the highest band in Hz; None: half the sampling rate."""


def spectrogram(wave: Tensor, config: SpectrogramConfig) -> Tensor:
    """Linear magnitudes, one frame for every whole `hop` samples.

    The wave is mirrored by (n_fft - hop) / 2 samples at both ends, so that frame i is centred on its own hop. A small
    constant under the root keeps the gradient finite at silence.

    Args:
        wave: [b, w] in -1..1, longer than the mirrored margin.

    Returns:
        [b, n_fft // 2 + 1, f] with f = w // hop.

    Raises:
        AudioError: the wave is too short to be mirrored.
    """
    margin = (config.n_fft - config.hop) // 2
    if wave.shape[-1] <= margin:
        raise AudioError(
            f"a spectrogram of {config.n_fft} samples needs a wave longer than {margin} samples; got {wave.shape[-1]}"
        )
    padded = F.pad(wave.float().unsqueeze(1), (margin, margin), mode="reflect").squeeze(1)
    window = torch.hann_window(config.window, device=wave.device)
    transform = torch.stft(
        padded,
        n_fft=config.n_fft,
        hop_length=config.hop,
        win_length=config.window,
        window=window,
        center=False,
        return_complex=True,
    )
    return (transform.real.square() + transform.imag.square() + 1e-8).sqrt()


def mel_filters(config: MelConfig) -> Tensor:
    """Triangular bands of equal area on the Slaney mel scale (Auditory Toolbox, 1998): [bands, bins].

    The scale is linear below 1 kHz and logarithmic above; each triangle is scaled by 2 / its width in Hz.
    """
    high = config.rate / 2 if config.high is None else config.high
    if not 0 <= config.low < high <= config.rate / 2:
        raise ConfigError(f"mel bands from {config.low} to {high} Hz do not fit audio of {config.rate} Hz")
    mels = torch.linspace(_hz_to_mel(config.low), _hz_to_mel(high), config.bands + 2, dtype=torch.float64)
    edges = _mel_to_hz(mels)
    frequencies = torch.linspace(0, config.rate / 2, config.bins, dtype=torch.float64)
    widths = edges.diff()
    distance = edges[:, None] - frequencies[None, :]
    rising = -distance[:-2] / widths[:-1, None]
    falling = distance[2:] / widths[1:, None]
    triangles = torch.minimum(rising, falling).clamp(min=0)
    return (triangles * (2 / (edges[2:] - edges[:-2]))[:, None]).float()


def spectrogram_to_mel(spec: Tensor, config: MelConfig) -> Tensor:
    """Natural logarithm of the band sums, floored at 1e-5: [b, bins, f] -> [b, bands, f]."""
    bands = mel_filters(config).to(spec) @ spec
    return bands.clamp(min=1e-5).log()


def mel_spectrogram(wave: Tensor, config: MelConfig) -> Tensor:
    """Log-mel spectrogram of a wave: [b, w] -> [b, bands, w // hop]."""
    return spectrogram_to_mel(spectrogram(wave, config), config)


_LINEAR_HZ_PER_MEL = 200 / 3
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _LINEAR_HZ_PER_MEL
_LOG_STEP = math.log(6.4) / 27
"""Above the break, 27 mels multiply the frequency by 6.4."""


def _hz_to_mel(hz: float) -> float:
    if hz < _BREAK_HZ:
        return hz / _LINEAR_HZ_PER_MEL
    return _BREAK_MEL + math.log(hz / _BREAK_HZ) / _LOG_STEP


def _mel_to_hz(mel: Tensor) -> Tensor:
    return torch.where(mel < _BREAK_MEL, mel * _LINEAR_HZ_PER_MEL, _BREAK_HZ * ((mel - _BREAK_MEL) * _LOG_STEP).exp())
