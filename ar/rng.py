"""Random numbers by counting: what is drawn depends on the seed and the place asked for, and on nothing else.

Philox 4x32 with ten rounds (Salmon et al. 2011). Integers are exact on every device, so a request draws the same
whatever it shares a batch with, wherever it runs and however often it is interrupted.
"""

from __future__ import annotations

import torch
from torch import Tensor

MASK = 0xFFFFFFFF
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10


def philox(counter: tuple[Tensor, Tensor, Tensor, Tensor], key: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
    """Four 32-bit words per counter; all are int64 tensors of values below 2^32 that broadcast together."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(ROUNDS):
        # a product of 64 bits wraps into the sign, which shifting and masking undo
        first, second = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c1, c2, c3 = (
            ((second >> 32) & MASK) ^ c1 ^ k0,
            second & MASK,
            ((first >> 32) & MASK) ^ c3 ^ k1,
            first & MASK,
        )
        k0, k1 = (k0 + WEYL[0]) & MASK, (k1 + WEYL[1]) & MASK
    return c0, c1, c2, c3


def uniform(seed: int, first: int, steps: int, size: int, stream: int, device: torch.device | str) -> Tensor:
    """[steps, size] in (0, 1), the middles of 2^23 equal parts, for the steps from `first` on.

    Args:
        seed: 64 bits.
        stream: independent numbers for another purpose.
    """
    column = torch.arange(-(-size // 4), device=device)
    step = torch.arange(first, first + steps, device=device)[:, None]
    zero = torch.zeros((), dtype=torch.long, device=device)
    words = philox((column, step, zero + stream, zero), (zero + (seed & MASK), zero + ((seed >> 32) & MASK)))
    bits = torch.stack(torch.broadcast_tensors(*words), -1).flatten(1)[:, :size]
    return ((bits >> 9).float() + 0.5) * 2.0**-23  # all 24 bits of a float: exact, never 0 nor 1


def exponential(
    seed: int, first: int, steps: int, size: int, stream: int = 0, device: torch.device | str = "cpu"
) -> Tensor:
    """[steps, size] draws of Exponential(1), see `uniform`."""
    return -uniform(seed, first, steps, size, stream, device).log()
