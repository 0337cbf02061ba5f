"""Codes for one text or for several, drawn in one go or as a stream; all of it is done by a `Decoder`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ar.decoder import Decoder, State, Ticket
from ar.items import Item, check, collate
from ar.model import Text2SemanticDecoder
from ar.sampling import GenerateOptions

__all__ = ["MOST_ROWS", "Emission", "Item", "collate", "generate", "generate_batch", "stream"]

MOST_ROWS = 32


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


def stream(
    model: Text2SemanticDecoder, items: Sequence[Item], options: GenerateOptions, decoder: Decoder | None = None
) -> Iterator[Emission]:
    """Yield codes as they are drawn; what is left when the iterator is closed is not drawn.

    Args:
        decoder: one that others may use, too; None: one of its own.
    """
    if not items:
        return
    for item in items:
        check(model, item)
    decoder = decoder or Decoder(model, rows=min(len(items), MOST_ROWS))
    heard: deque[Emission] = deque()

    def listen(place: int) -> Callable[[list[int]], None]:
        return lambda codes: heard.extend(Emission(place, code) for code in codes)

    group = object()
    tickets: list[Ticket] = []
    try:
        for place, item in enumerate(items):
            tickets.append(decoder.submit(item, options, listen(place), group))
        waiting = dict(enumerate(tickets))
        while waiting:
            decoder.pump(lambda: bool(heard) or any(ticket.done for ticket in waiting.values()))
            finished = [place for place, ticket in waiting.items() if ticket.done]
            while heard:
                yield heard.popleft()
            for place in finished:
                ticket = waiting.pop(place)
                if ticket.error is not None:
                    raise ticket.error
                if ticket.state is State.ENDED:
                    yield Emission(place, None)
    finally:
        for ticket in tickets:
            decoder.cancel(ticket)
