"""Reference spectrogram to a style vector (Meta-StyleSpeech, Min et al. 2021), and the speaker branch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sovits.config import StyleConfig

NOTED = 0.01
"""Share of a batch in the average voice."""


class GatedConv(nn.Module):
    """Residual gated linear unit along time."""

    def __init__(self, width: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.conv = nn.Conv1d(width, 2 * width, kernel, padding=kernel // 2)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(x + F.glu(self.conv(x), dim=1))


class StyleAttention(nn.Module):
    """Self attention over [b, f, c] with a residual and no norm."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.output = (nn.Linear(width, width) for _ in range(4))
        self.dropout = dropout

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """Attend to the frames where `valid` [b, f] is True."""
        b, f, c = x.shape
        query, key, value = (
            p(x).view(b, f, self.heads, -1).transpose(1, 2) for p in (self.query, self.key, self.value)
        )
        dropout = self.dropout if self.training else 0.0
        # The published weights were trained with the root of the whole width, not of one head's, as temperature.
        mixed = F.scaled_dot_product_attention(query, key, value, valid[:, None, None], dropout, scale=c**-0.5)
        mixed = self.output(mixed.transpose(1, 2).reshape(b, f, c))
        return F.dropout(mixed, self.dropout, self.training) + x


class StyleEncoder(nn.Module):
    """One style vector for one recording."""

    average: Tensor

    def __init__(self, config: StyleConfig) -> None:
        super().__init__()
        self.bins = config.bins
        width = config.hidden
        self.spectral_in = nn.Linear(config.bins, width)
        self.spectral_out = nn.Linear(width, width)
        self.temporal = nn.ModuleList(GatedConv(width, config.kernel, config.dropout) for _ in range(2))
        self.attention = StyleAttention(width, config.heads, config.dropout)
        self.project = nn.Linear(width, config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.gain = config.gain
        if config.gain is not None:
            self.register_buffer("average", torch.zeros(config.width, 1))

    def noted(self, style: Tensor) -> Tensor:
        """The styles of a batch [b, width or more, 1], which enter the average voice where styles are being taught.

        An adapter's training leaves it, so that the adapter beside its base is the same voice as merged.
        """
        if self.training and self.gain is not None and self.project.weight.requires_grad:
            self.average.lerp_(style.detach().mean(0)[: len(self.average)].to(self.average), NOTED)
        return style

    def exaggerated(self, style: Tensor) -> Tensor:
        """A style to speak with [b, width or more, 1]; what is below the style proper stays."""
        if self.gain is None:
            return style
        own = style[:, : len(self.average)]
        average = self.average.to(own)
        return torch.cat((average + self.gain * (own - average), style[:, len(average) :]), dim=1)

    def forward(self, spec: Tensor, mask: Tensor | None = None) -> Tensor:
        """Style [b, width, 1] of a linear magnitude spectrogram [b, bins or more, f]; `mask` [b, 1, f].

        Padded frames are seen by the convolutions beside them, as in the public implementation.
        """
        if mask is None:
            mask = torch.ones_like(spec[:, :1])
        x = (spec[:, : self.bins] * mask).mT
        x = self.dropout(F.mish(self.spectral_in(x)))
        x = self.dropout(F.mish(self.spectral_out(x))).mT
        for layer in self.temporal:
            x = layer(x)
        x = self.attention((x * mask).mT, mask[:, 0] > 0)
        x = self.project(x).mT * mask
        return x.sum(-1, keepdim=True) / mask.sum(-1, keepdim=True)


class SpeakerBranch(nn.Module):
    """Adds a speaker verification embedding to the style."""

    def __init__(self, width: int, style_width: int) -> None:
        super().__init__()
        self.project = nn.Linear(width, style_width)
        self.activation = nn.PReLU(num_parameters=style_width)

    def forward(self, style: Tensor, embedding: Tensor) -> Tensor:
        """Combine `style` [b, c, 1] and `embedding` [b, e] to [b, c, 1]."""
        return self.activation(style + self.project(embedding)[..., None])
