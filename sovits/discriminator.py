"""Discriminators on the wave and its periods (HiFi-GAN, Kong et al. 2020) and on its spectra (Jang et al. 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sovits.config import DiscriminatorConfig
from sovits.weightnorm import normed

SLOPE = 0.1


class Verdict(NamedTuple):
    """What one discriminator says."""

    score: Tensor
    """[b, n], near 1 for real speech."""
    features: list[Tensor]
    """Activations of every layer, the score's map last."""


class ConvStack(nn.Module):
    """Convolutions with leaky ReLU, and a last one that scores."""

    def __init__(
        self, convs: Sequence[nn.Conv1d | nn.Conv2d], exit: nn.Conv1d | nn.Conv2d, slope: float = SLOPE
    ) -> None:
        super().__init__()
        self.slope = slope
        self.convs = nn.ModuleList(normed(conv) for conv in convs)
        self.exit = normed(exit)

    def judge(self, x: Tensor) -> Verdict:
        features = []
        for conv in self.convs:
            x = F.leaky_relu(conv(x), self.slope)
            features.append(x)
        x = self.exit(x)
        return Verdict(x.flatten(1), [*features, x])


class ScaleDiscriminator(ConvStack):
    """On the plain wave, with wide grouped convolutions."""

    def __init__(self, width: float) -> None:
        a, b, c, d = (scaled(n, width) for n in (16, 64, 256, 1024))
        chain = ((a, b), (b, c), (c, d), (d, d))
        super().__init__(
            [
                nn.Conv1d(1, a, 15, padding=7),
                *(nn.Conv1d(i, o, 41, 4, padding=20, groups=i // 4) for i, o in chain),
                nn.Conv1d(d, d, 5, padding=2),
            ],
            nn.Conv1d(d, 1, 3, padding=1),
        )

    def forward(self, wave: Tensor) -> Verdict:
        return self.judge(wave)


class PeriodDiscriminator(ConvStack):
    """On the wave folded so that samples one period apart stand in a column."""

    def __init__(self, period: int, config: DiscriminatorConfig) -> None:
        widths = [1, *(scaled(n, config.width) for n in config.period_widths)]
        last = len(widths) - 1
        super().__init__(
            [
                nn.Conv2d(widths[i - 1], widths[i], (5, 1), (3 if i < last else 1, 1), padding=(2, 0))
                for i in range(1, last + 1)
            ],
            nn.Conv2d(widths[-1], 1, (3, 1), padding=(1, 0)),
            config.slope,
        )
        self.period = period

    def forward(self, wave: Tensor) -> Verdict:
        b, _, w = wave.shape
        wave = F.pad(wave, (0, -w % self.period), mode="reflect")
        return self.judge(wave.view(b, 1, -1, self.period))


class SpectralStack(ConvStack):
    """Convolutions over bands and time: `span` frames of time wide, and three strided ones among them."""

    def __init__(self, config: DiscriminatorConfig, span: int, stride: tuple[int, int]) -> None:
        c, size, padding = scaled(32, config.width), (3, span), (1, span // 2)
        super().__init__(
            [
                nn.Conv2d(1, c, size, padding=padding),
                *(nn.Conv2d(c, c, size, stride, padding=padding) for _ in range(3)),
                nn.Conv2d(c, c, 3, padding=1),
            ],
            nn.Conv2d(c, 1, 3, padding=1),
            config.slope,
        )


class ResolutionDiscriminator(SpectralStack):
    """On a magnitude spectrogram of one resolution, striding along time, as in so-vits-svc-5."""

    window: Tensor

    def __init__(self, resolution: tuple[int, int, int], config: DiscriminatorConfig) -> None:
        super().__init__(config, 9, (1, 2))
        self.n_fft, self.hop, self.size = resolution
        shape = torch.hann_window(self.size) if config.window == "hann" else torch.ones(self.size)
        self.register_buffer("window", shape, persistent=False)

    def forward(self, wave: Tensor) -> Verdict:
        return self.judge(self.magnitude(wave)[:, None])

    def magnitude(self, wave: Tensor) -> Tensor:
        """[b, bins, f] of waves [b, 1, w]."""
        wave = F.pad(wave.float(), ((self.n_fft - self.hop) // 2,) * 2, mode="reflect")[:, 0]
        window = self.window.float()
        spec = torch.stft(wave, self.n_fft, self.hop, self.size, window, center=False, return_complex=True)
        # The 1e-9 keeps the slope of silence finite.
        return (spec.real.square() + spec.imag.square() + 1e-9).sqrt()


class MelDiscriminator(SpectralStack):
    """On log-mel frames, striding along both axes."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__(config, 5, (2, 2))

    def forward(self, mel: Tensor) -> Verdict:
        return self.judge(mel)


class Discriminator(nn.Module):
    """All of them side by side."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        if config.mel:
            self.judges = nn.ModuleList([MelDiscriminator(config)])
            return
        scale: list[nn.Module] = [ScaleDiscriminator(config.width)] if config.scale else []
        periods = [PeriodDiscriminator(p, config) for p in config.periods]
        resolutions = [ResolutionDiscriminator(r, config) for r in config.resolutions]
        self.judges = nn.ModuleList([*scale, *periods, *resolutions])

    def forward(self, wave: Tensor) -> list[Verdict]:
        """Verdicts on waves [b, 1, w], or on mel frames [b, 1, m, f]."""
        return [judge(wave) for judge in self.judges]


def scaled(channels: int, factor: float) -> int:
    """A channel count times `factor`, kept a multiple of 4 for the grouped convolutions."""
    return max(4, round(channels * factor / 4) * 4)
