"""Transposed convolutions of speaking on a CPU as matrix products.

For a convolution the library behind PyTorch writes a program for every length that it has not met, and sentences are
hardly ever of equal length; for products it has one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class UpsamplingProducts(nn.Module):
    """What a transposed convolution computes, over channels-last memory.

    Of each frame the products with the kernel make `rate` samples for each `rate` places of the kernel; those that lie
    on the same places are added.

    Args:
        conv: one that `fits`.
    """

    def __init__(self, conv: nn.ConvTranspose1d) -> None:
        super().__init__()
        (self.rate,), (kernel,) = conv.stride, conv.kernel_size
        assert isinstance(conv.padding, tuple)
        (self.padding,) = conv.padding
        self.taps = -(-kernel // self.rate)
        weight = nn.functional.pad(conv.weight.detach(), (0, self.taps * self.rate - kernel))  # [c, o, k]
        parts = weight.permute(2, 0, 1).unflatten(0, (self.taps, self.rate)).transpose(1, 2)  # [tap, c, rate, o]
        bias = weight.new_zeros(conv.out_channels) if conv.bias is None else conv.bias.detach()
        self.register_buffer("weight", parts.flatten(2).contiguous())
        self.register_buffer("bias", bias.repeat(self.rate))

    weight: Tensor
    bias: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Features [b, o, 1, f * rate] of features [b, c, 1, f]."""
        length, around = x.shape[-1] * self.rate, self.taps - 1
        padded = nn.functional.pad(x[:, :, 0].mT, (0, 0, around, around))
        made = []
        for row in padded:
            out = torch.addmm(self.bias, row[around:], self.weight[0])
            for tap in range(1, self.taps):
                out.addmm_(row[around - tap : len(row) - tap], self.weight[tap])
            made.append(out.view(len(out) * self.rate, -1)[self.padding : self.padding + length])
        whole = made[0][None] if len(made) == 1 else torch.stack(made)
        return whole.mT[:, :, None]


def fits(conv: nn.ConvTranspose1d) -> bool:
    """Whether it is of the kind above, and makes `rate` samples of a frame, as vocoders' do."""
    (rate,), (kernel,), (extra,) = conv.stride, conv.kernel_size, conv.output_padding
    assert isinstance(conv.padding, tuple)
    whole = kernel - rate == 2 * conv.padding[0] and extra == 0
    return whole and conv.groups == 1 and conv.dilation == (1,)
