"""Totals over items and how far they can be trusted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from gpt_sovits.evaluate.columns import Figure
from gpt_sovits.evaluate.score import Row

DRAWS = 2000
SEED = 7
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sums:
    """Per item: what a total adds up and what it is divided by."""

    part: Array
    whole: Array

    def total(self, places: NDArray[np.int64] | None = None) -> Array:
        """The total, or one for every row of `places` [draws, items]."""
        if places is None:
            return np.asarray(self.part.sum() / self.whole.sum())
        return self.part[places].sum(axis=-1) / np.maximum(self.whole[places].sum(axis=-1), 1e-12)


def sums(rows: Sequence[Row], figure: Figure) -> Sums | None:
    """The figure's columns of those rows that have it; None when none has."""
    pairs = [(row.number(figure.part), row.number(figure.over) if figure.over else 1.0) for row in rows]
    there = [(a, b) for a, b in pairs if a is not None and b is not None]
    if not there or sum(b for _, b in there) <= 0:
        return None
    array = np.asarray(there, dtype=np.float64)
    return Sums(array[:, 0], array[:, 1])


def draws(items: int, count: int = DRAWS, seed: int = SEED) -> NDArray[np.int64]:
    """Bootstrap samples: places [count, items], with replacement."""
    return np.random.default_rng(seed).integers(0, items, (count, items))


def interval(samples: Array, items: int, level: float = 0.95) -> tuple[float, float]:
    """The middle part of bootstrap samples, widened as few items ask for (Hesterberg 2015, expanded percentiles)."""
    normal = NormalDist()
    freedom = max(items - 1, 1)
    z = normal.inv_cdf(0.5 + level / 2)
    # quantile of Student's t by its expansion around the normal one
    t = z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    edge = normal.cdf(-t * math.sqrt(items / freedom)) * 100
    low, high = np.percentile(samples, [edge, 100 - edge])
    return float(low), float(high)


@dataclass(frozen=True, slots=True)
class Difference:
    """Second system less first, on the same items."""

    figure: Figure
    first: float
    second: float
    low: float
    high: float
    items: int

    @property
    def value(self) -> float:
        return self.second - self.first

    @property
    def verdict(self) -> str:
        """better, worse, no difference; `different` where neither way is better."""
        if self.low <= 0 <= self.high:
            return "no difference"
        if self.figure.better == 0:
            return "different"
        return "better" if (self.value > 0) == (self.figure.better > 0) else "worse"


def compare_rows(first: Sequence[Row], second: Sequence[Row], figure: Figure, seed: int = SEED) -> Difference | None:
    """Paired bootstrap of one figure over items that both have; rows are matched by id.

    A 95 % interval of the difference that holds zero means no difference.
    """
    others = {row.item.id: row for row in second}
    pairs = [
        (row, others[row.item.id])
        for row in first
        if row.item.id in others and _has(row, figure) and _has(others[row.item.id], figure)
    ]
    a, b = sums([p[0] for p in pairs], figure), sums([p[1] for p in pairs], figure)
    if a is None or b is None:
        return None
    places = draws(len(pairs), seed=seed)
    low, high = interval(b.total(places) - a.total(places), len(pairs))
    return Difference(figure, float(a.total()), float(b.total()), low, high, len(pairs))


def _has(row: Row, figure: Figure) -> bool:
    return row.number(figure.part) is not None and (figure.over is None or row.number(figure.over) is not None)
