"""A thin vocoder and the one that teaches it."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from sovits.config import ResidualBlocks, SpectralExit, VocoderHead
from sovits.fast import WINDOW, FastVocoder
from sovits.thin import (
    Thinning,
    feature_distance,
    groups,
    plain,
    spectral_distance,
    thin_config,
    thinned,
    wave_distance,
)
from sovits.vocoder import MelVocoder, Vocoder

HEAD = VocoderHead(channels=32, blocks=ResidualBlocks(kernels=(3, 5), dilations=((1, 3), (1, 2))))
THIN = thin_config(HEAD, 4, SpectralExit(dilations=(1, 3)))


def mels(frames: int, rows: int = 2, seed: int = 0) -> Tensor:
    return torch.randn(rows, 80, frames, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def teacher() -> Vocoder:
    torch.manual_seed(1)
    vocoder = Vocoder(HEAD)
    with torch.no_grad():  # as loud as a trained one
        for name, value in vocoder.named_parameters():
            value.mul_(12.0 if name.startswith("stages") and name.endswith("original0") else 1.0)
        vocoder.exit.conv.weight.mul_(4.0)
    return plain(vocoder)


def test_the_last_stages_give_way_to_the_exit() -> None:
    full = thin_config(VocoderHead(), 4, SpectralExit())
    assert (full.rates, full.kernels, full.blocks.narrow, full.hop) == ((8, 8), (16, 16), 4, VocoderHead().hop)
    assert Vocoder(THIN)(mels(10)).shape == Vocoder(HEAD)(mels(10)).shape == (2, 1, 2560)
    assert thin_config(VocoderHead(), 2, SpectralExit(n_fft=8, hop=2)).rates == (8, 8, 2)
    with pytest.raises(ValidationError, match="80 bands every 256 samples"):
        thin_config(VocoderHead(), 4, SpectralExit(hop=3))


def test_with_all_its_channels_it_has_the_features_of_its_teacher(teacher: Vocoder) -> None:
    mel = mels(12)
    student = thinned(teacher, thin_config(HEAD, 1, SpectralExit()), mel)
    assert all(
        ours.equal(theirs) for ours, theirs in zip(student.features(mel), teacher.features(mel)[:3], strict=True)
    )


def test_the_channels_that_matter_most_are_kept(teacher: Vocoder) -> None:
    mel = mels(12)
    wanted = teacher.features(mel)[1]
    block = teacher.stages[0].blocks[0]
    with torch.no_grad():
        block.plain[0].weight[:, 3:] *= 1e-4  # of 16 channels three are heard
    student = thinned(teacher, THIN, mel)
    ours, theirs = student.stages[0].blocks[0].dilated[0].weight, block.dilated[0].weight
    kept = {int((theirs - row).abs().sum((1, 2)).argmin()) for row in ours}
    assert {0, 1, 2} <= kept
    assert feature_distance(teacher.features(mel)[1], wanted) > 0


def test_no_sample_hears_further_than_the_windows_of_the_fast_form_overlap() -> None:
    torch.manual_seed(2)
    vocoder = plain(Vocoder(THIN))
    mel = mels(2 * WINDOW + 7, rows=1)
    whole, windows = vocoder(mel), FastVocoder(vocoder, torch.float32)(mel)
    torch.testing.assert_close(windows, whole, atol=1e-5, rtol=1e-4)
    other = mel.clone()
    other[..., 0] += 1
    differs = (vocoder(other) - whole)[0, 0].abs() > 1e-7
    assert differs.any() and int(differs.nonzero().max()) < (THIN.reach + 1) * 256
    half = FastVocoder(vocoder, torch.bfloat16)(mel)
    assert (half - whole).square().mean() < 1e-3 * whole.square().mean()


def test_it_learns_the_samples_of_its_teacher(teacher: Vocoder) -> None:
    mel = mels(16, rows=4)
    thinning = Thinning(teacher, thinned(teacher, THIN, mel))
    wanted = thinning.samples(mel)
    optimizer = torch.optim.Adam(groups(thinning.student, 3e-3))
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(thinning.student.parameters()))

    def taught(steps: int, whole: bool) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Losses at the first and at the last step."""
        found = []
        for _ in range(steps):
            losses = thinning.as_whole(mel, wanted) if whole else thinning.by_stages(mel)
            found.append(losses)
            optimizer.zero_grad()
            torch.stack(list(losses.values())).sum().backward()
            optimizer.step()
        return found[0], found[-1]

    first, last = taught(30, whole=False)
    assert all(last[name] < 0.9 * first[name] for name in ("stage 0", "stage 1", "wave", "spectrum"))
    begun = thinning.as_whole(mel, wanted)
    _, last = taught(30, whole=True)
    assert last["wave"] < 0.9 * begun["wave"] and last["spectrum"] < 0.9 * begun["spectrum"]


def test_distances_are_none_between_equals_and_shares_of_what_is_wanted() -> None:
    wave = torch.randn(3, 5000, generator=torch.Generator().manual_seed(3))
    features = wave.reshape(3, 5, 1000)
    assert wave_distance(wave, wave) == spectral_distance(wave, wave) == feature_distance(features, features) == 0
    assert wave_distance(0 * wave, wave).item() == pytest.approx(1, abs=0.03)
    assert feature_distance(features + 2, features).item() == pytest.approx(4, rel=0.05)
    louder = [spectral_distance(factor * wave, wave).item() for factor in (1.1, 1.5, 2.0)]
    assert louder == sorted(louder) and louder[0] > 0.05


def test_a_thin_head_makes_samples_at_the_rate_of_the_model() -> None:
    head = MelVocoder(24, THIN).eval()
    assert head(torch.randn(2, 24, 10)).shape == (2, 1, 10 * THIN.hop)
    assert not any(value.requires_grad for value in head.vocoder.parameters())
