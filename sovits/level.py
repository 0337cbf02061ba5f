"""How high a voice is on the whole: told with its style, so that what is spoken is as high as the reference."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from feature_extractor.spectral import SpectrogramConfig
from sovits.config import PitchConfig
from sovits.pitch import SPREAD

PERIODIC = 0.5
"""A frame is voiced where its autocorrelation comes back to so much of itself."""
OCTAVE_COST = 0.01
"""Of a period twice as long, which fits as well."""


class PitchLevel(nn.Module):
    """The level of a recording, as channels to be added to its style; at first they are zero."""

    def __init__(self, width: int, pitch: PitchConfig, spectrogram: SpectrogramConfig) -> None:
        super().__init__()
        self.pitch, self.spectrogram = pitch, spectrogram
        self.entry = nn.Conv1d(1, width, 1, bias=False)
        nn.init.zeros_(self.entry.weight)

    def forward(self, style: Tensor, spec: Tensor, mask: Tensor | None = None) -> Tensor:
        """Styles [b, width, 1] and, below, the level of their recordings: [b, width + 1, 1].

        Args:
            spec: linear magnitudes [b, bins, f].
            mask: [b, 1, f].
        """
        level = pitch_level(spec, mask, self.spectrogram, self.pitch)
        return torch.cat((style, level[:, None, None].to(style)), dim=1)

    def told(self, style: Tensor, spoken: bool = False) -> Tensor:
        """What `forward` returns, as channels [b, width, 1] for those who listen to a style.

        Args:
            spoken: for the pitch, when speaking: see `PitchConfig.level_gain`.
        """
        entered: Tensor = self.entry(style[:, -1:])
        return style[:, :-1] + (self.pitch.level_gain if spoken else 1.0) * entered


@torch.no_grad()
def pitch_level(spec: Tensor, mask: Tensor | None, spectrogram: SpectrogramConfig, config: PitchConfig) -> Tensor:
    """Median of log frequency, as `track_pitch` counts it, [b] of linear magnitudes [b, bins, f]; nothing voiced: zero.

    By the autocorrelation of each frame over that of its window (Boersma 1993).
    """
    shortest, longest = int(spectrogram.rate / config.high), int(spectrogram.rate / config.low) + 1
    with torch.autocast(spec.device.type, enabled=False):
        heard = torch.fft.irfft(spec.float().square().mT)
        window = torch.hann_window(spectrogram.window, device=spec.device)
        own = torch.fft.irfft(torch.fft.rfft(window, spectrogram.n_fft).abs().square())
    lags = torch.arange(shortest - 1, longest + 1, device=spec.device)
    fit = heard[..., lags] / heard[..., :1].clamp(min=1e-9) * (own[0] / own[lags])
    peak = (fit[..., 1:-1] > fit[..., :-2]) & (fit[..., 1:-1] >= fit[..., 2:])
    fit, lags = fit[..., 1:-1], lags[1:-1]
    best, place = (fit - OCTAVE_COST * (lags / shortest).log2()).where(peak, fit.new_tensor(-1.0)).max(-1)
    loud = heard[..., 0] > 1e-3 * heard[..., 0].amax(-1, keepdim=True)
    voiced = (best > PERIODIC) & loud
    if mask is not None:
        voiced &= mask[:, 0] > 0
    value = ((spectrogram.rate / lags[place]).log() - config.middle) / SPREAD
    return value.where(voiced, value.new_tensor(float("nan"))).nanmedian(-1).values.nan_to_num()
