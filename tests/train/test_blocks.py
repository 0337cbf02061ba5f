"""Blocks that are compiled compute what they did."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from gpt_sovits.core.errors import ConfigError
from gpt_sovits.train.blocks import COMPILERS, compile_blocks
from sovits.hifigan import ConvNextBlock


def test_compiled_blocks_compute_the_same() -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(*(ConvNextBlock(8, 3, 2, 0.5) for _ in range(2)))
    if not any(map(shutil.which, COMPILERS)):
        with pytest.raises(ConfigError, match=r"C\+\+ compiler"):
            compile_blocks(network, (ConvNextBlock,))
        return
    names = list(network.state_dict())
    x = torch.randn(2, 8, 20, requires_grad=True)
    plain = network(x)
    (slope,) = torch.autograd.grad(plain.square().sum(), x)
    compile_blocks(network, (ConvNextBlock,))
    compiled = network(x)
    torch.testing.assert_close(compiled, plain, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(torch.autograd.grad(compiled.square().sum(), x)[0], slope, rtol=1e-4, atol=1e-5)
    assert list(network.state_dict()) == names


def test_a_machine_without_a_compiler_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(ConfigError, match=r"run\.compile needs a C\+\+ compiler"):
        compile_blocks(torch.nn.Sequential(), (ConvNextBlock,))
