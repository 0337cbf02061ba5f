"""Several processes that train one network: what they tell each other. Alone, every function gives back its input."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor

BLOCK = 25_000_000
"""Numbers that travel together: few messages, and a copy no larger than 100 MB."""


def world() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Which of them this is; 0 writes the files."""
    return dist.get_rank() if world() > 1 else 0


def totals(values: Sequence[float], device: torch.device) -> list[float]:
    """Sums over all processes."""
    if world() == 1:
        return list(values)
    tensor = torch.tensor(values, dtype=torch.float64, device=device)
    dist.all_reduce(tensor)
    return [float(value) for value in tensor.tolist()]


def any_of(flags: Sequence[bool], device: torch.device) -> list[bool]:
    """Which of these are true in at least one process."""
    return [value > 0 for value in totals([float(flag) for flag in flags], device)]


def sum_gradients(parameters: Sequence[Tensor], faulty: bool = False) -> bool:
    """Add up the gradients of all processes, so that all of them take the same step.

    Once per step, after every backward pass: how many passes a process needed, and which parameters they reached, is
    then its own affair.

    Args:
        faulty: this process has no gradients worth adding.

    Returns:
        Whether any process is faulty; no step should be taken then.
    """
    if world() == 1 or not parameters:
        return faulty
    device = parameters[0].device
    told = any_of([faulty, *(p.grad is not None for p in parameters)], device)
    if told[0]:
        return True
    reached = [p for p, known in zip(parameters, told[1:], strict=True) if known]
    for p in reached:
        p.grad = torch.zeros_like(p) if p.grad is None else p.grad
    for block in _blocks(reached):
        flat = torch.cat([p.grad.flatten() for p in block if p.grad is not None])
        dist.all_reduce(flat)
        for p, part in zip(block, flat.split([p.numel() for p in block]), strict=True):
            assert p.grad is not None
            p.grad.copy_(part.view_as(p))
    return False


def _blocks(parameters: Sequence[Tensor]) -> list[list[Tensor]]:
    blocks: list[list[Tensor]] = [[]]
    size = 0
    for p in parameters:
        if blocks[-1] and (size + p.numel() > BLOCK or p.dtype != blocks[-1][0].dtype):
            blocks.append([])
            size = 0
        blocks[-1].append(p)
        size += p.numel()
    return [block for block in blocks if block]
