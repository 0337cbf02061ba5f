"""Latent frames to samples: upsampling stages between an entry convolution and a head."""

from __future__ import annotations

from torch import Tensor, nn

from sovits.config import ConvNextBlocks, GeneratorConfig, IstftHead, ResidualBlocks, VocoderHead
from sovits.hifigan import DEVIATION, SLOPE, ConvNextBlock, ConvNextStage, ConvOut, Istft, ResidualStage, masked
from sovits.pitch import PitchEmbedding
from sovits.vocoder import MelVocoder
from sovits.weightnorm import normed


class Generator(nn.Module):
    """Upsampling stages between an entry convolution and a head."""

    def __init__(self, latent: int, config: GeneratorConfig, style_width: int) -> None:
        super().__init__()
        widths = (config.channels, *config.stage_widths)
        residual = isinstance(config.blocks, ResidualBlocks)
        deviation = DEVIATION if residual else None
        self.rates = config.rates
        self.entry = nn.Conv1d(latent, config.channels, 7, padding=3)
        self.condition = nn.Conv1d(style_width, config.channels, 1)
        self.pitch = None if config.pitch is None else PitchEmbedding(config.channels, config.pitch)
        self.upsamplers = nn.ModuleList(
            normed(nn.ConvTranspose1d(widths[i], widths[i + 1], k, u, (k - u) // 2), deviation)
            for i, (k, u) in enumerate(zip(config.kernels, config.rates, strict=True))
        )
        self.stages = nn.ModuleList(_stage(config, i) for i in range(len(config.rates)))
        self.head = _head(widths[-1], config)
        self.activation = nn.LeakyReLU(SLOPE) if residual else nn.Identity()

    def forward(self, z: Tensor, style: Tensor, mask: Tensor | None = None, pitch: Tensor | None = None) -> Tensor:
        """Samples [b, 1, f * hop] of a latent [b, c, f] in the style [b, s, 1].

        Args:
            pitch: [b, 2, f], for a generator that is told it, see `sovits.pitch`.
            mask: [b, 1, f]; what lies behind a shorter latent of a batch then does not reach its last samples.
        """
        return self.head(*self._features(z, style, mask, pitch))

    def mel(self, z: Tensor, style: Tensor, pitch: Tensor | None = None) -> Tensor:
        """Log-mel frames [b, m, f * rates] of a latent, where the head is a vocoder: all that there is to be taught."""
        assert isinstance(self.head, MelVocoder)
        return self.head.mel(self._features(z, style, None, pitch)[0])

    def _features(
        self, z: Tensor, style: Tensor, mask: Tensor | None, pitch: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """What the head reads, and its mask."""
        x = self.entry(z) + self.condition(style)
        if self.pitch is not None:
            assert pitch is not None
            x = x + self.pitch(pitch)
        x = masked(x, mask)
        for upsample, stage, rate in zip(self.upsamplers, self.stages, self.rates, strict=True):
            x = upsample(self.activation(x))
            if mask is None:
                x = stage(x)
            else:
                mask = mask.repeat_interleave(rate, dim=-1)
                x = stage(masked(x, mask), mask)
        return x, mask


def _head(width: int, config: GeneratorConfig) -> nn.Module:
    if isinstance(config.head, IstftHead):
        return Istft(width, config.head)
    return MelVocoder(width, config.head) if isinstance(config.head, VocoderHead) else ConvOut(width)


def _stage(config: GeneratorConfig, index: int) -> nn.Module:
    width, blocks = config.stage_widths[index], config.blocks
    if isinstance(blocks, ConvNextBlocks):
        scale = 1 / max(1, sum(blocks.layers))
        return ConvNextStage(
            *(ConvNextBlock(width, blocks.kernel, blocks.expansion, scale) for _ in range(blocks.layers[index]))
        )
    return ResidualStage(width, blocks, index)
