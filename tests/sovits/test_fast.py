"""The generator in bfloat16 against the plain one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gpt_sovits.core.config import load_config
from gpt_sovits.core.resources import resource
from sovits import Synthesizer, SynthesizerConfig
from sovits.config import VocoderHead
from sovits.fast import LONGEST, WINDOW, FastGenerator, FastVocoder, prepare, undo
from sovits.generator import Generator
from sovits.kernels.stage import CompiledStage
from sovits.overlap_save import OverlapSaveConv
from sovits.vocoder import Vocoder


def _model(path: Path) -> Synthesizer:
    torch.manual_seed(0)
    return Synthesizer(load_config(SynthesizerConfig, path), posterior=False).eval()


@torch.inference_mode()
@pytest.mark.parametrize("built", [True, False])
def test_the_flat_form_in_full_precision_computes_the_same(
    built: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With a compiler and without. What bfloat16 changes, then, is rounding."""
    if not built:
        monkeypatch.setenv("PATH", str(tmp_path))
    plain = _model(resource("configs", "model", "v2.yaml")).generator
    latent, style = torch.randn(2, 192, 4), torch.randn(2, 512, 1)
    expected = plain(latent, style)
    fast = FastGenerator(plain, torch.float32)
    assert sum(isinstance(module, CompiledStage) for module in fast.modules()) == (5 if built else 0)
    assert built or sum(isinstance(module, OverlapSaveConv) for module in fast.modules()) > 20
    actual = fast(latent, style)
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


def test_bfloat16_is_close() -> None:
    model = _model(resource("configs", "model", "v2.yaml")).fuse()
    codes, phones, reference = torch.arange(6), torch.arange(5), torch.rand(1025, 30)
    expected = model.decode(codes, phones, [reference], seed=0)
    model.generator = FastGenerator(model.generator, torch.bfloat16)
    error = model.decode(codes, phones, [reference], seed=0) - expected
    assert error.square().mean() < 1e-3 * expected.square().mean()


@pytest.mark.parametrize("able", [False, True])
def test_bfloat16_is_taken_where_the_processor_multiplies_in_it(able: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere it is emulated, fifty times as slow."""
    for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: able, raising=False)
    model = _model(resource("configs", "model", "v2.yaml")).fuse()
    assert prepare(model) and isinstance(model.generator, FastGenerator)
    assert model.generator.dtype == (torch.bfloat16 if able else torch.float32)
    assert not prepare(model)


def test_a_changed_generator_is_heard_once_the_fast_one_is_undone() -> None:
    model = _model(resource("configs", "model", "v2.yaml")).fuse()
    codes, phones, reference = torch.arange(4), torch.arange(5), torch.rand(1025, 30)
    assert prepare(model, torch.float32)
    before = model.decode(codes, phones, [reference], seed=0)
    undo(model)
    assert isinstance(model.generator, Generator)
    torch.testing.assert_close(model.decode(codes, phones, [reference], seed=0), before, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        model.generator.head.conv.weight.mul_(2.0)
    assert prepare(model, torch.float32)
    assert model.decode(codes, phones, [reference], seed=0).std() > 1.5 * before.std()


def test_other_generators_stay_as_they_are() -> None:
    model = _model(resource("configs", "debug", "s2.yaml"))
    assert not prepare(model) and isinstance(model.generator, Generator)


@torch.inference_mode()
def test_of_a_generator_with_a_vocoder_that_alone_is_made_fast() -> None:
    model = _model(resource("configs", "model", "tiny.yaml"))
    z, style, pitch = torch.randn(1, model.config.inter, 6), torch.randn(1, 256, 1), torch.ones(1, 2, 6)
    wanted = model.generator(z, style, None, pitch)
    assert prepare(model) and isinstance(model.generator, Generator)
    found = model.generator(z, style, None, pitch)
    assert found.shape == wanted.shape == (1, 1, 6 * 640)
    assert (found - wanted).abs().max() < 0.05 * wanted.abs().max()


@torch.inference_mode()
@pytest.mark.parametrize("frames", [90, 160, 161, 300, 321, 337, 452, 900])
def test_windows_of_a_mel_make_one_wave(frames: int) -> None:
    torch.manual_seed(0)
    vocoder = Vocoder(VocoderHead(channels=32)).eval()
    mel = torch.randn(1, 80, frames)
    wanted = vocoder(mel)
    found = FastVocoder(vocoder, torch.float32)(mel)
    assert found.shape == wanted.shape == (1, 1, 256 * frames)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5 * float(wanted.abs().max()))


def test_windows_are_few_and_alike() -> None:
    plain = Vocoder(VocoderHead(channels=32))
    vocoder, half = FastVocoder(plain, torch.float32), FastVocoder(plain, torch.bfloat16)
    shared = 2 * vocoder.margin
    for frames in range(1, 1500):
        window = vocoder._window(frames)
        windows = 1 if frames <= window else -(-(frames - shared) // (window - shared))
        assert window % 16 == 0 and window <= LONGEST and half._window(frames) == WINDOW
        assert windows == 1 or (windows - 1) * (LONGEST - shared) < frames - shared
