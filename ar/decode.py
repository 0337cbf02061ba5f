"""The decode loop: many items at once, each getting the codes it would get alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ar.model import Prefix, Text2SemanticDecoder
from ar.sampling import GenerateOptions, draw, penalize_repeats
from gpt_sovits.core.errors import ConfigError, InputError

# Noise is drawn for so many steps at a time. The size is part of what a seed means: change it and codes change.
NOISE_STEPS = 32
ROOM = 256


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


@dataclass(frozen=True, slots=True)
class Emission:
    """One code of one item, or the news (token None) that the item has reached its end mark."""

    item: int
    token: int | None


def generate(
    model: Text2SemanticDecoder,
    phones: Tensor,
    bert: Tensor | None = None,
    prompt: Tensor | None = None,
    options: GenerateOptions | None = None,
    on_token: Callable[[int], None] | None = None,
) -> Tensor:
    """Codes for one text.

    Args:
        phones: [n] ids, those of the prompt's text first.
        bert: [c, n] features, or None.
        prompt: [p] codes of the reference, or None.
        on_token: called with each code as it appears.

    Returns:
        [t] new codes on the CPU, without prompt and end mark; t may be 0.

    Raises:
        InputError: no phones, or an id, a code or a shape the model does not have.
        ConfigError: the model is in training mode.
    """
    codes: list[int] = []
    for emission in stream(model, [Item(phones, bert, prompt)], options or GenerateOptions()):
        if emission.token is not None:
            codes.append(emission.token)
            if on_token is not None:
                on_token(emission.token)
    return torch.tensor(codes, dtype=torch.long)


def generate_batch(
    model: Text2SemanticDecoder, items: Sequence[Item], options: GenerateOptions | None = None
) -> list[Tensor]:
    """Codes for several texts at once: the codes each gets alone, in the order of `items`."""
    codes: list[list[int]] = [[] for _ in items]
    for emission in stream(model, items, options or GenerateOptions()):
        if emission.token is not None:
            codes[emission.item].append(emission.token)
    return [torch.tensor(values, dtype=torch.long) for values in codes]


@torch.inference_mode()
def stream(model: Text2SemanticDecoder, items: Sequence[Item], options: GenerateOptions) -> Iterator[Emission]:
    """Yield codes as they are drawn; within one step in the order of `items`."""
    if not items:
        return
    _check(model, items)
    device, eos = model.head.weight.device, model.config.eos
    prefix = collate(model, items)
    logits, cache = model.prefill(prefix, min(ROOM, options.max_new_tokens))
    seen = _seen(prefix, model.config.codes)
    noise = Noise(items, options, model.config.codes, device)
    alive = list(range(len(items)))
    for step in range(options.max_new_tokens):
        logits = logits.float()
        if step < options.eos_free_steps:
            logits[:, eos] = -torch.inf
        penalized = penalize_repeats(logits, seen, options.repetition_penalty)
        tokens = draw(penalized, options, noise.at(step))
        # The public rule: a row also ends when the end mark is the likeliest, whatever was drawn.
        ended = (tokens == eos) | (penalized.argmax(-1) == eos)
        values = torch.stack((tokens, ended), 1).tolist()
        yield from (Emission(item, None if end else token) for item, (token, end) in zip(alive, values, strict=True))
        going = [row for row, (_, end) in enumerate(values) if not end]
        if not going or step + 1 == options.max_new_tokens:
            return
        if len(going) < len(alive):
            rows = torch.tensor(going, device=device)
            tokens, seen = tokens[rows], seen[rows]
            cache.select(rows)
            noise.select(going)
            alive = [alive[row] for row in going]
        seen.scatter_(1, tokens[:, None], True)
        cache.reserve(1)
        logits = model.step(tokens, cache)


class Noise:
    """Exponential(1) draws, from a generator per item, on the CPU, so that neither neighbours nor device matter."""

    def __init__(self, items: Sequence[Item], options: GenerateOptions, codes: int, device: torch.device) -> None:
        self.greedy = options.top_k == 1 or options.temperature == 0
        self.codes = codes
        self.device = device
        self.sources = [_generator(options.seed if item.seed is None else item.seed) for item in items]
        self.block: Tensor | None = None

    def at(self, step: int) -> Tensor | None:
        """[b, v] draws of this step, or None when nothing is to be drawn; steps come in order from 0."""
        if self.greedy:
            return None
        if self.block is None or step % NOISE_STEPS == 0:
            draws = [torch.empty(NOISE_STEPS, self.codes).exponential_(generator=g) for g in self.sources]
            self.block = torch.stack(draws, 1).to(self.device)
        return self.block[step % NOISE_STEPS]

    def select(self, rows: list[int]) -> None:
        self.sources = [self.sources[row] for row in rows]
        if self.block is not None:
            self.block = self.block[:, rows]


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


def _seen(prefix: Prefix, codes: int) -> Tensor:
    """[b, v], True for the codes of each prompt."""
    t = prefix.codes.shape[1]
    valid = torch.arange(t, device=prefix.codes.device) < prefix.code_lengths[:, None]
    # padding is counted in a column of its own, which is cut off
    columns = torch.where(valid, prefix.codes, codes)
    seen = torch.zeros(len(columns), codes + 1, dtype=torch.bool, device=columns.device)
    return seen.scatter_(1, columns, True)[:, :codes].contiguous()


def _generator(seed: int | None) -> torch.Generator:
    source = torch.Generator()
    if seed is None:
        source.seed()
    else:
        source.manual_seed(seed)
    return source


def _check(model: Text2SemanticDecoder, items: Sequence[Item]) -> None:
    config = model.config
    if model.training:
        raise ConfigError(
            "the text-to-semantic model is in training mode, whose dropout spoils speech: call eval() first"
        )
    for item in items:
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
