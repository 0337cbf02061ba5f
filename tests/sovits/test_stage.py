"""Compiled stages of residual blocks against plain ones."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from gpt_sovits.core import compiled as building
from gpt_sovits.core.compiled import library
from sovits.config import ResidualBlocks, VocoderHead
from sovits.fast import FastVocoder
from sovits.hifigan import ResidualStage
from sovits.kernels.stage import SOURCE, CompiledStage, compiled
from sovits.overlap_save import OverlapSaveConv
from sovits.vocoder import Vocoder
from sovits.weightnorm import take_off

CHUNK = 8192
"""Frames that are computed together."""


def stages(width: int, kernels: tuple[int, ...] = (3, 7, 11), narrow: int = 1) -> tuple[ResidualStage, CompiledStage]:
    """A plain one with weights as large as trained ones, and its compiled form."""
    torch.manual_seed(0)
    blocks = ResidualBlocks(kernels=kernels, dilations=((1, 3, 5),) * len(kernels), narrow=(narrow,))
    plain = ResidualStage(width, blocks)
    take_off(plain)
    for conv in plain.modules():
        if isinstance(conv, nn.Conv1d):
            nn.init.normal_(conv.weight, std=0.5 / (conv.in_channels * conv.kernel_size[0]) ** 0.5)
            nn.init.normal_(conv.bias, std=0.1)
    fast = compiled(plain)
    assert fast is not None
    return plain, fast


def flat(x: Tensor) -> Tensor:
    return x[:, :, None].contiguous(memory_format=torch.channels_last)


def off(found: Tensor, exact: Tensor) -> float:
    return ((found - exact).norm() / exact.norm()).item()


@pytest.fixture(params=["own", "4", "8", "16"])
def lanes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is built for this processor, and for those with other registers."""
    if request.param != "own":
        monkeypatch.setattr(building, "FLAGS", (*building.FLAGS, f"-DL={request.param}", "-DPANELS=2"))
        built = library(SOURCE)
        assert built is not None and built.lanes() == int(request.param)


@torch.inference_mode()
@pytest.mark.usefixtures("lanes")
@pytest.mark.parametrize(
    ("width", "kernels", "narrow", "frames"),
    [(16, (3, 7, 11), 1, 700), (48, (3, 7, 11), 1, 100), (64, (1, 5, 17), 2, 333), (96, (9,), 3, 31)],
)
def test_it_rounds_as_finely_as_convolutions(width: int, kernels: tuple[int, ...], narrow: int, frames: int) -> None:
    """Channels that fill whole panels and others, fewer between a pair, kernels up to the longest; several rows."""
    plain, fast = stages(width, kernels, narrow)
    x = torch.randn(2, width, frames)
    assert off(fast(flat(x))[:, :, 0], plain.double()(x.double())) < 1e-6


@torch.inference_mode()
@pytest.mark.parametrize("frames", [1, 5, 22, 60, 61, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 40])
def test_of_any_length(frames: int) -> None:
    """Shorter than what a kernel hears, and longer than what is computed at a time: nobody hears a seam."""
    plain, fast = stages(16)
    x = torch.randn(1, 16, frames)
    exact = plain.double()(x.double())
    assert off(fast(flat(x))[:, :, 0], exact) < 1e-6
    around = slice(max(0, frames // 2 - 100), CHUNK + 100)
    assert off(fast(flat(x))[:, :, 0, around], exact[..., around]) < 1e-6


@torch.inference_mode()
def test_what_lies_behind_a_shorter_row_is_not_heard() -> None:
    plain, fast = stages(16)
    lengths = torch.tensor([90, 200, 0])
    mask = (torch.arange(200) < lengths[:, None])[:, None].float()
    x = torch.randn(3, 16, 200)
    found = fast(flat(x), mask[:, :, None])[:, :, 0]
    torch.testing.assert_close(found, plain(x * mask, mask), rtol=1e-4, atol=1e-5)
    assert torch.equal(found[:1, :, :90], fast(flat(x[:1, :, :90]))[:, :, 0])


@torch.inference_mode()
def test_neither_threads_nor_company_change_a_bit() -> None:
    _, fast = stages(32)
    x = flat(torch.randn(3, 32, 900))
    kept = torch.get_num_threads()
    try:
        made = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            made.append(fast(x))
    finally:
        torch.set_num_threads(kept)
    assert torch.equal(made[0], made[1]) and torch.equal(made[0], made[2])
    assert torch.equal(fast(x[1:2]), made[0][1:2])
    with ThreadPoolExecutor(4) as pool:
        rows = list(pool.map(fast, [x[i % 3 : i % 3 + 1] for i in range(12)]))
    assert all(torch.equal(row[0], made[0][i % 3]) for i, row in enumerate(rows))


@torch.inference_mode()
def test_a_copy_computes_the_same() -> None:
    """Copied, or sent to another process; the weights are its own."""
    _, fast = stages(16)
    x = flat(torch.randn(1, 16, 50))
    made = fast(x)
    copies = [copy.deepcopy(fast), pickle.loads(pickle.dumps(fast))]
    fast.weight0.zero_()
    assert all(torch.equal(other(x), made) for other in copies) and not torch.equal(fast(x), made)


def test_sizes_it_does_not_know_keep_the_plain_stage() -> None:
    assert compiled(ResidualStage(30, ResidualBlocks())) is None
    wide = ResidualBlocks(kernels=(19,), dilations=((1,),))
    assert compiled(ResidualStage(64, wide)) is None
    bare = ResidualStage(64, ResidualBlocks())
    bare.blocks[0].plain[0].bias = None  # type: ignore[index, union-attr]
    assert compiled(bare) is None


@torch.inference_mode()
@pytest.mark.parametrize("lacking", ["compiler", "threads"])
def test_without_a_compiler_that_knows_of_threads_tiles_are_taken(
    lacking: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """On one thread what knows of none is as good."""
    vocoder = Vocoder(VocoderHead(channels=512)).eval()
    kinds = (CompiledStage, OverlapSaveConv)

    def counts() -> list[int]:
        fast = FastVocoder(vocoder, torch.float32)
        return [sum(isinstance(module, kind) for module in fast.modules()) for kind in kinds]

    assert counts()[0] == 4
    if lacking == "compiler":
        monkeypatch.setenv("PATH", str(tmp_path))
    else:
        monkeypatch.setattr(building, "OPTIONAL", ((),))
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    compiled_count, tiled = counts()
    assert not compiled_count and tiled > 20
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert counts()[0] == (0 if lacking == "compiler" else 4)
