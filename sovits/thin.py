"""A vocoder with a fraction of the work, taught to make the very samples of one that is trained already.

Nine tenths of the time of a small voice go to the convolutions of HiFi-GAN's residual pairs. Here each pair keeps a few
of the channels between its two convolutions (He et al. 2017), and the stages nearest to the samples may give way to an
inverse STFT (iSTFTNet, Kaneko et al. 2022). What is left has the same features between its stages, so that it can be
solved for, pair by pair, then taught stage by stage (FitNets, Romero et al. 2015) and as a whole: no judge is needed
where the samples that are wanted are known.
"""

from __future__ import annotations

import copy
from itertools import chain

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sovits.config import SpectralExit, VocoderHead
from sovits.hifigan import SLOPE, ResidualBlock, ResidualStage
from sovits.vocoder import Vocoder
from sovits.weightnorm import take_off

FFTS = (128, 256, 512, 1024, 2048)
POSITIONS = 60000
"""Places in time that a pair is fitted on: many times as many as a convolution has weights for each channel."""
EARLY = 1
"""Stages up to this one are cheap."""
QUIET = 2e-3
"""Magnitudes below this are alike."""


def thin_config(config: VocoderHead, narrow: tuple[int, ...], exit: SpectralExit | None = None) -> VocoderHead:
    """The head with so many times fewer channels within pairs, and without the stages for which an exit stands."""
    stages, left = 0, config.heard.hop // (1 if exit is None else exit.hop)
    while left > 1 and stages < len(config.rates) and left % config.rates[stages] == 0:
        left //= config.rates[stages]
        stages += 1
    values = {
        **config.model_dump(),
        "rates": config.rates[:stages],
        "kernels": config.kernels[:stages],
        "blocks": {**config.blocks.model_dump(), "narrow": narrow},
        "exit": None if exit is None else exit.model_dump(),
    }
    return VocoderHead.model_validate(values)


@torch.no_grad()
def thinned(teacher: Vocoder, config: VocoderHead, mel: Tensor) -> Vocoder:
    """A thin vocoder, without weight norm, begun from the weights of a teacher without it.

    Pair by pair those channels are kept without which the rest could least make up for them, and the second convolution
    is solved for, so that what comes after is as near to the teacher's as it can be, earlier errors included.

    Args:
        mel: log-mel frames [b, m, f] to fit that on.
    """
    student = unnormed(config)
    student.entry.load_state_dict(teacher.entry.state_dict())
    if config.exit is None:
        student.exit.load_state_dict(teacher.exit.state_dict())
    ours = theirs = teacher.entry(mel)
    for k, (upsampler, stage) in enumerate(zip(student.upsamplers, student.stages, strict=True)):
        upsampler.load_state_dict(teacher.upsamplers[k].state_dict())
        ours, theirs = (upsampler(F.leaky_relu(x, SLOPE)) for x in (ours, theirs))
        full = teacher.stages[k]
        assert isinstance(stage, ResidualStage) and isinstance(full, ResidualStage)
        for mine, block in zip(stage.blocks, full.blocks, strict=True):
            assert isinstance(mine, ResidualBlock) and isinstance(block, ResidualBlock)
            _adopt(mine, block, ours, theirs)
        ours, theirs = stage(ours), full(theirs)
    return student


def _adopt(mine: ResidualBlock, full: ResidualBlock, ours: Tensor, theirs: Tensor) -> None:
    """Fit the pairs of a block to a wider one's; each of the two blocks goes on from its own features [b, c, f]."""
    pairs = zip(mine.dilated, mine.plain, full.dilated, full.plain, strict=True)
    for first, second, full_first, full_second in pairs:
        theirs = theirs + full_second(F.leaky_relu(full_first(F.leaky_relu(theirs, SLOPE)), SLOPE))
        inner = F.leaky_relu(full_first(F.leaky_relu(ours, SLOPE)), SLOPE)
        weight, bias = _parts(full_first)
        kept = torch.arange(len(weight))
        last, offset = _parts(full_second)
        if len(_parts(first)[0]) < len(weight):
            kept, last, offset = _fewer(inner, theirs - ours, len(_parts(first)[0]), last.shape[-1])
        _set(first, weight[kept], bias[kept])
        _set(second, last, offset)
        ours = ours + second(inner[:, kept])


def _fewer(inner: Tensor, wanted: Tensor, count: int, kernel: int) -> tuple[Tensor, Tensor, Tensor]:
    """Which channels of `inner` [b, c, f] to keep, and the convolution of them [o, count, kernel] nearest to `wanted`.

    As the optimal brain surgeon (Hassibi & Stork 1993) has it, but by channels: those go first whose loss, everything
    else solved for again, adds least to the square error.
    """
    gram, moment = _moments(inner, wanted, kernel)
    kept = torch.arange(inner.shape[1])
    while True:
        columns = torch.cat(((kept[:, None] * kernel + torch.arange(kernel)).flatten(), torch.tensor([len(gram) - 1])))
        factor = torch.linalg.cholesky(gram[columns][:, columns])
        solved = torch.cholesky_solve(moment[columns], factor)
        weight = solved[:-1].reshape(len(kept), kernel, -1)
        if len(kept) <= count:
            return kept, weight.permute(2, 0, 1).float(), solved[-1].float()
        inverse = torch.cholesky_inverse(factor)[:-1, :-1].reshape(len(kept), kernel, len(kept), kernel)
        own = torch.stack([inverse[i, :, i] for i in range(len(kept))])
        missed = (weight * torch.linalg.solve(own, weight)).sum((1, 2))
        left = max(count, len(kept) - max(1, len(kept) // 6))
        kept = kept[missed.topk(left).indices.sort().values]


def _moments(inner: Tensor, wanted: Tensor, kernel: int) -> tuple[Tensor, Tensor]:
    """Second moments of what a kernel sees of `inner` and a constant, and of that with `wanted`, in float64.

    Of each piece as many places are looked at, drawn at random: neighbours tell the same, other voices do not.
    """
    size = inner.shape[1] * kernel + 1
    gram, moment = torch.zeros(size, size, dtype=torch.double), torch.zeros(size, wanted.shape[1], dtype=torch.double)
    source = torch.Generator().manual_seed(0)
    for row, target in zip(F.pad(inner, (kernel // 2, kernel // 2)), wanted, strict=True):
        places = torch.randperm(target.shape[1], generator=source)[: -(-POSITIONS // len(inner))]
        seen = row[:, places[:, None] + torch.arange(kernel)].transpose(0, 1).flatten(1)
        seen = F.pad(seen, (0, 1), value=1.0)
        gram += (seen.mT @ seen).double()
        moment += (seen.mT @ target[:, places].mT).double()
    gram.diagonal().add_(1e-4 * gram.diagonal().mean())
    return gram, moment


def _parts(conv: nn.Module) -> tuple[Tensor, Tensor]:
    assert isinstance(conv, nn.Conv1d) and conv.bias is not None
    return conv.weight, conv.bias


def _set(conv: nn.Module, weight: Tensor, bias: Tensor) -> None:
    for value, taken in zip(_parts(conv), (weight, bias), strict=True):
        value.copy_(taken)


def unnormed(config: VocoderHead) -> Vocoder:
    """A fresh vocoder without weight norm."""
    made = Vocoder(config)
    with torch.enable_grad():  # without gradients PyTorch would leave buffers in place of the weights
        take_off(made)
    return made


def plain(vocoder: Vocoder) -> Vocoder:
    """A frozen copy without weight norm."""
    copied = copy.deepcopy(vocoder)
    take_off(copied)
    return copied.eval().requires_grad_(False)


def groups(student: Vocoder, rate: float) -> list[dict[str, object]]:
    """Parameters and their rates: what is taken over as it was moves slowly."""
    slow = chain(student.entry.parameters(), student.upsamplers.parameters())
    first, *rest = student.stages
    fast = chain(*(stage.parameters() for stage in rest), student.exit.parameters())
    return [
        {"params": list(params), "lr": share * rate, "share": share}
        for params, share in ((slow, 0.1), (first.parameters(), 0.5), (fast, 1.0))
    ]


def feature_distance(made: Tensor, wanted: Tensor) -> Tensor:
    """Mean square between features [b, c, f], in variances of their channels."""
    return ((made - wanted).square() / (wanted.var((0, 2), keepdim=True) + 1e-8)).mean()


def wave_distance(made: Tensor, wanted: Tensor) -> Tensor:
    """Energy of the difference of samples [b, w], in shares of each row's own."""
    energy = wanted.square().mean(-1)
    return ((made - wanted).square().mean(-1) / (energy + 0.02 * energy.mean() + 1e-5)).mean()


def spectral_distance(made: Tensor, wanted: Tensor) -> Tensor:
    """Of magnitudes and their logarithms at several resolutions (Yamamoto et al. 2020), of samples [b, w]."""
    total = made.new_zeros(())
    for n_fft in FFTS:
        ours, theirs = _magnitudes(made, n_fft), _magnitudes(wanted, n_fft)
        total = total + (ours.clamp(min=QUIET).log() - theirs.clamp(min=QUIET).log()).abs().mean()
        off = torch.linalg.vector_norm(ours - theirs, dim=(1, 2))
        total = total + (off / (torch.linalg.vector_norm(theirs, dim=(1, 2)) + 1e-2)).mean()
    return total / len(FFTS)


def _magnitudes(wave: Tensor, n_fft: int) -> Tensor:
    window = torch.hann_window(n_fft, device=wave.device)
    return torch.stft(wave, n_fft, n_fft // 4, window=window, return_complex=True).abs()


class Thinning(nn.Module):
    """The losses of a student against its teacher."""

    def __init__(self, teacher: Vocoder, student: Vocoder, autocast: bool = False) -> None:
        """
        Args:
            autocast: convolve in bfloat16.
        """
        super().__init__()
        self.teacher, self.student, self.autocast = teacher, student, autocast

    def forward(self, mel: Tensor, heard: int, apart: bool) -> dict[str, Tensor]:
        """Distances of features and samples of log-mel frames [b, m, f].

        Args:
            heard: rows of the batch that are taken past the second stage, where the work is.
            apart: each stage is taught alone, given what those before it make; samples that are off by a little in
                phase would else pull at all of them.
        """
        with torch.autocast(mel.device.type, torch.bfloat16, enabled=self.autocast):
            with torch.no_grad():
                features, wanted = self._taught(mel, heard)
            reached, made = self._made(mel, heard, apart)
        losses = {f"stage {k}": feature_distance(x.float(), features[k + 1].float()) for k, x in enumerate(reached)}
        wave, spectrum = wave_distance(made.float(), wanted.float()), spectral_distance(made.float(), wanted.float())
        return losses | {"wave": (0.3 if apart else 0.1) * wave, "spectrum": 0.5 * spectrum}

    def _made(self, mel: Tensor, heard: int, apart: bool) -> tuple[list[Tensor], Tensor]:
        """The student's features, but for those that go straight to the samples, and its samples [heard, w]."""
        student, late = self.student, self.student.config.exit is not None
        reached, x = [], student.entry(mel)
        for k in range(len(student.stages)):
            x = student.stage(k, x.detach() if apart and k else x)
            reached.append(x)
            x = x[:heard] if k == EARLY else x
        made = student.exit(x.detach() if apart and late else x)[:heard, 0]
        return reached if late else reached[:-1], made

    @torch.no_grad()
    def distance(self, mel: Tensor) -> dict[str, Tensor]:
        """How far the student's samples are from the teacher's."""
        made, wanted = self.student(mel)[:, 0], self.teacher(mel)[:, 0]
        loudness = 20 * (made.std() / wanted.std()).log10()
        return {
            "wave": wave_distance(made, wanted),
            "spectrum": spectral_distance(made, wanted),
            "decibels": loudness,
        }

    def _taught(self, mel: Tensor, heard: int) -> tuple[list[Tensor], Tensor]:
        """The teacher's features, and the samples [heard, w] that it makes."""
        features = [self.teacher.entry(mel)]
        for k in range(len(self.teacher.stages)):
            features.append(self.teacher.stage(k, features[-1][:heard] if k == EARLY + 1 else features[-1]))
        return features, self.teacher.exit(features[-1])[:heard, 0]
