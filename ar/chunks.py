"""Cutting a running code stream into pieces to be spoken while the rest is still being generated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ar.model import Text2SemanticDecoder

SILENT_CODE = 486
LOOKAHEAD = 2


@dataclass(frozen=True, slots=True)
class ChunkRule:
    """Where to cut.

    Attributes:
        length: fewest codes of a piece.
        similarity: [v], how much each code resembles silence; None: cut every `length` codes.
        threshold: similarity from which a code counts as silent.
    """

    length: int
    similarity: Tensor | None = None
    threshold: float = 0.3


@torch.no_grad()
def silence_similarity(model: Text2SemanticDecoder, code: int = SILENT_CODE) -> Tensor:
    """[v] cosine similarity of every code's embedding with that of the public codebook's silent code."""
    table = model.code_embedding.weight.float()
    return F.cosine_similarity(table, table[code][None], dim=-1)


def chunks(codes: Iterable[int], rule: ChunkRule) -> Iterator[tuple[list[int], bool]]:
    """Yield (codes, whether it is the last piece).

    With a similarity a piece is handed out whole, but the next one starts right after the silence found in it: as in
    the public generator, the codes after that silence come again, as context for the next piece.
    """
    pending: list[int] = []
    for code in codes:
        pending.append(code)
        cut = _cut(pending, rule)
        if cut:
            yield list(pending), False
            del pending[:cut]
    yield pending, True


def _cut(pending: list[int], rule: ChunkRule) -> int:
    """How many codes are done with; 0: wait for more."""
    if rule.similarity is None:
        return rule.length if len(pending) >= rule.length else 0
    if len(pending) < rule.length + LOOKAHEAD:
        return 0
    score = rule.similarity[torch.tensor(pending)] - rule.threshold
    score = torch.where(score < 0, -1.0, score)
    # two silent codes in a row
    score[:-1] += score[1:].clone()
    best = int(score.argmax())
    return best + 1 if score[best] >= 0 and best + 1 >= rule.length else 0
