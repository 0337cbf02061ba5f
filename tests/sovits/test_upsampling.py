"""Transposed convolutions as products against PyTorch's."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sovits.upsampling import UpsamplingProducts, fits


@torch.inference_mode()
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("frames", [1, 2, 57])
@pytest.mark.parametrize(("kernel", "rate"), [(16, 8), (16, 10), (4, 2), (2, 2), (8, 2), (11, 5), (20, 10)])
def test_they_compute_the_transposed_convolution(kernel: int, rate: int, frames: int, bias: bool) -> None:
    """Of HiFi-GAN's shapes and the public ones; several rows, kernels that are no multiple of the rate."""
    torch.manual_seed(0)
    conv = nn.ConvTranspose1d(24, 12, kernel, rate, (kernel - rate) // 2, bias=bias)
    assert fits(conv)
    products = UpsamplingProducts(conv)
    for rows in (1, 3):
        x = torch.randn(rows, 24, frames)
        found = products(x[:, :, None].contiguous(memory_format=torch.channels_last))
        torch.testing.assert_close(found[:, :, 0], conv(x), rtol=1e-4, atol=1e-5)


def test_other_kinds_stay() -> None:
    for options in ({"padding": 3}, {"groups": 2, "padding": 4}, {"dilation": 2, "padding": 4}):
        assert not fits(nn.ConvTranspose1d(8, 8, 16, 8, **options))  # type: ignore[arg-type]
    assert not fits(nn.ConvTranspose1d(8, 8, 11, 4, 3)) and not fits(nn.ConvTranspose1d(8, 8, 4, 2, 1, 1))
