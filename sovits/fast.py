"""The sample generator in bfloat16, which takes half the time where the processor multiplies in it.

One-dimensional convolutions become two-dimensional ones of height 1 over channels-last memory, for which oneDNN need
not reorder its input. Where the processor does not, bfloat16 would take fifty times as long. In float32 stages of
residual blocks are compiled code (`sovits.kernels.stage`), a third of the time with AVX2; without a C compiler their
wide convolutions of long kernels give way to `sovits.overlap_save`, half the time.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from gpt_sovits.core.device import multiplies_bfloat16
from gpt_sovits.core.skeleton import skeleton
from sovits.generator import Generator
from sovits.hifigan import ConvOut, ResidualStage
from sovits.kernels.stage import compiled
from sovits.model import Synthesizer
from sovits.overlap_save import OverlapSaveConv, best_length
from sovits.upsampling import UpsamplingProducts, fits
from sovits.vocoder import MelVocoder, Vocoder
from sovits.weightnorm import take_off

WINDOW = 160
"""Frames of the mel spectrogram that a vocoder is given at a time in bfloat16."""
LONGEST = 640
"""The most in float32, where running takes longer than writing a program, and what windows share is work done twice."""


class FastGenerator(nn.Module):
    """Computes what `Generator` does, for speaking only; the weight norm of the given one is folded in.

    Args:
        dtype: None: bfloat16 where the processor multiplies in it, else float32.
    """

    def __init__(self, generator: Generator, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.dtype = fastest_format() if dtype is None else dtype
        self.plain = (generator,)  # a tuple, so that its weights are not counted as these
        self.inner = _narrow(generator, self.dtype)

    def forward(self, z: Tensor, style: Tensor, mask: Tensor | None = None, pitch: None = None) -> Tensor:
        """Samples [b, 1, f * hop] of a latent [b, c, f] in the style [b, s, 1]; see `Generator`.

        Those that are told the pitch end in a vocoder, and stay as they are but for that.
        """
        x = z[:, :, None].to(self.dtype, memory_format=torch.channels_last)
        flat = None if mask is None else mask[:, :, None].to(self.dtype)
        wave: Tensor = self.inner(x, style[:, :, None].to(self.dtype), flat)
        return wave[:, :, 0].to(z.dtype)


class FastVocoder(nn.Module):
    """Computes what `Vocoder` does, for speaking only, in windows that overlap by what a sample hears.

    For every new length the library behind the convolutions writes itself new programs, the longer the more of them.
    In bfloat16 that takes a multiple of running them, and all windows are of one length; in float32 they are as few as
    can be, and alike.

    Args:
        dtype: as of `FastGenerator`.
    """

    def __init__(self, vocoder: Vocoder, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.dtype = fastest_format() if dtype is None else dtype
        self.margin = vocoder.config.reach
        self.inner = _narrow(vocoder, self.dtype)

    def forward(self, mel: Tensor) -> Tensor:
        frames, done, waves = mel.shape[-1], 0, []
        window = self._window(frames)
        if frames <= window:
            return self._whole(mel)
        while done < frames:
            start = min(max(0, done - self.margin), frames - window)
            wave = self._whole(mel[..., start : start + window])
            end = frames if start + window == frames else start + window - self.margin
            hop = wave.shape[-1] // window
            waves.append(wave[..., (done - start) * hop : (end - start) * hop])
            done = end
        return torch.cat(waves, dim=-1)

    def _window(self, frames: int) -> int:
        """Frames of a window, some multiple of 16."""
        if self.dtype != torch.float32:
            return WINDOW
        shared = 2 * self.margin
        windows = max(1, -(-(frames - shared) // (LONGEST - shared)))
        return -(-(-(-(frames - shared) // windows) + shared) // 16) * 16

    def _whole(self, mel: Tensor) -> Tensor:
        x = mel[:, :, None].to(self.dtype, memory_format=torch.channels_last)
        wave: Tensor = self.inner(x)
        return wave.flatten(2).to(mel.dtype)


def prepare(model: Synthesizer, dtype: torch.dtype | None = None) -> bool:
    """Give a model that speaks on a CPU the fast generator; how far it is off, docs/performance.md says.

    Args:
        dtype: as of `FastGenerator`.

    Returns:
        Whether it has one now; a generator that is not all convolutions stays as it is.
    """
    generator = model.generator
    if not isinstance(generator, Generator) or generator.entry.weight.device.type != "cpu":
        return False
    head = generator.head
    if isinstance(head, MelVocoder):
        if isinstance(head.vocoder, FastVocoder):
            return False
        head.vocoder = FastVocoder(head.vocoder, dtype)  # type: ignore[assignment]  # both are modules of a mel
        return True
    if not all(isinstance(stage, ResidualStage) for stage in generator.stages) or not isinstance(head, ConvOut):
        return False
    model.generator = FastGenerator(generator, dtype)  # type: ignore[assignment]  # both are modules of (z, style)
    return True


def undo(model: Synthesizer) -> None:
    """Give a model its plain generator back, whose weights can be changed; a vocoder stays fast."""
    if isinstance(model.generator, FastGenerator):
        (model.generator,) = model.generator.plain


def fastest_format() -> torch.dtype:
    """What this processor computes convolutions fastest in."""
    return torch.bfloat16 if multiplies_bfloat16() else torch.float32


def wins(model: Synthesizer) -> bool:
    """Whether half precision is worth it where nobody asked: a published vocoder is large, and not heard to differ."""
    generator = model.generator
    return isinstance(generator, Generator) and isinstance(generator.head, MelVocoder)


def _narrow(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A flat copy in another number format."""
    take_off(module)
    inner = _flat(copy.deepcopy(module), dtype).to(dtype).eval()
    for value in inner.parameters():
        if value.ndim == 4:
            value.data = value.data.contiguous(memory_format=torch.channels_last)
    return inner


def _flat(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Replace every stage below by its compiled form, where there is one, and every convolution by its flat twin."""
    for name, child in module.named_children():
        stage = compiled(child) if isinstance(child, ResidualStage) and dtype == torch.float32 else None
        if stage is not None:
            setattr(module, name, stage)
        elif isinstance(child, nn.Conv1d | nn.ConvTranspose1d):
            setattr(module, name, _twin(child, dtype))
        else:
            _flat(child, dtype)
    return module


def _twin(conv: nn.Conv1d | nn.ConvTranspose1d, dtype: torch.dtype) -> nn.Module:
    if isinstance(conv, nn.Conv1d) and dtype == torch.float32:
        length = best_length(conv)
        if length is not None:
            return OverlapSaveConv(conv, length)
    if isinstance(conv, nn.ConvTranspose1d) and dtype == torch.float32 and fits(conv):
        return UpsamplingProducts(conv)
    kind = nn.Conv2d if isinstance(conv, nn.Conv1d) else nn.ConvTranspose2d
    assert isinstance(conv.padding, tuple)
    with skeleton():
        twin = kind(
            conv.in_channels,
            conv.out_channels,
            (1, conv.kernel_size[0]),
            (1, conv.stride[0]),
            padding=(0, conv.padding[0]),
            dilation=(1, conv.dilation[0]),
            bias=conv.bias is not None,
        )
    with torch.no_grad():
        twin.weight.copy_(conv.weight[:, :, None])
        if twin.bias is not None and conv.bias is not None:
            twin.bias.copy_(conv.bias)
    return twin
