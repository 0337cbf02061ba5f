"""Which sentences are spoken side by side."""

from __future__ import annotations

from collections.abc import Sequence


def group(lengths: Sequence[int], size: int, threshold: float = 0.75, by_length: bool = True) -> list[list[int]]:
    """Indices of the sentences of each batch, as the public implementation groups them.

    With `by_length`, sentences are sorted by length; a batch shrinks from the back until its middle length is at least
    `threshold` times its mean, so that no short sentence waits for a much longer one.

    Args:
        lengths: characters of each normalised sentence.
        size: most sentences in a batch.
    """
    if not by_length:
        return [list(range(start, min(start + size, len(lengths)))) for start in range(0, len(lengths), size)]
    order = sorted(range(len(lengths)), key=lambda i: lengths[i])
    batches: list[list[int]] = []
    start = 0
    while start < len(order):
        batch = order[start : start + size]
        while len(batch) > 1 and _evenness([lengths[i] for i in batch]) < threshold:
            batch.pop()
        batches.append(batch)
        start += len(batch)
    return batches


def _evenness(lengths: Sequence[int]) -> float:
    return lengths[len(lengths) // 2] / (sum(lengths) / len(lengths) + 1e-8)
