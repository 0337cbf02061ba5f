"""Multi-head self-attention and the transformer layer around it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ar.cache import KeyValueCache


class SelfAttention(nn.Module):
    """Scaled dot-product attention (Vaswani et al. 2017); queries, keys and values from one packed projection."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.input = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.input.weight)
        nn.init.zeros_(self.input.bias)
        nn.init.zeros_(self.output.bias)

    def forward(self, x: Tensor, allowed: Tensor, cache: KeyValueCache | None = None, layer: int = 0) -> Tensor:
        """Attend to the positions `allowed` marks True.

        With a cache, `allowed` spans every slot of its window, filled or not: an empty slot holds a zero key, and a
        zero key still takes softmax weight unless it is masked.

        Args:
            x: [b, t, c].
            allowed: [b, 1, t, s] bool.
            cache: where earlier positions are; None: x is the whole sequence.
            layer: which of the cache's layers this is.

        Returns:
            [b, t, c].
        """
        b, t, c = x.shape
        q, k, v = self.input(x).view(b, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        if cache is not None:
            k, v = cache.extend(layer, k, v)
        dropout = self.dropout if self.training else 0.0
        if self.training and x.device.type == "cpu":
            mixed = attend(q, k, v, allowed, dropout)
        else:
            mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed, dropout_p=dropout)
        return self.output(mixed.transpose(1, 2).reshape(b, t, c))


def attend(q: Tensor, k: Tensor, v: Tensor, allowed: Tensor, dropout: float) -> Tensor:
    """The formula of attention, step by step: on a CPU, torch's fused form takes about twice as long to learn from.

    Args:
        q, k, v: [b, h, t, d]; allowed: [b, 1, t, s] bool, one True in every row.

    Returns:
        [b, h, t, d].
    """
    scores = (q * q.shape[-1] ** -0.5) @ k.mT
    scores += torch.zeros(allowed.shape, dtype=scores.dtype).masked_fill_(~allowed, -torch.inf)
    weights = scores.softmax(-1)
    return (F.dropout(weights, dropout) if dropout else weights) @ v


class Layer(nn.Module):
    """Post-norm transformer layer with a ReLU feed-forward."""

    def __init__(self, width: int, heads: int, feed_forward: int, dropout: float) -> None:
        super().__init__()
        self.attention = SelfAttention(width, heads, dropout)
        self.feed_in = nn.Linear(width, feed_forward)
        self.feed_out = nn.Linear(feed_forward, width)
        self.attention_norm = nn.LayerNorm(width)
        self.feed_norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, allowed: Tensor, cache: KeyValueCache | None = None, layer: int = 0) -> Tensor:
        """Shapes and arguments as in SelfAttention."""
        x = self.attention_norm(x + self.dropout(self.attention(x, allowed, cache, layer)))
        return self.feed_norm(x + self.dropout(self.feed_out(self.dropout(F.relu(self.feed_in(x))))))
