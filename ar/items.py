"""What is to be said, checked and brought into the model's shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ar.model import Prefix, Text2SemanticDecoder
from gpt_sovits.core.errors import ConfigError, InputError


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to say.

    Attributes:
        phones: [n] ids, those of the prompt's text first.
        bert: [c, n] features, or None.
        prompt: [p] codes of the reference, or None.
        seed: overrides the options' seed.
    """

    phones: Tensor
    bert: Tensor | None = None
    prompt: Tensor | None = None
    seed: int | None = None

    def begins_like(self, other: Item) -> bool:
        """Whether both hold the very same phones, features and codes."""
        return self.phones is other.phones and self.bert is other.bert and self.prompt is other.prompt


def collate(model: Text2SemanticDecoder, items: Sequence[Item]) -> Prefix:
    """Right-pad the items to one batch on the model's device."""
    device = model.head.weight.device
    none = torch.zeros(0, dtype=torch.long)
    prompts = [none if item.prompt is None else item.prompt.long().cpu() for item in items]
    bert = None
    if any(item.bert is not None for item in items) and model.config.bert_width is not None:
        width = model.config.bert_width
        rows = [torch.zeros(len(i.phones), width) if i.bert is None else i.bert.t().float().cpu() for i in items]
        bert = pad_sequence(rows, batch_first=True).transpose(1, 2).to(model.head.weight)
    return Prefix(
        phones=pad_sequence([item.phones.long().cpu() for item in items], batch_first=True).to(device),
        phone_lengths=torch.tensor([len(item.phones) for item in items], device=device),
        codes=pad_sequence(prompts, batch_first=True).to(device),
        code_lengths=torch.tensor([len(prompt) for prompt in prompts], device=device),
        bert=bert,
    )


def check(model: Text2SemanticDecoder, item: Item) -> None:
    """Refuse in words what the model cannot take.

    Raises:
        InputError: no phones, or an id, a code or a shape the model does not have.
        ConfigError: the model is in training mode.
    """
    config = model.config
    if model.training:
        raise ConfigError(
            "the text-to-semantic model is in training mode, whose dropout spoils speech: call eval() first"
        )
    n = item.phones.numel()
    if item.phones.ndim != 1 or n == 0:
        raise InputError(f"phones must be a non-empty row of ids; got shape {tuple(item.phones.shape)}")
    _check_range("phone ids", item.phones, config.phones)
    if item.bert is not None and config.bert_width is not None and item.bert.shape != (config.bert_width, n):
        raise InputError(f"BERT features must be [{config.bert_width}, {n}]; got {tuple(item.bert.shape)}")
    if item.prompt is not None and item.prompt.ndim != 1:
        raise InputError(f"prompt codes must be one row; got shape {tuple(item.prompt.shape)}")
    if item.prompt is not None:
        _check_range("prompt codes", item.prompt, config.codes)


def _check_range(what: str, values: Tensor, size: int) -> None:
    if values.numel() and not 0 <= int(values.min()) <= int(values.max()) < size:
        found = f"{int(values.min())} to {int(values.max())}"
        raise InputError(f"{what} must lie in 0 to {size - 1}; got {found}: they were made for another model")
