"""What the public inference functions return, quirks included, from the one decode loop."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ar.decode import Item, stream
from ar.decoder import Decoder
from ar.model import Text2SemanticDecoder
from ar.sampling import GenerateOptions

LOOP_LIMIT = 1500


def public_limit(early_stop: int) -> int:
    """New codes after which the public loops give up: one more than asked for, and never more than 1500."""
    return LOOP_LIMIT if early_stop < 0 else min(early_stop + 1, LOOP_LIMIT)


def public_panel(
    model: Text2SemanticDecoder,
    items: Sequence[Item],
    options: GenerateOptions,
    batched: bool,
    decoder: Decoder | None = None,
) -> list[tuple[Tensor, int]]:
    """Codes including the prompt, and the last step's index, of which public callers take `codes[-index:]`.

    Codes that end by themselves are all in that slice. At the limit there is one more than the index says: the
    one-by-one functions return it, so that the slice loses the first new code; the batched one drops the last.
    Without a prompt the index is 0, and the slice keeps everything.
    """
    codes: list[list[int]] = [[] for _ in items]
    ended = [False] * len(items)
    for emission in stream(model, items, options, decoder):
        if emission.token is None:
            ended[emission.item] = True
        else:
            codes[emission.item].append(emission.token)
    return [_result(*row, batched) for row in zip(items, codes, ended, strict=True)]


def _result(item: Item, codes: list[int], ended: bool, batched: bool) -> tuple[Tensor, int]:
    new = torch.tensor(codes, dtype=torch.long)
    if item.prompt is None or len(item.prompt) == 0:
        return new, 0
    index = len(codes) if ended else len(codes) - 1
    kept = new[:-1] if batched and not ended else new
    return torch.cat((item.prompt.long().cpu(), kept)), index
