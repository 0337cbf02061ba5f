"""Convolutions of speaking on a CPU with a fraction of the multiplications: overlap-save with short Fourier transforms.

A long signal is cut into tiles that overlap by a kernel less one, and each is convolved where that is a product for
each frequency (Stockham 1966). Tiles are as short as a few dozen places, so that the transforms are small matrices, as
in Winograd's fast convolutions (Lavin & Gray 2016), and the products are matrix products over all tiles; a complex one
is made of three real ones (Gauss). What comes out is what the convolution gives, but for rounding, which is as fine.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

TILES = 128
"""Tiles at a time: few enough for what is made of them to stay in a processor's cache."""
LENGTHS = range(6, 31)
"""Samples that a tile may give."""
PRODUCT, TRANSFORM = 1.3, 2.0
"""What a multiplication takes in the products and in the transforms, in those of a plain convolution (EPYC, AVX2)."""
GAIN = 1.5
"""Where the plain convolution takes more than this many times as long by that, tiles do win."""


class OverlapSaveConv(nn.Module):
    """What a convolution of stride 1 that keeps the length computes, over channels-last memory in float32.

    Args:
        conv: of an odd kernel, padded by half of what it spans.
        length: samples that each tile gives.
    """

    def __init__(self, conv: nn.Conv1d, length: int) -> None:
        super().__init__()
        self.length, self.kernel, self.dilation = length, conv.kernel_size[0], conv.dilation[0]
        analysis, kernel, synthesis = transforms(length, self.kernel)
        weight = torch.einsum("pk,ock->pco", kernel, conv.weight.double())
        # At frequency 0, from where each sample is given a share of 1 / n.
        bias = analysis.shape[1] * (torch.zeros(conv.out_channels) if conv.bias is None else conv.bias)
        for name, value in (("analysis", analysis), ("weight", weight), ("synthesis", synthesis), ("bias", bias)):
            self.register_buffer(name, value.detach().float().contiguous())

    analysis: Tensor
    weight: Tensor
    synthesis: Tensor
    bias: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Features [b, o, 1, f] of features [b, c, 1, f]."""
        frames, step = x.shape[-1], self.dilation
        places = -(-frames // step)  # of every `step`-th place, which is a signal of its own
        room = -(-(places + self.kernel - 1) // self.length) * self.length
        made = x.new_empty(len(x), step * room, self.weight.shape[2])
        for row, out in zip(x[:, :, 0].mT, made, strict=True):
            padded = x.new_zeros(step * room + self.kernel - 1, row.shape[1])
            for phase in range(step):
                part = row[phase::step]
                padded[phase * room + self.kernel // 2 :][: len(part)] = part
            self._correlate(padded, out.view(-1, self.length, out.shape[1]))
        whole = made.view(len(x), step, room, -1)[:, :, :places].transpose(1, 2).flatten(1, 2)
        return whole[:, :frames].mT[:, :, None]

    def _correlate(self, x: Tensor, out: Tensor) -> None:
        """Fill [tiles, length, o] from [tiles * length + kernel - 1, c]."""
        width, size = x.shape[1], self.analysis.shape[1]
        for first in range(0, len(out), TILES):
            tiles = out[first : first + TILES]
            step = self.length * width
            seen = x.as_strided((len(tiles), size, width), (step, width, 1), first * step)
            spectra = torch.bmm(self.analysis.expand(len(tiles), -1, -1), seen)
            products = torch.bmm(spectra.transpose(0, 1), self.weight)
            products[0] += self.bias
            torch.bmm(self.synthesis.expand(len(tiles), -1, -1), products.transpose(0, 1), out=tiles)


def best_length(conv: nn.Conv1d) -> int | None:
    """Samples a tile should give; None where the plain convolution is as fast, or none of the kind."""
    kernel = conv.kernel_size[0]
    kept = conv.padding == (conv.dilation[0] * (kernel // 2),)
    if not kept or kernel % 2 == 0 or conv.stride != (1,) or conv.groups != 1:
        return None
    seen, made = conv.in_channels, conv.out_channels

    def cost(length: int) -> float:
        size = length + kernel - 1
        products = size // 2 + 1 + 2 * ((size - 1) // 2)
        transformed = TRANSFORM * (size / length * seen + made)
        return products * (PRODUCT * seen * made / length + transformed)

    least = min(LENGTHS, key=cost)
    return least if GAIN * cost(least) < kernel * seen * made else None


def transforms(length: int, kernel: int) -> tuple[Tensor, Tensor, Tensor]:
    """Matrices A [p, n], G [p, kernel], S [length, p]: S ((A x) * (G w)) correlates x [n] with w, in float64.

    n is length + kernel - 1. The rows belong to the real products: one each of the frequencies without an imaginary
    part, three of the others.
    """
    size = length + kernel - 1
    places = torch.arange(size, dtype=torch.double)
    analysis, weights, synthesis = [], [], []
    for frequency in range(size // 2 + 1):
        angle = 2 * math.pi * frequency / size * places
        cos, sin = angle.cos(), angle.sin()
        # x has the spectrum a + ib here, the kernel, conjugated, e + if; their product comes back as c Re - s Im.
        a, b, e, f, c, s = cos, -sin, cos[:kernel], sin[:kernel], cos[:length] / size, sin[:length] / size
        if frequency in (0, size / 2):
            rows = [(a, e, c)]
        else:  # Re = k1 - k3, Im = k1 + k2
            rows = [(a + b, e, 2 * (c - s)), (a, f - e, -2 * s), (b, e + f, -2 * c)]
        for row, weight, back in rows:
            analysis.append(row)
            weights.append(weight)
            synthesis.append(back)
    return torch.stack(analysis), torch.stack(weights), torch.stack(synthesis, dim=1)
