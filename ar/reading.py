"""How well codes say a text, by the model's own account: what its reading heads looked at while the codes were made.

A model trained with `ar.alignment` has heads that read the text from left to right. Codes that skip a word, say one
twice or babble leave such heads without a monotonic way through the phones, and the likelihood of the best ways is low.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ar.alignment import text_attention
from ar.attention import SelfAttention
from ar.items import Item, check, collate
from ar.loss import Batch
from ar.model import Text2SemanticDecoder, filled, prefix_mask
from gpt_sovits.core.alignment import BLANK


@torch.inference_mode()
def reading_costs(
    model: Text2SemanticDecoder, items: Sequence[Item], codes: Sequence[Tensor], prompts: Sequence[int]
) -> list[float]:
    """Negative log-likelihood, per phone, that the reading heads went through the new text from left to right.

    Args:
        items: what was to be said after what prompt.
        codes: the new codes [t] of each item, one or more.
        prompts: how many of each item's phones belong to its prompt.

    Returns:
        One cost for each item; 0 for a model without reading heads.
    """
    if not model.config.reading_layers:
        return [0.0] * len(items)
    for item in items:
        check(model, item)
    prefix = collate(model, items)
    said = [
        torch.cat((prompt[:length], new.to(prompt)))
        for prompt, length, new in zip(prefix.codes, prefix.code_lengths.tolist(), codes, strict=True)
    ]
    lengths = torch.tensor([len(row) for row in said], device=prefix.phones.device)
    padded = torch.nn.utils.rnn.pad_sequence(said, batch_first=True)
    batch = Batch(prefix.phones, prefix.phone_lengths, padded, lengths, prefix.bert)
    seen = attention_inputs(model, batch, model.config.reading_layers)
    watched = torch.stack([text_attention(a, x, batch, model.config.reading_head) for a, x in seen])
    return [
        path_cost(watched[:, row, start : start + len(new), skip:phones])
        for row, (start, new, skip, phones) in enumerate(
            zip(prefix.code_lengths.tolist(), codes, prompts, prefix.phone_lengths.tolist(), strict=True)
        )
    ]


def attention_inputs(
    model: Text2SemanticDecoder, batch: Batch, layers: Sequence[int]
) -> list[tuple[SelfAttention, Tensor]]:
    """The attention of these layers, in order, with its input [b, n+t, c].

    Unlike `watch_attention` it leaves no mark on the model, which others may be using meanwhile.
    """
    n, t = batch.phones.shape[1], batch.codes.shape[1]
    allowed = prefix_mask(filled(batch.phone_lengths, n), filled(batch.code_lengths, t))[:, None]
    codes = torch.where(filled(batch.code_lengths, t), batch.codes, 0)
    x = torch.cat((model.embed_text(batch.phones, batch.bert), model.embed_codes(codes)), 1)
    modules: list[Any] = list(model.layers)
    seen = []
    for index in range(max(layers) + 1):
        if index in layers:
            seen.append((modules[index].attention, x))
        x = modules[index](x, allowed)
    return seen


def path_cost(log_attention: Tensor) -> float:
    """Negative log-likelihood of the monotonic ways through one text [heads, t, n]: nats per phone, mean over heads.

    Infinite where there are fewer codes than phones: no such way exists.
    """
    heads, t, n = log_attention.shape
    if t < n:
        return math.inf
    frames = F.pad(log_attention, (1, 0), value=BLANK).log_softmax(-1).transpose(0, 1)
    steps = torch.arange(1, n + 1).expand(heads, -1)
    whole = torch.full((heads,), t), torch.full((heads,), n)
    return float(F.ctc_loss(frames.float().cpu(), steps, *whole, blank=0))
