"""Stage 1: phones (and BERT features) in, semantic codes out, one after the other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ar.attention import Layer
from ar.cache import KeyValueCache
from ar.config import Text2SemanticConfig
from gpt_sovits.core.errors import InputError

if TYPE_CHECKING:
    from ar.sampling import GenerateOptions
    from ar.steps import Step


@dataclass(frozen=True, slots=True)
class Prefix:
    """What a decode starts from, right-padded.

    Attributes:
        phones: [b, n] ids.
        phone_lengths: [b].
        codes: [b, t] prompt codes; t may be 0.
        code_lengths: [b].
        bert: [b, c, n] or None.
    """

    phones: Tensor
    phone_lengths: Tensor
    codes: Tensor
    code_lengths: Tensor
    bert: Tensor | None = None


class SinePosition(nn.Module):
    """Adds alpha times the sinusoidal table (sine in even, cosine in odd channels), alpha being learned."""

    table: Tensor

    def __init__(self, width: int, length: int, dropout: float) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1))
        self.dropout = nn.Dropout(dropout)
        rate = torch.exp(torch.arange(0, width, 2, dtype=torch.float32, device="cpu") * -(math.log(10000.0) / width))
        angle = torch.arange(length, dtype=torch.float32, device="cpu")[:, None] * rate
        self.register_buffer("table", torch.stack((angle.sin(), angle.cos()), -1).flatten(1), persistent=False)

    def forward(self, x: Tensor, position: Tensor | None = None) -> Tensor:
        """Args: x: [b, t, c]; position: [b, t] indices; None: 0 to t-1."""
        if position is None and x.shape[1] > len(self.table):
            raise InputError(f"a sequence of {x.shape[1]} is longer than the model's {len(self.table)}: split the text")
        rows = self.table[: x.shape[1]] if position is None else F.embedding(position, self.table)
        return self.dropout(x + (self.alpha * rows).to(x.dtype))


class Text2SemanticDecoder(nn.Module):
    """A decoder-only transformer over [text | codes]: text sees all text, codes see all text and earlier codes."""

    def __init__(self, config: Text2SemanticConfig) -> None:
        super().__init__()
        self.config = config
        width, dropout = config.width, config.position_dropout
        self.bert = None if config.bert_width is None else nn.Linear(config.bert_width, width)
        self.text_embedding = nn.Embedding(config.phones, width)
        self.text_position = SinePosition(width, config.max_positions, dropout)
        self.code_embedding = nn.Embedding(config.codes, width)
        self.code_position = SinePosition(width, config.max_positions, dropout)
        self.layers = nn.ModuleList(
            Layer(width, config.heads, config.feed_forward, config.layer_dropout) for _ in range(config.layers)
        )
        self.head = nn.Linear(width, config.codes, bias=False)
        self.embedding_dropout = nn.Dropout(config.embedding_dropout)
        for embedding in (self.text_embedding, self.code_embedding):
            nn.init.normal_(embedding.weight, std=config.embedding_scale)
        self.fast: Step | None = None
        """Another form of `step` that decoders use, see `ar.fast`; training mode drops it."""

    def train(self, mode: bool = True) -> Text2SemanticDecoder:
        if mode:
            self.fast = None
        return super().train(mode)

    def generate(
        self, phones: Tensor, bert: Tensor | None, prompt: Tensor | None, options: GenerateOptions | None = None
    ) -> Tensor:
        """Codes for one text; the stable seam for other programs, see `ar.generate`.

        Args:
            phones: [n] ids, those of the prompt's text first.
            bert: [1024, n] features, or None.
            prompt: [p] codes of the reference, or None.

        Returns:
            [t] new codes on the CPU, without prompt and end mark.
        """
        from ar.decode import generate

        return generate(self, phones, bert, prompt, options)

    def embed_text(self, phones: Tensor, bert: Tensor | None) -> Tensor:
        """[b, n] ids and [b, c, n] features -> [b, n, c]."""
        x = self.embedding_dropout(self.text_embedding(phones))
        if self.bert is not None:
            x = x + (self.bert.bias if bert is None else self.bert(bert.transpose(1, 2).to(x.dtype)))
        return self.text_position(x)

    def embed_codes(self, codes: Tensor, position: Tensor | None = None) -> Tensor:
        """[b, t] codes -> [b, t, c]."""
        return self.code_position(self.embedding_dropout(self.code_embedding(codes)), position)

    def hidden(self, x: Tensor, allowed: Tensor, cache: KeyValueCache | None = None) -> Tensor:
        """Run the layers: [b, t, c], allowed [b, 1, t, s] -> [b, t, c]."""
        for index, layer in enumerate(self.layers):
            x = layer(x, allowed, cache, index)
        return x

    def prefill(
        self, prefix: Prefix, room: int = 0, bucket: int = 1, cache: KeyValueCache | None = None
    ) -> tuple[Tensor, KeyValueCache]:
        """Compute everything before the first new code.

        Args:
            room: new codes the cache should hold without moving.
            bucket: see KeyValueCache.
            cache: one that is large enough, to be used again; None: a new one.

        Returns:
            Logits of the first new code [b, v], and the cache to hand to `step`.
        """
        n, t = prefix.phones.shape[1], prefix.codes.shape[1]
        text_valid, code_valid = filled(prefix.phone_lengths, n), filled(prefix.code_lengths, t)
        x = torch.cat((self.embed_text(prefix.phones, prefix.bert), self.embed_codes(prefix.codes)), 1)
        if cache is None:
            cache = KeyValueCache(self.config, len(x), n + t + room, x.dtype, x.device, bucket)
        cache.clear()
        cache.reserve(n + t)
        allowed = F.pad(prefix_mask(text_valid, code_valid), (0, cache.window - (n + t)))
        x = self.hidden(x, allowed[:, None], cache)
        cache.allowed[:, : n + t] = torch.cat((text_valid, code_valid), 1)
        cache.end += n + t
        cache.position += prefix.code_lengths
        last = torch.where(prefix.code_lengths > 0, n + prefix.code_lengths, prefix.phone_lengths) - 1
        return self.head(x[torch.arange(len(x), device=x.device), last]), cache

    def step(self, tokens: Tensor, cache: KeyValueCache) -> Tensor:
        """Append one code to every row; `cache.reserve(1)` comes first.

        Args:
            tokens: [b].

        Returns:
            Logits of the next code [b, v].
        """
        cache.allowed.scatter_(1, cache.end[:, None], True)
        x = self.embed_codes(tokens[:, None], cache.position[:, None])
        x = self.hidden(x, cache.allowed[:, None, None, : cache.window], cache)
        cache.end.add_(1)
        cache.position.add_(1)
        return self.head(x[:, 0])


def filled(lengths: Tensor, size: int) -> Tensor:
    """[b] lengths -> [b, size], True on the first `length` positions."""
    return torch.arange(size, device=lengths.device) < lengths[:, None]


def prefix_mask(text_valid: Tensor, code_valid: Tensor) -> Tensor:
    """Who may attend to whom over [text | codes]: [b, n] and [b, t] -> [b, n+t, n+t] bool."""
    (b, n), t = text_valid.shape, code_valid.shape[1]
    causal = torch.ones(t, t, dtype=torch.bool, device=code_valid.device).tril()
    text_rows = F.pad(text_valid[:, None].expand(b, n, n), (0, t))
    code_rows = torch.cat((text_valid[:, None].expand(b, t, n), causal & code_valid[:, None]), -1)
    return torch.cat((text_rows, code_rows), 1)
