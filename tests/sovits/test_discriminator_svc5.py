"""The discriminators of so-vits-svc-5: on spectrograms without a window's shape, periods and the wave."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor

from gpt_sovits.core.checkpoint import load_weights
from sovits.config import DiscriminatorConfig
from sovits.discriminator import Discriminator, ResolutionDiscriminator
from sovits.loss import adversarial_loss, discriminator_loss, feature_loss, spectral_loss
from tests import golden_data
from tests.golden_data import assert_close, fill_numpy, float32, golden, golden_json, unit, waveform
from tests.sovits.test_discriminator import check_summary

RESOLUTIONS = ((1024, 120, 600), (2048, 240, 1200), (4096, 480, 2400), (512, 50, 240))
CONFIG = DiscriminatorConfig(
    resolutions=RESOLUTIONS, window="rectangular", period_widths=(64, 128, 256, 512, 1024), slope=0.2
)
NORM = {"weight_g": "parametrizations.weight.original0", "weight_v": "parametrizations.weight.original1"}


def renamed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Their names to ours, where the wave comes first, then periods, then spectrograms."""
    made = {}
    for name, value in state.items():
        group, number, rest = re.fullmatch(r"(?:(M.D)\.)?(?:discriminators\.(\d+)\.)?(.+)", name).groups()  # type: ignore[union-attr]
        first = {"MSD": 0, "MPD": 1, "MRD": 6, None: 0}[group] + int(number or 0)
        stem, _, last = rest.replace("conv_post.", "exit.").rpartition(".")
        made[f"judges.{first}.{stem}.{NORM.get(last, last)}"] = value
    return made


@pytest.fixture(scope="module")
def judges() -> Discriminator:
    model = Discriminator(CONFIG)
    load_weights(model, renamed(golden_data.weights("svc5_discriminator")), "the golden weights")
    return model


def waves() -> Tensor:
    second = 0.5 * waveform("mrd2", 8003, 32000) + 0.1 * unit("mrd2n", (8003,))
    return torch.stack((float32(waveform("mrd1", 8003, 32000)), float32(second)))[:, None]


def test_losses_and_gradient_of_all_ten(judges: Discriminator) -> None:
    expected = golden_json("svc5_disc_losses")
    real, fake = waves(), (0.9 * waves().flip(0)).requires_grad_()
    truth, verdicts = judges(real), judges(fake)
    share = 1 / len(verdicts)
    for verdict, summary in zip(verdicts[6:] + verdicts[1:6] + verdicts[:1], expected["scores"], strict=True):
        check_summary(verdict.score, summary)
    scores = [v.score for v in truth], [v.score for v in verdicts]
    adversarial = share * adversarial_loss(scores[1])
    feature = share * feature_loss([v.features for v in truth], [v.features for v in verdicts])
    assert adversarial.item() == pytest.approx(expected["score_loss"], rel=1e-4)
    assert feature.item() == pytest.approx(expected["feat_loss"], rel=1e-4)
    assert (share * discriminator_loss(*scores)).item() == pytest.approx(expected["disc_loss"], rel=1e-4)
    check_summary(torch.autograd.grad(adversarial + feature, fake)[0], expected["grad_fake"])
    spectral = spectral_loss(real[:, 0], fake[:, 0], RESOLUTIONS)
    assert spectral.item() == pytest.approx(expected["sc_loss"] + expected["mag_loss"], rel=1e-4)


def test_one_resolution_at_a_time() -> None:
    """Stored with weights of other names, hence other values."""
    expected, arrays = golden_json("svc5_mrd"), golden("svc5_mrd")
    table = {k.removeprefix("MRD."): v for k, v in golden_data.keys("svc5_discriminator").items() if "MRD." in k}
    state = renamed({name: float32(value) for name, value in fill_numpy(table).items()})
    model = Discriminator(CONFIG.model_copy(update={"scale": False, "periods": ()}))
    load_weights(model, state, "the golden weights")
    verdicts = model(waves())
    for verdict, score, features in zip(verdicts, expected["score"], expected["fmap"], strict=True):
        check_summary(verdict.score, score)
        for feature, summary in zip(verdict.features, features, strict=True):
            check_summary(feature, summary)
    assert_close(verdicts[1].score[0, :600], arrays["score"])
    finest = model.judges[3]
    assert isinstance(finest, ResolutionDiscriminator)
    assert_close(finest.magnitude(waves())[0, :40, :20], arrays["mag"])


def test_a_hann_window_is_another_discriminator(judges: Discriminator) -> None:
    hann = Discriminator(CONFIG.model_copy(update={"window": "hann"}))
    hann.load_state_dict(judges.state_dict())
    with pytest.raises(AssertionError):
        check_summary(hann(0.9 * waves().flip(0))[6].score, golden_json("svc5_disc_losses")["scores"][0])
