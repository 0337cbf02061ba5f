"""Joining fragments, against the public implementation's samples."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gpt_sovits.pipeline.postprocess import (
    join,
    join_at_best_fit,
    shorten_silence,
    to_int16,
    within_full_scale,
    without_leading_silence,
)
from tests.golden_data import assert_close, golden, waveform


def fragments() -> list[torch.Tensor]:
    sola = [torch.from_numpy(waveform(f"sola{i}", 4000, 32000)) for i in range(3)]
    return [sola[1], sola[2], 3 * sola[0]]


def test_joined_samples_equal_the_public_ones() -> None:
    actual = to_int16(join(fragments(), 32000, 0.01).numpy())
    np.testing.assert_array_equal(actual, golden("tts_postprocess")["out"])


@pytest.mark.parametrize("change", ["order", "pause", "level"])
def test_comparison_notices(change: str) -> None:
    pieces = fragments()
    pieces = {"order": pieces[::-1], "pause": pieces, "level": [1.01 * p for p in pieces]}[change]
    actual = to_int16(join(pieces, 32000, 0.02 if change == "pause" else 0.01).numpy())
    assert not np.array_equal(actual, golden("tts_postprocess")["out"])


def test_each_fragment_has_its_own_peak() -> None:
    loud, quiet = torch.tensor([0.5, -4.0]), torch.tensor([0.25, -0.5])
    joined = join([loud, quiet], 10, 0.1)
    torch.testing.assert_close(joined, torch.tensor([0.125, -1.0, 0.0, 0.25, -0.5, 0.0]))


def test_full_scale_does_not_wrap() -> None:
    assert to_int16(np.array([1.0, -1.0, 0.99999, -0.00002], dtype=np.float32)).tolist() == [32767, -32768, 32767, 0]


def test_quiet_is_left_alone() -> None:
    wave = torch.tensor([0.1, -0.2])
    assert within_full_scale(wave) is wave
    assert within_full_scale(torch.zeros(0)).numel() == 0
    assert join([], 32000, 0.3).shape == (0,)


@pytest.mark.parametrize("search", [320, 1])
def test_best_fit_equals_the_public_one(search: int) -> None:
    """Three fragments that share 512 samples; without the search the comparison fails."""
    first, second, third = (torch.from_numpy(waveform(f"sola{i}", 4000, 32000)) for i in range(3))
    middle = join_at_best_fit(first[-512:], second, search)
    last = join_at_best_fit(middle[-512:], third, search)
    whole = torch.cat([first[:-512], middle[:-512], last])
    expected = golden("tts_sola")["out"]
    if search == 320:
        assert_close(whole, expected)
    else:
        assert len(whole) != len(expected)


def test_best_fit_of_a_shifted_copy_is_seamless() -> None:
    wave = torch.from_numpy(waveform("fit", 8000, 32000))
    joined = torch.cat([wave[:3488], join_at_best_fit(wave[3488:4000], wave[3388:])])
    assert_close(joined, wave)


def sound(*seconds: float, rate: int = 1000) -> torch.Tensor:
    """Silence and sound by turns, with a noise in the silence that is 52 dB below."""
    levels = [0.4 if number % 2 else 0.001 for number in range(len(seconds))]
    return torch.cat([level * torch.ones(round(s * rate)) for level, s in zip(levels, seconds, strict=True)])


@pytest.mark.parametrize(
    ("seconds", "left"),
    [
        ((5.0, 1.0, 2.0, 1.0, 3.0), (0.1, 1.0, 0.6, 1.0, 0.1)),
        ((0.05, 0.2, 0.5, 0.2, 0.02), (0.05, 0.2, 0.5, 0.2, 0.02)),
        ((0.0, 0.3, 0.7), (0.0, 0.3, 0.1)),
        ((0.2, 0.015), (0.1, 0.015)),
    ],
)
def test_silences_are_shortened_and_sounds_stay(seconds: tuple[float, ...], left: tuple[float, ...]) -> None:
    torch.testing.assert_close(shorten_silence(sound(*seconds), 1000, 0.6), sound(*left)[: round(1000 * sum(left))])


def test_silence_alone_stays() -> None:
    for wave in (torch.zeros(500), torch.zeros(0)):
        assert shorten_silence(wave, 1000, 0.6) is wave


def test_fragments_keep_their_silence_unless_asked() -> None:
    wave = sound(1.0, 0.5, 1.0)
    torch.testing.assert_close(join([wave], 1000, 0.0), wave)
    assert len(join([wave, wave], 1000, 0.3, silence=0.6)) == 2 * (700 + 300)


@pytest.mark.parametrize("size", [100, 330, 5000])
def test_a_stream_begins_with_its_first_sound(size: int) -> None:
    wave = sound(2.0, 0.5, 1.0, 0.5)
    heard = list(without_leading_silence(wave.split(size), 1000))
    torch.testing.assert_close(torch.cat(heard), sound(0.1, 0.5, 1.0, 0.5))
    assert torch.cat(list(without_leading_silence(iter([0.001 * wave]), 1000))).shape == wave.shape
