"""Transformer encoder over channels-first sequences with windowed relative positions (Shaw et al. 2018; VITS)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sovits.config import PriorConfig


class ChannelNorm(nn.Module):
    """Layer norm over the channel axis of [b, c, f]."""

    def __init__(self, width: int, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x.mT, self.weight.shape, self.weight, self.bias, self.epsilon).mT


def band_to_square(band: Tensor) -> Tensor:
    """Spread [.., f, 2w+1] scores of distances -w..w onto [.., f, f]; other places are 0.

    Padding each row and cutting the flat result into rows one shorter moves row i by i places.
    """
    *lead, f, size = band.shape
    flat = F.pad(band, (0, f)).flatten(-2)[..., : f * (f + size - 1)]
    return flat.view(*lead, f, f + size - 1)[..., size // 2 : size // 2 + f]


def square_to_band(square: Tensor, size: int) -> Tensor:
    """Collect from [.., f, f] the entries at distances -w..w as [.., f, 2w+1]; the inverse of `band_to_square`."""
    *lead, f, _ = square.shape
    flat = F.pad(F.pad(square, (size // 2, size // 2)).flatten(-2), (0, f))
    return flat.view(*lead, f, f + size)[..., :size]


class RelativeAttention(nn.Module):
    """Self attention whose keys and values add an embedding of the distance, shared by the heads."""

    def __init__(self, width: int, heads: int, window: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.output = (nn.Conv1d(width, width, 1) for _ in range(4))
        for layer in (self.query, self.key, self.value):
            nn.init.xavier_uniform_(layer.weight)
        d = width // heads
        self.distance_keys = nn.Parameter(torch.randn(1, 2 * window + 1, d) * d**-0.5)
        self.distance_values = nn.Parameter(torch.randn(1, 2 * window + 1, d) * d**-0.5)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Attend within `x` [b, c, f] to the frames where `mask` [b, 1, f] is 1."""
        b, c, f = x.shape
        query, key, value = (p(x).view(b, self.heads, -1, f).mT for p in (self.query, self.key, self.value))
        query = query * query.shape[-1] ** -0.5
        scores = query @ key.mT + band_to_square(query @ self.distance_keys[0].T)
        weights = self.dropout(scores.masked_fill(mask[:, :, None] == 0, -1e4).softmax(-1))
        mixed = weights @ value
        mixed = mixed + square_to_band(weights, self.distance_values.shape[1]) @ self.distance_values[0]
        return self.output(mixed.mT.reshape(b, c, f))


class FeedForward(nn.Module):
    """Two convolutions with a ReLU between, blind to padding."""

    def __init__(self, width: int, inner: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.expand = nn.Conv1d(width, inner, kernel, padding=kernel // 2)
        self.contract = nn.Conv1d(inner, width, kernel, padding=kernel // 2)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return self.contract(self.dropout(self.expand(x * mask).relu()) * mask) * mask


class EncoderLayer(nn.Module):
    """Attention and feed-forward, each followed by the norm of the sum."""

    def __init__(self, width: int, config: PriorConfig) -> None:
        super().__init__()
        self.attention = RelativeAttention(width, config.heads, config.window, config.dropout)
        self.attention_norm = ChannelNorm(width)
        self.feed = FeedForward(width, config.filter, config.kernel, config.dropout)
        self.feed_norm = ChannelNorm(width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = self.attention_norm(x + self.dropout(self.attention(x, mask)))
        return self.feed_norm(x + self.dropout(self.feed(x, mask)))


class Encoder(nn.Module):
    """A chain of layers over [b, c, f]; padded frames are 0 on entry and exit."""

    def __init__(self, width: int, layers: int, config: PriorConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(width, config) for _ in range(layers))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = x * mask
        for layer in self.layers:
            x = layer(x, mask)
        return x * mask
