"""Devices by name, and noise of its own."""

from __future__ import annotations

import pytest
import torch

from gpt_sovits.core.device import generator, normal, pick_device
from gpt_sovits.core.errors import ConfigError


def test_devices_by_name() -> None:
    assert pick_device("cpu") == torch.device("cpu")
    assert pick_device().type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("name", ["gpu", "", "cuda:99", "mps"])
def test_devices_that_are_not_there_are_refused(name: str) -> None:
    if name == "mps" and torch.backends.mps.is_available():
        assert pick_device(name).type == "mps"
        return
    with pytest.raises(ConfigError, match=repr(name) if name in {"gpu", ""} else name):
        pick_device(name)


def test_noise_depends_on_the_seed_alone() -> None:
    like = torch.zeros(1, dtype=torch.float64)
    first = normal((2, 3), generator(5), like)
    torch.rand(10)
    assert torch.equal(first, normal((2, 3), generator(5), like)) and first.dtype == torch.float64
    assert not torch.equal(first, normal((2, 3), generator(6), like))
