"""Discriminators: equal to the public ones, sized by configuration, and padded without a seam."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from gpt_sovits.core.checkpoint import load_weights
from sovits.config import DiscriminatorConfig
from sovits.convert import discriminator_config_from_public, discriminator_from_public, discriminator_to_public
from sovits.discriminator import Discriminator, PeriodDiscriminator, Verdict
from sovits.loss import adversarial_loss, discriminator_loss, feature_loss
from tests import golden_data
from tests.golden_data import float32, golden_json, unit, waveform

PERIODS = {"v2": [2, 3, 5, 7, 11], "v2Pro": [2, 3, 5, 7, 11, 17, 23]}


@pytest.fixture(scope="module", params=PERIODS)
def version(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def largest() -> Discriminator:
    """The seven-period one; values follow from names, so that the five-period one is its first six judges."""
    model = Discriminator(discriminator_config_from_public(PERIODS["v2Pro"]))
    load_weights(model, discriminator_from_public(golden_data.weights("s2D_v2Pro")), "the golden weights")
    return model


@pytest.fixture(scope="module")
def public(version: str, largest: Discriminator) -> Discriminator:
    with torch.device("meta"):
        model = Discriminator(discriminator_config_from_public(PERIODS[version]))
    model.judges = largest.judges[: len(model.judges)]
    return model


@pytest.fixture(scope="module")
def expected(version: str) -> dict[str, Any]:
    table: dict[str, Any] = golden_json(f"s2D_{version}")
    return table


@pytest.fixture(scope="module")
def verdicts(public: Discriminator) -> tuple[list[Verdict], list[Verdict], Tensor]:
    """On the stored real and generated waves, and the generated waves themselves."""
    real = torch.stack((float32(waveform("d1", 20480, 32000)), _second()))[:, None]
    fake = (0.9 * real.flip(0)).requires_grad_()
    return public(real), public(fake), fake


def _second() -> Tensor:
    return float32(0.5 * waveform("d2", 20480, 32000) + 0.1 * unit("d2n", (20480,)))


def check_summary(value: Tensor, summary: dict[str, Any]) -> None:
    """Compare with the stored shape, moments and outer values."""
    assert list(value.shape) == summary["shape"]
    flat = value.detach().flatten().double()
    tolerance = 1e-4 * summary["absmax"]
    assert flat.mean().item() == pytest.approx(summary["mean"], abs=tolerance)
    assert flat.std(correction=0).item() == pytest.approx(summary["std"], abs=tolerance)
    assert flat.abs().max().item() == pytest.approx(summary["absmax"], abs=tolerance)
    assert flat[:16].tolist() == pytest.approx(summary["first16"], abs=tolerance)
    assert flat[-4:].tolist() == pytest.approx(summary["last4"], abs=tolerance)


Pair = tuple[list[Verdict], list[Verdict], Tensor]


def test_scores_and_activations(verdicts: Pair, expected: dict[str, Any]) -> None:
    real, fake, _ = verdicts
    for verdict, summary in zip((*real, *fake), (*expected["outs"], *expected["outs_g"]), strict=True):
        check_summary(verdict.score, summary)
    for verdict, summaries in zip(real, expected["fmaps"], strict=True):
        for feature, summary in zip(verdict.features, summaries, strict=True):
            check_summary(feature, summary)


def test_losses_and_gradient(verdicts: Pair, expected: dict[str, Any]) -> None:
    real, fake, wave = verdicts
    scores = [v.score for v in real], [v.score for v in fake]
    adversarial = adversarial_loss(scores[1])
    feature = feature_loss([v.features for v in real], [v.features for v in fake])
    assert discriminator_loss(*scores).item() == pytest.approx(expected["disc_loss"], rel=1e-4)
    assert adversarial.item() == pytest.approx(expected["gen_loss"], rel=1e-4)
    assert feature.item() == pytest.approx(expected["feat_loss"], rel=1e-4)
    (gradient,) = torch.autograd.grad(adversarial + feature, wave, retain_graph=True)
    check_summary(gradient, expected["dydgrad"])


def test_a_changed_weight_shows(public: Discriminator, expected: dict[str, Any]) -> None:
    weight = public.get_parameter("judges.1.convs.2.parametrizations.weight.original0")
    kept = weight.detach().clone()
    try:
        weight.data.mul_(1.05)
        real = torch.stack((float32(waveform("d1", 20480, 32000)), _second()))[:, None]
        with pytest.raises(AssertionError):
            check_summary(public.judges[1](real).features[2], expected["fmaps"][1][2])
    finally:
        weight.data.copy_(kept)


def test_names_travel_both_ways(public: Discriminator, version: str) -> None:
    there = discriminator_to_public(public.state_dict())
    shapes = {name: shape for name, (shape, _) in golden_data.keys(f"s2D_{version}").items()}
    assert {name: list(value.shape) for name, value in there.items()} == shapes
    back = discriminator_from_public(there)
    assert all(torch.equal(back[k], v) for k, v in public.state_dict().items())


@pytest.mark.parametrize(
    "config",
    [
        DiscriminatorConfig(width=0.125, periods=(2, 3)),
        DiscriminatorConfig(width=0.25, scale=False, periods=(5,)),
        DiscriminatorConfig(width=0.5, scale=False, periods=(), resolutions=((512, 50, 240), (1024, 120, 600))),
    ],
)
def test_small_ones_train(config: DiscriminatorConfig) -> None:
    torch.manual_seed(0)
    model = Discriminator(config)
    wave = torch.randn(2, 1, 4000, requires_grad=True)
    verdicts = model(wave)
    assert len(verdicts) == config.scale + len(config.periods) + len(config.resolutions)
    discriminator_loss([v.score for v in verdicts], [v.score for v in verdicts]).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert wave.grad is not None and wave.grad.isfinite().all()


def test_width_scales_the_parameters() -> None:
    full, half = (sum(p.numel() for p in Discriminator(DiscriminatorConfig(width=w)).parameters()) for w in (1, 0.5))
    assert half < 0.3 * full


def test_a_ragged_end_is_mirrored() -> None:
    torch.manual_seed(0)
    model = PeriodDiscriminator(7, DiscriminatorConfig(width=0.125))
    wave = torch.randn(1, 1, 700 - 3)
    mirrored = torch.cat((wave, wave[..., -4:-1].flip(-1)), dim=-1)
    torch.testing.assert_close(model(wave).score, model(mirrored).score)
