"""What is kept from request to request."""

from __future__ import annotations

import torch

from gpt_sovits.pipeline.kept import Kept, tensor_bytes
from gpt_sovits.pipeline.prompt import Voice

FLOATS = 25
BYTES = 4 * FLOATS


def test_the_value_used_longest_ago_goes_first() -> None:
    made: list[str] = []

    def make(name: str) -> torch.Tensor:
        made.append(name)
        return torch.zeros(FLOATS)

    kept: Kept[torch.Tensor] = Kept(2 * BYTES)
    for name in ("a", "b", "a", "c", "a", "b"):
        kept.get(name, lambda name=name: make(name))  # type: ignore[misc]
    assert made == ["a", "b", "c", "b"]
    assert len(kept) == 2 and kept.bytes == 2 * BYTES


def test_what_is_too_large_is_made_each_time() -> None:
    kept: Kept[torch.Tensor] = Kept(BYTES - 1)
    assert kept.get("a", lambda: torch.zeros(FLOATS)) is not kept.get("a", lambda: torch.zeros(FLOATS))
    assert len(kept) == 0 and kept.bytes == 0


def test_all_tensors_count() -> None:
    voice = Voice(
        torch.zeros(10, dtype=torch.long),
        (torch.zeros(1, 5, 4), torch.zeros(1, 5, 2)),
        (torch.zeros(1, 3),),
        torch.zeros(1, 2, 1),
    )
    assert tensor_bytes(voice) == 80 + 80 + 40 + 12 + 8
