"""Joining fragments, against the public implementation's samples."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gpt_sovits.pipeline.postprocess import join, to_int16, within_full_scale
from tests.golden_data import golden, waveform


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
