"""Invertible mean-only coupling flow between posterior and prior (VITS, Kim et al. 2021)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sovits.config import FlowConfig
from sovits.wavenet import WaveNet


class Coupling(nn.Module):
    """Shifts one half of the channels by what a WaveNet reads in the other half."""

    def __init__(self, channels: int, hidden: int, config: FlowConfig, style_width: int) -> None:
        super().__init__()
        self.part = channels // 2
        self.entry = nn.Conv1d(self.part, hidden, 1)
        self.wavenet = WaveNet(hidden, config.kernel, config.layers, style_width)
        self.exit = nn.Conv1d(hidden, self.part, 1)
        # The flow starts as the identity.
        for parameter in self.exit.parameters():
            nn.init.zeros_(parameter)

    def shift(self, kept: Tensor, mask: Tensor, style: Tensor) -> Tensor:
        return self.exit(self.wavenet(self.entry(kept) * mask, mask, style)) * mask

    def forward(self, x: Tensor, mask: Tensor, style: Tensor) -> Tensor:
        kept, moved = x.chunk(2, dim=1)
        return torch.cat((kept, moved * mask + self.shift(kept, mask, style)), dim=1)

    def reverse(self, x: Tensor, mask: Tensor, style: Tensor) -> Tensor:
        kept, moved = x.chunk(2, dim=1)
        return torch.cat((kept, (moved - self.shift(kept, mask, style)) * mask), dim=1)


class Flow(nn.Module):
    """Couplings with the channel order reversed after each."""

    def __init__(self, channels: int, hidden: int, config: FlowConfig, style_width: int) -> None:
        super().__init__()
        self.couplings = nn.ModuleList(Coupling(channels, hidden, config, style_width) for _ in range(config.couplings))

    def forward(self, z: Tensor, mask: Tensor, style: Tensor) -> Tensor:
        """Posterior latent [b, c, f] to prior space."""
        for coupling in self.couplings:
            z = coupling(z, mask, style).flip(1)
        return z

    def reverse(self, z: Tensor, mask: Tensor, style: Tensor) -> Tensor:
        """Prior latent [b, c, f] to posterior space; undoes `forward`."""
        for coupling in reversed(self.couplings):
            assert isinstance(coupling, Coupling)
            z = coupling.reverse(z.flip(1), mask, style)
        return z
