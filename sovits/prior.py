"""Semantic codes, phonemes and style to the prior distribution of the latent."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gpt_sovits.core.alignment import OUTSIDE
from sovits.config import SynthesizerConfig
from sovits.transformer import Encoder


class CrossAttention(nn.Module):
    """Content frames attend to phonemes; no positions."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.output = (nn.Conv1d(width, width, 1) for _ in range(4))
        for layer in (self.query, self.key, self.value):
            nn.init.xavier_uniform_(layer.weight)

    def forward(self, x: Tensor, memory: Tensor, memory_mask: Tensor) -> Tensor:
        """Read `memory` [b, c, n] at every frame of `x` [b, c, f]."""
        b, c, f = x.shape
        query = self.query(x).view(b, self.heads, -1, f).mT
        key, value = (p(memory).view(b, self.heads, c // self.heads, -1).mT for p in (self.key, self.value))
        mixed = F.scaled_dot_product_attention(query, key, value, memory_mask[:, :, None] > 0)
        return self.output(mixed.mT.reshape(b, c, f))

    def log_weights(self, x: Tensor, memory: Tensor, memory_mask: Tensor, head: int) -> Tensor:
        """One head's log-attention [b, f, n] over `memory`, in full precision."""
        width = x.shape[1] // self.heads
        rows = slice(head * width, (head + 1) * width)
        scores = self.query(x)[:, rows].float().mT @ self.key(memory)[:, rows].float() * width**-0.5
        return scores.masked_fill(memory_mask == 0, OUTSIDE).log_softmax(-1)


class TextFusion(nn.Module):
    """Multi-reference timbre encoder: content, what it says, and the style, summed in a wider space."""

    def __init__(self, hidden: int, width: int, heads: int) -> None:
        super().__init__()
        self.content = nn.Conv1d(hidden, width, 1)
        self.text = nn.Conv1d(hidden, width, 1)
        self.attention = CrossAttention(width, heads)
        self.exit = nn.Conv1d(width, hidden, 1)

    def forward(self, content: Tensor, mask: Tensor, text: Tensor, text_mask: Tensor, style: Tensor) -> Tensor:
        x = self.content(content * mask)
        x = self.attention(x, self.text(text * text_mask), text_mask) + x + style
        return self.exit(x * mask)


class PriorEncoder(nn.Module):
    """Joint features of a sentence, and the prior they stand for."""

    def __init__(self, config: SynthesizerConfig) -> None:
        super().__init__()
        prior, hidden = config.prior, config.hidden
        self.hidden = hidden
        self.content = nn.Conv1d(config.quantizer.width, hidden, 1)
        self.said = nn.Conv1d(hidden, hidden, 1) if config.follow_text else None
        self.content_encoder = Encoder(hidden, prior.content_layers, prior)
        self.embedding = nn.Embedding(config.phonemes, hidden)
        self.text_encoder = Encoder(hidden, prior.text_layers, prior)
        self.fusion = TextFusion(hidden, config.style.prior_width, prior.cross_heads)
        self.joint_encoder = Encoder(hidden, prior.joint_layers, prior)
        self.exit = nn.Conv1d(hidden, 2 * config.inter, 1)

    def features(
        self,
        content: Tensor,
        mask: Tensor,
        phones: Tensor,
        text_mask: Tensor,
        style: Tensor,
        places: Tensor | None = None,
    ) -> Tensor:
        """Joint features [b, hidden, f].

        Args:
            content: code vectors, one per spectrogram frame [b, c, f].
            mask: [b, 1, f].
            phones: ids [b, n].
            text_mask: [b, 1, n].
            style: [b, prior_width, 1].
            places: of the phone that is said at each frame [b, f], for a prior that is told it.
        """
        x = self.content(content * mask)
        if self.said is None:
            x = self.content_encoder(x * mask, mask)
            text = self.text_encoder(self.embedding(phones).mT, text_mask)
        else:
            assert places is not None
            text = self.text_encoder(self.embedding(phones).mT, text_mask)
            told = self.said(text.gather(-1, places[:, None].expand(-1, text.shape[1], -1)))
            x = self.content_encoder((x + told) * mask, mask)
        return self.joint_encoder(self.fusion(x, mask, text, text_mask, style), mask)

    def distribution(self, features: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log deviation, each [b, inter, f]; of more channels than it makes itself it reads its own."""
        mean, log_deviation = (self.exit(features[:, : self.hidden]) * mask).chunk(2, dim=1)
        return mean, log_deviation


def change_speed(features: Tensor, mask: Tensor, speed: float) -> tuple[Tensor, Tensor]:
    """Stretch features [b, c, f] and mask to int(f / speed) + 1 frames; speed 1 changes nothing."""
    if speed == 1:
        return features, mask
    frames = int(features.shape[-1] / speed) + 1
    return F.interpolate(features, size=frames, mode="linear"), F.interpolate(mask, size=frames, mode="nearest")


def cross_fade(previous: Tensor, features: Tensor) -> Tensor:
    """Fade from `previous` [b, c, k] into the first k frames of `features` along a sine."""
    k = previous.shape[-1]
    window = torch.sin(torch.arange(2 * k, device=features.device, dtype=features.dtype) * torch.pi / (2 * k))
    head = features[..., :k] * window[:k] + previous * window[k:]
    return torch.cat((head, features[..., k:]), dim=-1)
