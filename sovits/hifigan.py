"""What a generator is made of: blocks and heads of HiFi-GAN (Kong et al. 2020), and an inverse STFT as a head.

The inverse STFT head follows iSTFTNet (Kaneko et al. 2022) and Vocos (Siuzdak 2023): the costly stages at the sample
rate are replaced by predicting a spectrum every `hop` samples.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sovits.config import IstftHead, ResidualBlocks, SpectralExit
from sovits.transformer import ChannelNorm
from sovits.weightnorm import normed

SLOPE = 0.1
DEVIATION = 0.01
"""Deviation the convolutions are drawn with, as in HiFi-GAN."""


def masked(x: Tensor, mask: Tensor | None) -> Tensor:
    return x if mask is None else x * mask


class ResidualBlock(nn.Module):
    """Pairs of a dilated and a plain convolution, each pair around a residual.

    Args:
        narrow: so many times fewer channels are between the two.
    """

    def __init__(self, width: int, kernel: int, dilations: tuple[int, ...], narrow: int = 1) -> None:
        super().__init__()
        inner = width // narrow
        self.dilated = nn.ModuleList(
            normed(nn.Conv1d(width, inner, kernel, dilation=d, padding=d * (kernel // 2)), DEVIATION) for d in dilations
        )
        self.plain = nn.ModuleList(
            normed(nn.Conv1d(inner, width, kernel, padding=kernel // 2), DEVIATION) for _ in dilations
        )

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        for dilated, plain in zip(self.dilated, self.plain, strict=True):
            y = masked(dilated(F.leaky_relu(x, SLOPE)), mask)
            x = masked(x + plain(F.leaky_relu(y, SLOPE)), mask)
        return x


class ResidualStage(nn.Module):
    """The mean of residual blocks of several kernel sizes."""

    def __init__(self, width: int, config: ResidualBlocks, index: int = 0) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            ResidualBlock(width, k, d, config.narrow_at(index))
            for k, d in zip(config.kernels, config.dilations, strict=True)
        )

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        total = self.blocks[0](x, mask)
        for block in self.blocks[1:]:
            total = total + block(x, mask)
        return total / len(self.blocks)


class ConvNextBlock(nn.Module):
    """Depthwise convolution, then a wide pointwise network (Liu et al. 2022), scaled to start near the identity."""

    def __init__(self, width: int, kernel: int, expansion: int, scale: float) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.expand = nn.Linear(width, expansion * width)
        self.contract = nn.Linear(expansion * width, width)
        self.scale = nn.Parameter(torch.full((width,), scale))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        y = self.norm(self.depthwise(x).mT)
        return masked(x + (self.contract(F.gelu(self.expand(y))) * self.scale).mT, mask)


class ConvNextStage(nn.Sequential):
    """Such blocks one after the other."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        for block in self:
            x = block(x, mask)
        return x


class Istft(nn.Module):
    """Log magnitude and phase to samples; `hop` samples a frame, exactly."""

    def __init__(self, width: int, config: IstftHead) -> None:
        super().__init__()
        self.norm = ChannelNorm(width, 1e-6)
        self.project = nn.Conv1d(width, config.n_fft + 2, 1)
        nn.init.normal_(self.project.weight, std=0.02)
        self.invert = InverseStft(config.n_fft, config.hop)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Samples [b, 1, f * hop] of features [b, c, f]."""
        wave: Tensor = self.invert(self.project(self.norm(x)), mask)
        return wave


class SpectralOut(nn.Module):
    """Pairs of convolutions, log magnitude and phase, and samples; `hop` of them a frame."""

    def __init__(self, width: int, narrow: int, config: SpectralExit) -> None:
        super().__init__()
        self.block = ResidualBlock(width, config.kernel, config.dilations, narrow)
        self.project = nn.Conv1d(width, config.n_fft + 2, 7, padding=3)
        nn.init.normal_(self.project.weight, std=0.02)
        self.invert = InverseStft(config.n_fft, config.hop)

    def forward(self, x: Tensor) -> Tensor:
        """Samples [b, 1, f * hop] of features [b, c, f], or [b, c, 1, f]."""
        wave: Tensor = self.invert(self.project(F.leaky_relu(self.block(x), SLOPE)).flatten(2).float())
        return wave


class InverseStft(nn.Module):
    """Samples of log magnitudes and phases under a Hann window, overlap-added and divided by its envelope."""

    window: Tensor

    def __init__(self, n_fft: int, hop: int) -> None:
        super().__init__()
        self.n_fft, self.hop = n_fft, hop
        self.register_buffer("window", torch.hann_window(n_fft, device="cpu"), persistent=False)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Samples [b, 1, f * hop] of log magnitudes over phases [b, n_fft + 2, f]."""
        magnitude, phase = x.float().chunk(2, dim=1)
        # A bound on the magnitude keeps a diverging step from overflowing.
        spectrum = torch.polar(magnitude.clamp(max=5.0).exp(), phase)
        frames = masked(torch.fft.irfft(spectrum, self.n_fft, dim=1) * self.window[:, None], mask)
        envelope = masked(self.window.square()[None, :, None].expand(-1, -1, x.shape[-1]), mask)
        edge = (self.n_fft - self.hop) // 2
        inside = slice(edge, edge + x.shape[-1] * self.hop)
        weight = self._add(envelope)[:, :, inside]
        if mask is not None:
            weight = weight.clamp(min=1e-9)  # past the end nothing is divided by nothing
        return (self._add(frames)[:, :, inside] / weight).to(x.dtype)

    def _add(self, frames: Tensor) -> Tensor:
        """Overlap-add [b, n_fft, f] to [b, 1, w]."""
        length = (frames.shape[-1] - 1) * self.hop + self.n_fft
        return F.fold(frames, (1, length), (1, self.n_fft), stride=(1, self.hop))[:, 0]


class ConvOut(nn.Module):
    """Last features straight to samples."""

    def __init__(self, width: int, bias: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv1d(width, 1, 7, padding=3, bias=bias)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        # The last slope is PyTorch's default, not the 0.1 used elsewhere; published weights rely on it.
        return self.conv(F.leaky_relu(x)).tanh()
