"""The network as a whole: fast paths equal slow ones, lengths, determinism, files, and errors in words."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from gpt_sovits.core.config import load_config
from gpt_sovits.core.device import generator
from gpt_sovits.core.errors import CheckpointError
from sovits import load_sovits, save_sovits
from sovits.config import GeneratorConfig, IstftHead, SynthesizerConfig
from sovits.generator import Generator
from sovits.hifigan import Istft
from sovits.model import Synthesizer
from sovits.prior import change_speed, cross_fade
from sovits.segments import slice_segments
from sovits.transformer import band_to_square, square_to_band
from sovits.weightnorm import normed_names, take_off

RESIDUAL = [
    "generator.blocks={kind: residual, kernels: [3], dilations: [[1, 3]]}",
    "generator.rates=[10, 8, 2, 2, 2]",
    "generator.kernels=[16, 16, 8, 2, 2]",
    "generator.widths=[16, 8, 8, 4, 4]",
    "generator.head={kind: conv}",
]


def fresh(*overrides: str) -> Synthesizer:
    """The debug network, with every weight off its special starting value."""
    torch.manual_seed(0)
    model = Synthesizer(load_config(SynthesizerConfig, "debug/s2", overrides))
    for parameter in model.parameters():
        parameter.data.add_(0.02 * torch.randn_like(parameter))
    model.quantizer.codebook.normal_()
    model.quantizer.ready.fill_(True)
    return model.eval()


@pytest.fixture(params=[(), tuple(RESIDUAL)], ids=["istft", "conv"])
def model(request: pytest.FixtureRequest) -> Synthesizer:
    return fresh(*request.param)


def sentence(model: Synthesizer, codes: int = 11) -> tuple[Tensor, Tensor, list[Tensor]]:
    torch.manual_seed(1)
    return (
        torch.randint(0, model.config.quantizer.codes, (1, codes)),
        torch.randint(0, model.config.phonemes, (1, 7)),
        [torch.rand(1, 1025, 30)],
    )


def batch(model: Synthesizer, frames: int = 40) -> dict[str, Tensor]:
    torch.manual_seed(2)
    return {
        "hubert": torch.randn(2, model.config.quantizer.width, frames),
        "spec": torch.rand(2, 1025, frames),
        "spec_lengths": torch.tensor([frames, frames - 6]),
        "phones": torch.randint(0, model.config.phonemes, (2, 9)),
        "phone_lengths": torch.tensor([9, 5]),
    }


def test_fused_equals_unfused(model: Synthesizer) -> None:
    arguments = sentence(model)
    expected = model.decode_batch(*arguments, noise_scale=0)
    assert normed_names(model)
    assert normed_names(model.fuse()) == []
    torch.testing.assert_close(model.decode_batch(*arguments, noise_scale=0), expected, rtol=1e-5, atol=1e-6)


def test_the_public_network_fused_equals_unfused(public_model: Synthesizer) -> None:
    z, style = torch.randn(1, 192, 6), torch.randn(1, public_model.config.style.width, 1)
    other = Generator(192, public_model.config.generator, public_model.config.style.width)
    other.load_state_dict(public_model.generator.state_dict())
    take_off(other)
    torch.testing.assert_close(other(z, style), public_model.generator(z, style), rtol=1e-4, atol=1e-6)


def test_1280_samples_a_code(model: Synthesizer) -> None:
    assert model.decode_batch(*sentence(model)).shape == (1, 11 * 1280)


@pytest.mark.parametrize("speed", [0.6, 0.99, 1.7])
def test_speed_changes_the_length(model: Synthesizer, speed: float) -> None:
    wave = model.decode_batch(*sentence(model), speed=speed)
    assert wave.shape[-1] == (int(22 / speed) + 1) * 640


def test_a_seed_decides_everything(model: Synthesizer) -> None:
    arguments = sentence(model)
    one, same, other = (model.decode_batch(*arguments, generator=generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_given_noise_is_used(model: Synthesizer) -> None:
    arguments, noise = sentence(model), torch.randn(1, model.config.inter, 22)
    assert torch.equal(model.decode_batch(*arguments, noise=noise), model.decode_batch(*arguments, noise=noise))
    silent = model.decode_batch(*arguments, noise=torch.zeros_like(noise))
    assert torch.equal(silent, model.decode_batch(*arguments, noise_scale=0.0))


def test_streaming_everything_equals_decode(model: Synthesizer) -> None:
    arguments = sentence(model)
    wave, _ = model.decode_streaming(*arguments, noise_scale=0)
    assert torch.equal(wave, model.decode_batch(*arguments, noise_scale=0))


def test_flow_and_its_reverse_cancel(model: Synthesizer) -> None:
    z, style, mask = torch.randn(2, 16, 9), torch.randn(2, 16, 1), torch.ones(2, 1, 9)
    there = model.flow(z, mask, style)
    assert not torch.allclose(there, z, atol=1e-3)
    torch.testing.assert_close(model.flow.reverse(there, mask, style), z, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("overrides", [(), tuple(RESIDUAL)], ids=["istft", "conv"])
def test_every_parameter_learns(overrides: tuple[str, ...]) -> None:
    model = fresh("quantizer.frozen=false", *overrides).train()
    output = model(**batch(model))
    prior = output.prior
    losses = (output.wave, prior.z, prior.mean, prior.log_deviation, prior.commitment)
    sum(x.square().mean() for x in losses).backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert without == []
    assert output.wave.shape == (2, 1, model.config.segment * 640)


def test_a_frozen_quantizer_stays() -> None:
    frozen = fresh("quantizer.frozen=true").train()
    before = {k: v.clone() for k, v in frozen.quantizer.state_dict().items()}
    output = frozen(**batch(frozen))
    output.wave.square().mean().backward()
    assert output.prior.commitment == 0
    assert frozen.content.weight.grad is None
    assert all(torch.equal(before[k], v) for k, v in frozen.quantizer.state_dict().items())


def test_padding_does_not_reach_the_prior(model: Synthesizer) -> None:
    torch.manual_seed(3)
    content, style = torch.randn(1, model.config.quantizer.width, 20), torch.randn(1, 16, 1)
    phones = torch.randint(0, model.config.phonemes, (1, 9))
    frames, text = (torch.arange(20) < 14).float()[None, None], (torch.arange(9) < 5).float()[None, None]
    padded = model.prior.features(content, frames, phones, text, style)
    cut = model.prior.features(content[..., :14], frames[..., :14], phones[:, :5], text[..., :5], style)
    torch.testing.assert_close(padded[..., :14], cut, rtol=1e-4, atol=1e-5)
    assert not padded[..., 14:].any()


def test_window_scores_stand_on_the_diagonals() -> None:
    band = torch.arange(1, 16.0).view(1, 5, 3)
    square = band_to_square(band)[0]
    for i in range(5):
        for j in range(5):
            assert square[i, j] == (band[0, i, j - i + 1] if abs(i - j) <= 1 else 0)
    inside = torch.ones(5, 3)
    inside[0, 0] = inside[4, 2] = 0
    assert torch.equal(square_to_band(square[None], 3)[0], band[0] * inside)


@pytest.mark.parametrize("frames", [1, 2, 3, 17])
def test_istft_makes_hop_samples_a_frame(frames: int) -> None:
    head = Istft(8, IstftHead(n_fft=64, hop=16))
    assert head(torch.randn(2, 8, frames)).shape == (2, 1, 16 * frames)


def test_istft_inverts_a_transform() -> None:
    """Given the true spectrum of a wave as log magnitude and phase, the head returns the wave."""
    torch.manual_seed(0)
    head = Istft(66, IstftHead(n_fft=64, hop=16))
    head.norm = torch.nn.Identity()
    head.project = torch.nn.Identity()
    wave = torch.randn(1, 16 * 20)
    spectrum = torch.stft(
        torch.nn.functional.pad(wave, (24, 24)), 64, 16, window=head.invert.window, center=False, return_complex=True
    )
    features = torch.cat((spectrum.abs().log(), spectrum.angle()), dim=1)
    torch.testing.assert_close(head(features)[:, 0], wave, rtol=1e-4, atol=1e-4)


def test_istft_gradient_reaches_the_latent() -> None:
    model = fresh()
    z = torch.randn(1, 16, 6, requires_grad=True)
    model.generator(z, torch.randn(1, 16, 1)).square().sum().backward()
    assert z.grad is not None and z.grad.isfinite().all() and (z.grad.abs().sum(1) > 0).all()


def test_segments() -> None:
    x = torch.arange(10.0).expand(2, 3, 10)
    cut = slice_segments(x, torch.tensor([2, 8]), 4)
    assert cut[:, 0].tolist() == [[2, 3, 4, 5], [8, 9, 0, 0]]


def test_speed_one_is_untouched_and_fades_meet() -> None:
    x, mask = torch.randn(1, 4, 10), torch.ones(1, 1, 10)
    assert change_speed(x, mask, 1.0)[0] is x
    faded = cross_fade(torch.randn(1, 4, 3), x)
    assert faded.shape == x.shape and torch.equal(faded[..., 3:], x[..., 3:])


@pytest.mark.parametrize("fused_file", [False, True])
@pytest.mark.parametrize("fused_model", [False, True])
def test_files(tmp_path: Path, model: Synthesizer, fused_file: bool, fused_model: bool) -> None:
    arguments = sentence(model)
    expected, names = model.decode_batch(*arguments, noise_scale=0), normed_names(model)
    save_sovits(tmp_path / "s2.safetensors", model.fuse() if fused_file else model, {"epoch": 1})
    loaded = load_sovits(tmp_path / "s2.safetensors", fuse=fused_model)
    torch.testing.assert_close(loaded.decode_batch(*arguments, noise_scale=0), expected, rtol=1e-5, atol=1e-6)
    # What has been used is folded; speaking never uses the posterior.
    left = [name for name in normed_names(loaded) if not name.startswith("posterior.")]
    assert left == [] if fused_model else normed_names(loaded) == names


def test_a_file_without_posterior_speaks_but_does_not_train(tmp_path: Path) -> None:
    model = fresh()
    save_sovits(tmp_path / "s2.safetensors", model, dtype=torch.float16, posterior=False)
    loaded = load_sovits(tmp_path / "s2.safetensors")
    assert loaded.posterior is None
    assert loaded.decode_batch(*sentence(loaded)).isfinite().all()
    with pytest.raises(ValueError, match="posterior"):
        loaded(**batch(loaded))


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "s2.safetensors"
    save_sovits(path, fresh())
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(CheckpointError, match=r"s2\.safetensors"):
        load_sovits(path)
    with pytest.raises(CheckpointError, match="does not exist"):
        load_sovits(tmp_path / "none.safetensors")


def test_a_speaker_branch_needs_embeddings() -> None:
    plain, branched = fresh(), fresh("speaker=12", "style.width=24")
    assert branched.bridge is not None
    arguments = sentence(plain)
    assert branched.decode_batch(*arguments, speaker_embeddings=[torch.randn(1, 12)]).isfinite().all()
    with pytest.raises(ValueError, match="has a speaker branch"):
        branched.decode_batch(*arguments)
    with pytest.raises(ValueError, match="has no speaker branch"):
        plain.decode_batch(*arguments, speaker_embeddings=[torch.randn(1, 12)])


def test_frames_that_do_not_match_are_an_error() -> None:
    model = fresh()
    inputs = batch(model)
    with pytest.raises(ValueError, match="38 content frames do not match 40"):
        model(**inputs | {"hubert": inputs["hubert"][..., :38]})


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"generator": {"rates": [2], "kernels": [4]}}, "samples a frame"),
        ({"generator": {"rates": [2, 2], "kernels": [4]}}, "stages"),
        ({"generator": {"rates": [640], "kernels": [641]}}, "even number"),
        ({"style": {"bins": 2000}}, "bins"),
        ({"prior": {"heads": 5}}, "heads"),
        ({"inter": 3}, "inter"),
        ({"layers": 3}, "layers"),
    ],
)
def test_impossible_configurations_are_refused(values: dict[str, object], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        SynthesizerConfig.model_validate(values)


def test_istft_head_needs_a_fitting_window() -> None:
    with pytest.raises(ValidationError, match="n_fft"):
        GeneratorConfig.model_validate({"head": {"kind": "istft", "n_fft": 641, "hop": 160}})


def test_the_embedded_voice_is_small() -> None:
    with torch.device("meta"):
        model = Synthesizer(load_config(SynthesizerConfig, "model/tiny"))
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) < 13e6
