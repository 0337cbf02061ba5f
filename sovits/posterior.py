"""Linear spectrogram to the latent distribution the generator learns from; used in training only (VITS)."""

from __future__ import annotations

from torch import Tensor, nn

from sovits.config import SynthesizerConfig
from sovits.wavenet import WaveNet


class PosteriorEncoder(nn.Module):
    """Mean and log deviation of the latent of a recording."""

    def __init__(self, config: SynthesizerConfig) -> None:
        super().__init__()
        assert config.posterior is not None
        self.entry = nn.Conv1d(config.spectrogram.bins, config.hidden, 1)
        self.wavenet = WaveNet(config.hidden, config.posterior.kernel, config.posterior.layers, config.style.width)
        self.exit = nn.Conv1d(config.hidden, 2 * config.inter, 1)

    def forward(self, spec: Tensor, mask: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log deviation, each [b, inter, f], of a spectrogram [b, bins, f]."""
        x = self.wavenet(self.entry(spec) * mask, mask, style)
        mean, log_deviation = (self.exit(x) * mask).chunk(2, dim=1)
        return mean, log_deviation
