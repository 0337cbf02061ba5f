"""Stages of residual blocks on a CPU in float32, each as one call of compiled code; see `stage.c`."""

from __future__ import annotations

import ctypes
import math
from ctypes import POINTER, Structure, c_float, c_int64, c_void_p
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

from gpt_sovits.core.compiled import library
from sovits.hifigan import SLOPE, ResidualBlock, ResidualStage

SOURCE = Path(__file__).with_name("stage.c")
SIZE = 32
"""Samples of a transform."""
FREQUENCIES = (1, 5, 9, 13, 17, 21, 25, 29, 2, 10, 18, 26, 4, 20, 8)
"""The complex ones, as the transforms order them; 17 is the mirror image of 15, and so on."""
LONGEST_KERNEL = 17


class _Conv(Structure):
    _fields_ = (
        *((name, c_int64) for name in ("channels_in", "channels_out", "kernel", "dilation")),
        *((name, c_void_p) for name in ("weight", "bias")),
    )


class _Stage(Structure):
    _fields_ = (
        *((name, c_int64) for name in ("channels", "blocks", "pairs", "reach")),
        ("slope", c_float),
        ("conv", POINTER(_Conv)),
    )


class CompiledStage(nn.Module):
    """Computes what a `ResidualStage` does, but for rounding, which is as fine; for speaking only.

    Use `compiled` to make one.
    """

    def __init__(self, stage: ResidualStage, built: ctypes.CDLL) -> None:
        super().__init__()
        self.path = built._name
        convs = _convs(stage)
        self.channels, self.blocks = convs[0].in_channels, len(stage.blocks)
        self.shapes = [(c.in_channels, c.out_channels, c.kernel_size[0], c.dilation[0]) for c in convs]
        reaches = [d * (k // 2) for _, _, k, d in self.shapes]
        per_block = len(convs) // self.blocks
        self.reach = max(sum(reaches[i : i + per_block]) for i in range(0, len(convs), per_block))
        for i, conv in enumerate(convs):
            assert conv.bias is not None
            self.register_buffer(f"weight{i}", pack(conv.weight, built.wide()))
            self.register_buffer(f"bias{i}", conv.bias.detach().float().clone())

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Features [b, c, 1, f] of features [b, c, 1, f], over channels-last memory.

        Args:
            mask: [b, 1, 1, f], of ones and then zeros: what lies behind a shorter row is zero and not heard.
        """
        x = x.contiguous(memory_format=torch.channels_last)
        threads, frames = torch.get_num_threads(), x.shape[-1]
        lengths = [frames] * len(x) if mask is None else mask[:, 0, 0].sum(-1).long().tolist()
        convs = [
            _Conv(*shape, *(self.get_buffer(f"{name}{i}").data_ptr() for name in ("weight", "bias")))
            for i, shape in enumerate(self.shapes)
        ]
        pairs = len(convs) // self.blocks // 2
        stage = _Stage(self.channels, self.blocks, pairs, self.reach, SLOPE, (_Conv * len(convs))(*convs))
        built = _opened(self.path)
        scratch = torch.empty(built.scratch_size(ctypes.byref(stage), c_int64(frames), c_int64(threads)))
        made = torch.empty_like(x)
        for row, out, length in zip(x, made, lengths, strict=True):
            out[..., length:] = 0
            addresses = (c_void_p(tensor.data_ptr()) for tensor in (row, out))
            built.residual_stage(
                ctypes.byref(stage), *addresses, c_int64(length), c_void_p(scratch.data_ptr()), c_int64(threads)
            )
        return made


def compiled(stage: ResidualStage) -> CompiledStage | None:
    """The stage in compiled form; None without a compiler that knows of threads, or where its sizes do not fit."""
    built = library(SOURCE)
    if built is None or not (built.threaded() or torch.get_num_threads() == 1):
        return None
    built = _opened(built._name)
    for conv in _convs(stage):
        kernel, dilation = conv.kernel_size[0], conv.dilation[0]
        kept = kernel % 2 and kernel <= LONGEST_KERNEL and conv.padding == (dilation * (kernel // 2),)
        if not kept or conv.bias is None or any(c % built.lanes() for c in (conv.in_channels, conv.out_channels)):
            return None
    return CompiledStage(stage, built)


@cache
def _opened(path: str) -> ctypes.CDLL:
    """A library is the process's: a stage that is copied, or sent to another process, keeps where it lies."""
    built = ctypes.CDLL(path)
    for function in ("lanes", "wide", "scratch_size"):
        getattr(built, function).restype = c_int64
    return built


def pack(weight: Tensor, wide: int) -> Tensor:
    """Spectra [p, o / wide, c, wide] of kernels [o, c, k]: what each row of a tile's is multiplied by.

    The last outputs are filled up with zeros. What a frequency counts for when the samples are made again is in them.
    """
    made, seen, kernel = weight.shape
    places = torch.arange(kernel, dtype=torch.double) * 2 * math.pi / SIZE
    rows = [(places * frequency).cos() / SIZE for frequency in (0, SIZE // 2)]
    for frequency in FREQUENCIES:
        e, f = (places * frequency).cos() * 2 / SIZE, (places * frequency).sin() * 2 / SIZE
        rows += [e, f - e, e + f]
    padded = nn.functional.pad(weight.detach().float(), (0, 0, 0, 0, 0, -made % wide))
    panels = padded.view(-1, wide, seen, kernel).permute(3, 0, 2, 1)
    return (torch.stack(rows).float() @ panels.reshape(kernel, -1)).view(len(rows), *panels.shape[1:])


def _convs(stage: ResidualStage) -> list[nn.Conv1d]:
    """In the order in which a block computes them."""
    found: list[nn.Conv1d] = []
    for block in stage.blocks:
        assert isinstance(block, ResidualBlock)
        for pair in zip(block.dilated, block.plain, strict=True):
            found.extend(pair)  # type: ignore[arg-type]
    return found
