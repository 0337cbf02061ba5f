"""Losses: stored values, edge cases, and what pulls where."""

from __future__ import annotations

import pytest
import torch

from sovits.loss import adversarial_loss, discriminator_loss, feature_loss, kl_loss, mel_loss, spectral_loss
from tests.golden_data import assert_close, float32, golden


def test_kl_equals_the_public_one() -> None:
    stored = {name: float32(value) for name, value in golden("losses").items()}
    arguments = (stored["z_p"], stored["logs_q"], stored["m_p"], stored["logs_p"], stored["mask"])
    assert_close(kl_loss(*arguments), stored["kl"])
    with pytest.raises(AssertionError, match="differs by"):
        assert_close(kl_loss(stored["z_p"] * 1.01, *arguments[1:]), stored["kl"])


def test_kl_of_equal_distributions_is_zero_on_average() -> None:
    torch.manual_seed(0)
    mean, log = torch.randn(4, 8, 500), 0.1 * torch.randn(4, 8, 500)
    z = mean + torch.randn_like(mean) * log.exp()
    assert kl_loss(z, log, mean, log, torch.ones(4, 1, 500)).item() == pytest.approx(0, abs=0.2)


def test_kl_ignores_padding() -> None:
    torch.manual_seed(0)
    z, log, mean, prior_log = (torch.randn(1, 4, 6) for _ in range(4))
    mask = torch.tensor([[[1.0, 1, 1, 1, 0, 0]]])
    cut = kl_loss(*(x[..., :4] for x in (z, log, mean, prior_log, mask)))
    torch.testing.assert_close(kl_loss(z, log, mean, prior_log, mask), cut)


def test_perfect_scores_cost_nothing() -> None:
    ones, zeros = [torch.ones(2, 3)], [torch.zeros(2, 3)]
    assert discriminator_loss(ones, zeros) == 0
    assert adversarial_loss(ones) == 0
    assert discriminator_loss(zeros, ones) == 2
    assert adversarial_loss(zeros) == 1


def test_feature_loss_trains_the_generated_side_only() -> None:
    real, fake = torch.ones(2, 3, requires_grad=True), torch.zeros(2, 3, requires_grad=True)
    loss = feature_loss([[real], [real]], [[fake], [fake]])
    assert loss == 4
    loss.backward()
    assert real.grad is None and fake.grad is not None


def test_mel_loss_is_the_mean_distance() -> None:
    assert mel_loss(torch.zeros(1, 2, 3), torch.full((1, 2, 3), -0.5)) == 0.5


def test_spectral_loss_falls_towards_the_target() -> None:
    torch.manual_seed(0)
    real, noise = torch.randn(2, 6000), torch.randn(2, 6000)
    far, near = (spectral_loss(real, real + scale * noise) for scale in (1.0, 0.1))
    assert spectral_loss(real, real) == 0
    assert near < far


def test_spectral_loss_is_finite_at_silence() -> None:
    wave = torch.zeros(1, 6000, requires_grad=True)
    spectral_loss(torch.zeros(1, 6000), wave).backward()
    assert wave.grad is not None and wave.grad.isfinite().all()
