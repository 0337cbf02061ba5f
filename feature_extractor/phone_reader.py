"""Which phones code vectors stand for, and where in them a known text is said.

A network that has learned to recognise phones (CTC, Graves et al. 2006) can follow a text that it is told: of all ways
to pass through the text in the time there is, the likeliest gives every moment its phone.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

BLANK = 0
"""No phone; phone p has the logit p + 1."""


class PhoneReader(nn.Module):
    """Code vectors to phones, from a few neighbours on each side."""

    def __init__(self, width: int, phones: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv1d(width, width, 5, padding=2) for _ in range(2))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.phones = nn.Linear(width, phones + 1)

    def read(self, x: Tensor) -> Tensor:
        """Logits [b, t, phones + 1] of code vectors [b, t, width]."""
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = x + F.gelu(conv(norm(x).mT).mT)
        logits: Tensor = self.phones(x)
        return logits


def follow_text(logits: Tensor, phones: Tensor, ended: bool = True) -> Tensor:
    """The place in the text of what is said at each moment (Viterbi).

    What lies between two phones is divided among them. Where there are fewer moments than the text needs, it is spread
    over them evenly.

    Args:
        logits: [t, phones + 1], see `PhoneReader`.
        phones: ids of the text [n].
        ended: the last phone is said by the end; False: the end may be anywhere in the text.

    Returns:
        Places from 0 to n - 1 [t], which never fall.
    """
    t, n = len(logits), len(phones)
    ids = phones.cpu().numpy() + 1
    doubled = ids[1:] == ids[:-1]
    if ended and t < n + int(doubled.sum()):
        return torch.arange(t, device=logits.device) * n // t
    scores = logits.float().log_softmax(-1).cpu().numpy()
    heard = np.repeat(scores[:, BLANK : BLANK + 1], 2 * n + 1, axis=1)
    heard[:, 1::2] = scores[:, ids]
    leap = np.full(2 * n + 1, -np.inf, np.float32)  # from phone to phone, unless both are the same
    leap[3::2] = np.where(doubled, -np.inf, 0)
    best = np.full(2 * n + 1, -np.inf, np.float32)
    best[:2] = heard[0, :2]
    steps = np.zeros((t, 2 * n + 1), np.int8)
    ways = np.full((3, 2 * n + 1), -np.inf, np.float32)
    for moment in range(1, t):
        ways[0], ways[1, 1:], ways[2, 2:] = best, best[:-1], best[:-2] + leap[2:]
        steps[moment] = ways.argmax(0)
        best = ways.max(0) + heard[moment]
    state = int(best[-2:].argmax()) + 2 * n - 1 if ended else int(best.argmax())
    path = np.empty(t, np.int64)
    for moment in range(t - 1, -1, -1):
        path[moment] = state
        state -= int(steps[moment, state])
    return torch.from_numpy(_divided(path, n)).to(logits.device)


def _divided(path: np.ndarray, n: int) -> np.ndarray:
    """Places of the states of a path: odd ones are phones, and of a rest between two each has the half beside it."""
    edges = np.flatnonzero(np.diff(path)) + 1
    bounds = [0, *edges.tolist(), len(path)]
    places = path // 2
    for start, stop in pairwise(bounds):
        if path[start] % 2 == 0:
            places[start : start + (stop - start + 1) // 2] -= 1
    return places.clip(0, n - 1)
