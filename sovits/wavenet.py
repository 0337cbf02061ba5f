"""Gated convolution stack with a style input (van den Oord et al. 2016; as used in VITS, Kim et al. 2021)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sovits.weightnorm import normed


class WaveNet(nn.Module):
    """Residual gated convolutions whose skip outputs are summed."""

    def __init__(self, width: int, kernel: int, layers: int, style_width: int) -> None:
        super().__init__()
        self.width = width
        self.condition = normed(nn.Conv1d(style_width, 2 * width * layers, 1))
        self.gates = nn.ModuleList(
            normed(nn.Conv1d(width, 2 * width, kernel, padding=kernel // 2)) for _ in range(layers)
        )
        # The last layer feeds no further one, so it has a skip half only.
        self.mixes = nn.ModuleList(
            normed(nn.Conv1d(width, 2 * width if i < layers - 1 else width, 1)) for i in range(layers)
        )

    def forward(self, x: Tensor, mask: Tensor, style: Tensor) -> Tensor:
        """Transform `x` [b, c, f] under `mask` [b, 1, f] and `style` [b, s, 1]."""
        skips = torch.zeros_like(x)
        conditions = self.condition(style).chunk(len(self.gates), dim=1)
        for gate, mix, condition in zip(self.gates, self.mixes, conditions, strict=True):
            a, b = (gate(x) + condition).chunk(2, dim=1)
            y = mix(a.tanh() * b.sigmoid())
            if y.shape[1] == self.width:
                return (skips + y) * mask
            x = (x + y[:, : self.width]) * mask
            skips = skips + y[:, self.width :]
        return skips * mask
