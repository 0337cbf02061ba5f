"""The head that ends in a published HiFi-GAN."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from feature_extractor.audio import resample
from feature_extractor.spectral import MelConfig, mel_spectrogram
from gpt_sovits.core.errors import CheckpointError
from sovits.config import ResidualBlocks, VocoderHead
from sovits.fast import FastVocoder
from sovits.vocoder import MelVocoder, import_vocoder

HEAD = VocoderHead(channels=32, blocks=ResidualBlocks(kernels=(3, 7), dilations=((1, 3), (1, 3))))


def published(head: VocoderHead) -> dict[str, Tensor]:
    """Random weights under the names of HiFi-GAN."""
    source = torch.Generator().manual_seed(5)
    found = {}

    def conv(name: str, *shape: int, bias: int) -> None:
        weight = torch.randn(shape, generator=source) / (shape[1] * shape[2]) ** 0.5
        found[f"{name}.weight_v"], found[f"{name}.weight_g"] = weight, 1.5 * weight.norm(dim=(1, 2), keepdim=True)
        found[f"{name}.bias"] = 0.1 * torch.randn(bias, generator=source)

    conv("conv_pre", head.channels, head.bands, 7, bias=head.channels)
    block = 0
    for i, kernel in enumerate(head.kernels):
        width = head.channels >> i
        conv(f"ups.{i}", width, width // 2, kernel, bias=width // 2)
        for size, dilations in zip(head.blocks.kernels, head.blocks.dilations, strict=True):
            for k in range(len(dilations)):
                for part in ("convs1", "convs2"):
                    conv(f"resblocks.{block}.{part}.{k}", width // 2, width // 2, size, bias=width // 2)
            block += 1
    conv("conv_post", 1, width // 2, 7, bias=1)
    return found


def hifigan(tensors: dict[str, Tensor], head: VocoderHead, mel: Tensor) -> Tensor:
    """The published computation, written down once more."""

    def weight(name: str) -> Tensor:
        v, g = tensors[f"{name}.weight_v"], tensors[f"{name}.weight_g"]
        return v * (g / v.norm(dim=(1, 2), keepdim=True))

    def conv(name: str, x: Tensor, size: int, dilation: int = 1) -> Tensor:
        return F.conv1d(x, weight(name), tensors[f"{name}.bias"], padding=dilation * (size // 2), dilation=dilation)

    x, block = conv("conv_pre", mel, 7), 0
    for i, (rate, kernel) in enumerate(zip(head.rates, head.kernels, strict=True)):
        bias = tensors[f"ups.{i}.bias"]
        x = F.conv_transpose1d(F.leaky_relu(x, 0.1), weight(f"ups.{i}"), bias, rate, (kernel - rate) // 2)
        total = torch.zeros_like(x)
        for size, dilations in zip(head.blocks.kernels, head.blocks.dilations, strict=True):
            y = x
            for k, dilation in enumerate(dilations):
                inner = conv(f"resblocks.{block}.convs1.{k}", F.leaky_relu(y, 0.1), size, dilation)
                y = y + conv(f"resblocks.{block}.convs2.{k}", F.leaky_relu(inner, 0.1), size)
            total, block = total + y, block + 1
        x = total / len(head.blocks.kernels)
    return conv("conv_post", F.leaky_relu(x), 7).tanh()


def head_of(tmp_path: Path) -> tuple[MelVocoder, dict[str, Tensor]]:
    tensors = published(HEAD)
    torch.save({"generator": tensors}, tmp_path / "generator.pth.tar")
    head = MelVocoder(24, HEAD).eval()
    import_vocoder(head, tmp_path / "generator.pth.tar")
    return head, tensors


@torch.inference_mode()
def test_published_weights_make_the_published_samples(tmp_path: Path) -> None:
    head, tensors = head_of(tmp_path)
    mel = torch.randn(2, 80, 9, generator=torch.Generator().manual_seed(6))
    wanted = hifigan(tensors, HEAD, mel)
    torch.testing.assert_close(head.vocoder(mel), wanted, atol=1e-5, rtol=1e-4)
    assert wanted.std() > 0.01
    narrow = FastVocoder(head.vocoder, torch.bfloat16)(mel)
    assert (narrow - wanted).square().mean() < 1e-3 * wanted.square().mean()


@torch.inference_mode()
def test_samples_have_the_rate_of_the_model(tmp_path: Path) -> None:
    head, _ = head_of(tmp_path)
    features = torch.randn(2, 24, 10)
    wave = head(features)
    assert wave.shape == (2, 1, 10 * HEAD.hop) and HEAD.hop == 320
    mask = torch.ones(2, 1, 10)
    mask[1, :, 6:] = 0
    masked = head(features, mask)
    torch.testing.assert_close(masked[:1], wave[:1])
    assert not masked[1:].equal(wave[1:])


def test_target_is_what_the_vocoder_would_hear_of_the_stretched_recording() -> None:
    time = torch.arange(32000) / 32000
    wave = 0.4 * torch.sin(2 * torch.pi * 300 * time) * torch.sin(2 * torch.pi * 2 * time)
    target = MelVocoder(24, HEAD).target(wave[None])
    slow = resample(wave, 32000, 25600)  # 256 of its samples are a frame, as of 22.05 kHz audio
    heard = mel_spectrogram(slow[None], MelConfig(rate=22050, n_fft=1024, hop=256, window=1024, bands=80, high=8000.0))
    assert target.shape == heard.shape == (1, 80, 100)
    loud = heard > heard.max() - 6
    assert (target - heard)[loud].abs().mean() < 0.05


def test_a_generator_of_another_shape_is_refused(tmp_path: Path) -> None:
    torch.save({"generator": published(VocoderHead(channels=64, blocks=HEAD.blocks))}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match="has another shape of"):
        import_vocoder(MelVocoder(24, HEAD), tmp_path / "other.pth")
