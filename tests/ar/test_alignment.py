"""The left-to-right guide of stage 1 training."""

from __future__ import annotations

import torch

from ar.alignment import alignment_loss, watch_attention
from ar.config import Text2SemanticConfig
from ar.loss import Batch, training_loss
from ar.model import Text2SemanticDecoder
from gpt_sovits.core.alignment import forward_sum


def batch() -> Batch:
    source = torch.Generator().manual_seed(0)
    phones = torch.randint(0, 20, (3, 6), generator=source)
    codes = torch.randint(0, 30, (3, 15), generator=source)
    return Batch(phones, torch.tensor([6, 5, 4]), codes, torch.tensor([15, 12, 9]))


def test_a_diagonal_costs_less_than_a_reversed_one() -> None:
    b = batch()
    column = torch.arange(6) / b.phone_lengths[:, None]
    row = torch.arange(15) / b.code_lengths[:, None]
    straight = (-50 * (row[:, :, None] - column[:, None]) ** 2).log_softmax(-1)
    lengths = (b.code_lengths, b.phone_lengths)
    assert forward_sum(straight, *lengths) < 0.5 * forward_sum(straight.flip(-1), *lengths)


def test_training_on_it_alone_teaches_heads_to_read_in_order() -> None:
    torch.manual_seed(0)
    config = Text2SemanticConfig(
        width=16, heads=2, layers=2, feed_forward=32, phones=20, codes=32, eos=31, bert_width=None
    )
    model = Text2SemanticDecoder(config).eval()
    optimizer, b, history = torch.optim.Adam(model.parameters(), 1e-2), batch(), []
    for _ in range(40):
        with watch_attention(model, (0, 1)) as seen:
            training_loss(model, b)
        loss = alignment_loss(seen, b)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(loss.item())
    assert history[-1] < 0.8 * history[0]


def test_watching_leaves_nothing_behind() -> None:
    config = Text2SemanticConfig(
        width=16, heads=2, layers=1, feed_forward=32, phones=20, codes=32, eos=31, bert_width=None
    )
    model = Text2SemanticDecoder(config)
    with watch_attention(model, (0,)) as seen:
        training_loss(model, batch())
    assert len(seen) == 1
    training_loss(model, batch())
    assert len(seen) == 1
