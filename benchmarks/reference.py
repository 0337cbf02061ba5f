"""The plain reference loop: eager, a cache that grows by concatenation, the host asked after every code.

It shares the weights and the sampling formulas with the product, and nothing of its decode loop.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ar.attention import Layer
from ar.items import Item, collate
from ar.model import Text2SemanticDecoder, prefix_mask
from ar.sampling import GenerateOptions, sample


class PlainLoop:
    """Decodes items of equal length side by side; `advance` draws one code for each."""

    @torch.inference_mode()
    def __init__(self, model: Text2SemanticDecoder, items: list[Item], options: GenerateOptions) -> None:
        self.model, self.options = model, options
        prefix = collate(model, items)
        text, codes = torch.ones_like(prefix.phones).bool(), torch.ones_like(prefix.codes).bool()
        self.cache: list[tuple[Tensor, Tensor] | None] = [None] * len(model.layers)
        x = torch.cat((model.embed_text(prefix.phones, prefix.bert), model.embed_codes(prefix.codes)), 1)
        self.hidden = self._layers(x, prefix_mask(text, codes)[:, None])[:, -1]
        self.history = prefix.codes
        self.step = 0
        self.ended = [False] * len(items)

    @torch.inference_mode()
    def advance(self) -> list[int]:
        model, eos = self.model, self.model.config.eos
        logits = model.head(self.hidden).float()
        if self.step < self.options.eos_free_steps:
            logits[:, eos] = -torch.inf
        seen = torch.zeros_like(logits, dtype=torch.bool).scatter_(1, self.history, True)
        noise = torch.empty_like(logits).exponential_()
        token = sample(logits, seen, self.options, noise)
        if any((token == eos).tolist()):
            raise AssertionError("the end mark is suppressed in measurements")
        position = torch.full_like(token, self.history.shape[1])
        self.history = torch.cat((self.history, token[:, None]), 1)
        self.hidden = self._layers(model.embed_codes(token[:, None], position[:, None]), None)[:, -1]
        self.step += 1
        return token.tolist()

    def _layers(self, x: Tensor, mask: Tensor | None) -> Tensor:
        b, t, c = x.shape
        for index, layer in enumerate(self.model.layers):
            assert isinstance(layer, Layer)
            heads = layer.attention.heads
            q, k, v = layer.attention.input(x).view(b, t, 3, heads, c // heads).permute(2, 0, 3, 1, 4).unbind(0)
            before = self.cache[index]
            if before is not None:
                k, v = torch.cat((before[0], k), 2), torch.cat((before[1], v), 2)
            self.cache[index] = (k, v)
            mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
            x = layer.attention_norm(x + layer.attention.output(mixed.transpose(1, 2).reshape(b, t, c)))
            x = layer.feed_norm(x + layer.feed_out(F.relu(layer.feed_in(x))))
        return x
