"""The left-to-right guide of stage 2's cross attention."""

from __future__ import annotations

import pytest
import torch

from gpt_sovits.core.config import parse_config
from gpt_sovits.core.errors import ConfigError
from sovits.alignment import alignment_loss, watch_cross_attention
from sovits.prior import CrossAttention
from sovits.recipe import SynthesizerTrainingConfig
from tests.sovits.test_task import a_batch, a_task


def test_log_weights_are_those_the_attention_mixes_with() -> None:
    torch.manual_seed(0)
    attention = CrossAttention(8, 2)
    x, memory, mask = torch.randn(2, 8, 5), torch.randn(2, 8, 4), torch.tensor([[[1.0] * 4], [[1.0, 1.0, 0.0, 0.0]]])
    value = attention.value(memory).view(2, 2, 4, 4)
    heads = [attention.log_weights(x, memory, mask, head).exp() @ value[:, head].mT for head in range(2)]
    torch.testing.assert_close(attention.output(torch.cat(heads, -1).mT), attention(x, memory, mask))


def test_training_on_it_alone_teaches_the_attention_to_read_in_order() -> None:
    task = a_task()
    model, batch, history = task.model.eval(), a_batch(task), []
    optimizer = torch.optim.Adam(model.prior.parameters(), 1e-2)
    inputs = (batch.hubert, batch.spec, batch.spec_lengths, batch.phones, batch.phone_lengths)
    for _ in range(30):
        with watch_cross_attention(model.prior.fusion.attention) as seen:
            model(*inputs, learn="prior")
        read = model.prior.fusion.attention.log_weights(*seen[0], head=0)
        loss = alignment_loss(read, batch.spec_lengths, batch.phone_lengths)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(loss.item())
    assert history[-1] < 0.5 * history[0]


def test_it_wants_whole_utterances() -> None:
    values = {"task": {"alignment": {}}, "data": {"max_frames": 96}}
    with pytest.raises(ConfigError, match="max_frames=null"):
        parse_config(SynthesizerTrainingConfig, values, "the recipe")
