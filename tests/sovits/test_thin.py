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
SPECTRAL = thin_config(HEAD, (4,), SpectralExit(dilations=(1, 3)))
NARROW = thin_config(HEAD, (2, 4, 4, 2))


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


def test_channels_and_stages_give_way() -> None:
    full = thin_config(VocoderHead(), (2, 4))
    assert (full.rates, [full.blocks.narrow_at(k) for k in range(4)]) == (VocoderHead().rates, [2, 4, 4, 4])
    late = thin_config(VocoderHead(), (4,), SpectralExit())
    assert (late.rates, late.kernels, late.hop) == ((8, 8), (16, 16), VocoderHead().hop)
    assert thin_config(VocoderHead(), (2,), SpectralExit(n_fft=8, hop=2)).rates == (8, 8, 2)
    assert full.thin and late.thin and not VocoderHead().thin
    made = [Vocoder(head)(mels(10)).shape for head in (HEAD, NARROW, SPECTRAL)]
    assert made == [(2, 1, 2560)] * 3
    counts = [sum(value.numel() for value in Vocoder(head).parameters()) for head in (HEAD, NARROW, SPECTRAL)]
    assert counts[0] > 1.1 * counts[1]
    with pytest.raises(ValidationError, match="80 bands every 256 samples"):
        thin_config(VocoderHead(), (4,), SpectralExit(hop=3))
    with pytest.raises(ValidationError, match=r"narrow is \[2, 0\]"):
        thin_config(VocoderHead(), (2, 0))
    with pytest.raises(ValidationError, match="narrow 4 leaves no channel of 2"):
        thin_config(HEAD, (4,))


def test_with_all_its_channels_it_is_its_teacher(teacher: Vocoder) -> None:
    mel = mels(12)
    same = thinned(teacher, thin_config(HEAD, (1,)), mel)
    assert same(mel).equal(teacher(mel))
    cut = thinned(teacher, thin_config(HEAD, (1,), SpectralExit()), mel)
    pairs = zip(cut.features(mel), teacher.features(mel)[:3], strict=True)
    assert all(ours.equal(theirs) for ours, theirs in pairs)


def test_channels_that_others_can_make_up_for_go(teacher: Vocoder) -> None:
    block = teacher.stages[0].blocks[0]
    with torch.no_grad():  # of 16 inner channels four are different, and the others are them again, but for a factor
        for k in range(2):
            first, second = block.dilated[k], block.plain[k]
            first.weight.copy_(first.weight[:4].repeat(4, 1, 1) * torch.linspace(0.5, 2, 16)[:, None, None])
            first.bias.zero_()
            second.weight[:, 9:].mul_(3.0)
    mel = mels(40, rows=4)
    student = thinned(teacher, thin_config(HEAD, (4, 2, 2, 1)), mel)
    seen = teacher.upsamplers[0](teacher.entry(mel))
    wanted = block(seen)
    made = student.stages[0].blocks[0](seen)
    assert (made - wanted).square().mean() < 1e-4 * (wanted - seen).square().mean()


def test_what_is_kept_is_solved_for(teacher: Vocoder) -> None:
    mel = mels(40, rows=4)
    wanted = teacher.features(mel)[1]
    solved = thinned(teacher, NARROW, mel)
    distance = feature_distance(solved.features(mel)[1], wanted)
    for block, full in zip(solved.stages[0].blocks, teacher.stages[0].blocks, strict=True):
        for k, (first, second) in enumerate(zip(block.dilated, block.plain, strict=True)):
            theirs = full.dilated[k].weight.flatten(1)
            kept = [int((theirs - row).abs().sum(1).argmin()) for row in first.weight.flatten(1)]
            second.weight.data = full.plain[k].weight[:, kept].clone()  # as if the others were only cut off
    assert distance < 0.6 * feature_distance(solved.features(mel)[1], wanted)


@pytest.mark.parametrize("head", [NARROW, SPECTRAL])
def test_no_sample_hears_further_than_the_windows_of_the_fast_form_overlap(head: VocoderHead) -> None:
    torch.manual_seed(2)
    vocoder = plain(Vocoder(head))
    mel = mels(2 * WINDOW + 7, rows=1)
    whole, windows = vocoder(mel), FastVocoder(vocoder, torch.float32)(mel)
    torch.testing.assert_close(windows, whole, atol=1e-5, rtol=1e-4)
    other = mel.clone()
    other[..., 0] += 1
    differs = (vocoder(other) - whole)[0, 0].abs() > 1e-7
    assert differs.any() and int(differs.nonzero().max()) < (head.reach + 1) * 256
    half = FastVocoder(vocoder, torch.bfloat16)(mel)
    assert (half - whole).square().mean() < 1e-3 * whole.square().mean()


@pytest.mark.parametrize("head", [NARROW, SPECTRAL])
def test_it_learns_the_samples_of_its_teacher(teacher: Vocoder, head: VocoderHead) -> None:
    mel = mels(16, rows=4)
    thinning = Thinning(teacher, thinned(teacher, head, mel))
    assert len(list(thinning.student.parameters())) == len(thinning.student.state_dict())  # nothing is left untaught
    optimizer = torch.optim.Adam(groups(thinning.student, 1e-3))
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(thinning.student.parameters()))
    first, begun = thinning(mel, 4, apart=True), thinning.distance(mel)
    assert len([name for name in first if name.startswith("stage")]) == (3 if head is NARROW else 2)
    for step in range(50):
        losses = thinning(mel, 3, apart=step < 30)
        optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        optimizer.step()
    last, ended = thinning(mel, 4, apart=True), thinning.distance(mel)
    assert sum(last.values()) < 0.95 * sum(first.values())
    assert ended["spectrum"] < 0.95 * begun["spectrum"] and ended["wave"] < begun["wave"]


def test_stages_taught_apart_do_not_pull_at_each_other(teacher: Vocoder) -> None:
    mel = mels(16)
    thinning = Thinning(teacher, thinned(teacher, NARROW, mel))
    for apart in (True, False):
        thinning.student.zero_grad()
        thinning(mel, 2, apart)["wave"].backward()
        moved = {name.split(".")[1] for name, value in thinning.student.named_parameters()
                 if name.startswith("stages") and value.grad is not None and value.grad.any()}  # fmt: skip
        assert moved == ({"3"} if apart else {"0", "1", "2", "3"})


def test_distances_are_none_between_equals_and_shares_of_what_is_wanted() -> None:
    wave = torch.randn(3, 5000, generator=torch.Generator().manual_seed(3))
    features = wave.reshape(3, 5, 1000)
    assert wave_distance(wave, wave) == spectral_distance(wave, wave) == feature_distance(features, features) == 0
    assert wave_distance(0 * wave, wave).item() == pytest.approx(1, abs=0.03)
    assert feature_distance(features + 2, features).item() == pytest.approx(4, rel=0.05)
    louder = [spectral_distance(factor * wave, wave).item() for factor in (1.1, 1.5, 2.0)]
    assert louder == sorted(louder) and louder[0] > 0.05


def test_a_thin_head_makes_samples_at_the_rate_of_the_model() -> None:
    head = MelVocoder(24, SPECTRAL).eval()
    assert head(torch.randn(2, 24, 10)).shape == (2, 1, 10 * HEAD.hop)
    assert not any(value.requires_grad for value in head.vocoder.parameters())
