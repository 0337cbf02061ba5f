"""Convolutions by tiles against plain ones."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sovits.overlap_save import LENGTHS, OverlapSaveConv, best_length, transforms


@pytest.mark.parametrize("kernel", [1, 3, 7, 11])
@pytest.mark.parametrize("length", [1, 2, 5, 6, 18, 30])
def test_the_transforms_correlate(length: int, kernel: int) -> None:
    source = torch.Generator().manual_seed(0)
    x = torch.randn(length + kernel - 1, dtype=torch.double, generator=source)
    w = torch.randn(kernel, dtype=torch.double, generator=source)
    analysis, weights, synthesis = transforms(length, kernel)
    expected = F.conv1d(x[None, None], w[None, None])[0, 0]
    torch.testing.assert_close(synthesis @ ((analysis @ x) * (weights @ w)), expected, rtol=0, atol=1e-12)


def error(conv: nn.Conv1d, x: Tensor, length: int) -> float:
    """Of tiles against a convolution in double precision, in shares of what it gives."""
    flat = x[:, :, None].contiguous(memory_format=torch.channels_last)
    double = nn.Conv1d(x.shape[1], conv.out_channels, conv.kernel_size, bias=conv.bias is not None, dtype=torch.double)
    double.padding, double.dilation = conv.padding, conv.dilation
    double.load_state_dict(conv.state_dict())
    found, exact = OverlapSaveConv(conv, length)(flat), double(x.double())[:, :, None]
    assert found.shape == exact.shape
    return ((found - exact).norm() / exact.norm()).item()


@torch.inference_mode()
@pytest.mark.parametrize("frames", [1, 7, 18, 251, 3000])
@pytest.mark.parametrize("dilation", [1, 3, 5])
@pytest.mark.parametrize("kernel", [3, 7, 11])
def test_tiles_round_as_finely_as_a_convolution(kernel: int, dilation: int, frames: int) -> None:
    """PyTorch's own is 0.2e-6 to 1.1e-6 off; every length, several rows, other channels out than in."""
    torch.manual_seed(0)
    conv = nn.Conv1d(24, 40, kernel, dilation=dilation, padding=dilation * (kernel // 2), bias=dilation != 3)
    assert error(conv, torch.randn(2, 24, frames), 18) < 1e-6


@torch.inference_mode()
def test_a_loud_place_does_not_blur_a_quiet_one_further_than_a_tile() -> None:
    """Where the signal is silent, so is the result, as soon as no tile holds anything else."""
    conv = nn.Conv1d(4, 4, 11, padding=5, bias=False)
    x = torch.zeros(1, 4, 1, 200)
    x[..., 100:] = 1000.0
    made = OverlapSaveConv(conv, 18)(x)
    assert not made[..., : 90 - 28].any() and made[..., 95:].abs().min() > 0


def test_every_length_that_is_chosen_from_is_whole() -> None:
    """Lengths even and odd, for kernels of any size: as many products as a transform of real samples has values."""
    for length in LENGTHS:
        for kernel in (3, 5, 7, 9, 11):
            size = length + kernel - 1
            assert len(transforms(length, kernel)[0]) == size // 2 + 1 + 2 * ((size - 1) // 2)


def test_wide_convolutions_of_long_kernels_are_what_gains() -> None:
    def length(channels: int, kernel: int, **options: int) -> int | None:
        padding = options.pop("padding", kernel // 2)
        return best_length(nn.Conv1d(channels, channels, kernel, padding=padding, **options))  # type: ignore[arg-type]

    assert length(256, 11) and length(256, 7) and length(128, 7) and length(64, 11)
    assert not length(32, 11) and not length(64, 3) and not length(256, 1)
    assert not length(256, 11, stride=2) and not length(256, 11, groups=2) and not length(256, 11, padding=0)
    assert not length(256, 8) and not length(256, 11, dilation=3) and length(256, 11, dilation=3, padding=15)
