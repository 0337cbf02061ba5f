"""Several ways of doing the same, measured in turns: on a machine that is not alone only the ratio counts."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace


@dataclass(frozen=True, slots=True)
class Row:
    """One way and how fast it was."""

    what: str
    rate: float
    """Median, in `unit`, by the clock on the wall."""
    cpu_rate: float
    """The same by processor time, which other programs on the machine hardly change."""
    unit: str
    ratio: float
    """Median over the rounds of how many times faster than the first way of the round it was, by the wall."""
    cpu_ratio: float
    note: str = ""

    def with_note(self, note: str) -> Row:
        return replace(self, note=note)


def compare(sides: Mapping[str, Callable[[], object]], amount: float, unit: str, rounds: int) -> list[Row]:
    """Run every side once per round, in turns; the first side is what the others are compared with.

    Args:
        amount: of `unit` without its "/s" that one run makes.
    """
    for work in sides.values():
        work()
    wall: dict[str, list[float]] = {name: [] for name in sides}
    cpu: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, work in sides.items():
            begin, used = time.perf_counter(), time.process_time()
            work()
            wall[name].append(time.perf_counter() - begin)
            cpu[name].append(time.process_time() - used)
    return rows(wall, cpu, amount, unit)


def rows(wall: Mapping[str, list[float]], cpu: Mapping[str, list[float]], amount: float, unit: str) -> list[Row]:
    """Table rows of measured seconds, a list by side with one entry a round; the first side is the plain one."""
    first = next(iter(wall))
    return [
        Row(
            what=name,
            rate=amount / statistics.median(wall[name]),
            cpu_rate=amount / max(1e-9, statistics.median(cpu[name])),
            unit=unit,
            ratio=_times(wall[first], wall[name]),
            cpu_ratio=_times(cpu[first], cpu[name]),
        )
        for name in wall
    ]


def _times(base: list[float], other: list[float]) -> float:
    return statistics.median(a / max(1e-9, b) for a, b in zip(base, other, strict=True))


def markdown(rows: list[Row]) -> str:
    """A table; the `cpu` columns are by processor time."""
    head = "| what | per second | × plain | per cpu second | × plain (cpu) | unit | note |"
    lines = [head, "|---|---:|---:|---:|---:|---|---|"]
    for r in rows:
        figures = f"{r.rate:.3g} | {r.ratio:.2f} | {r.cpu_rate:.3g} | {r.cpu_ratio:.2f}"
        lines.append(f"| {r.what} | {figures} | {r.unit} | {r.note} |")
    return "\n".join(lines) + "\n"


def as_dicts(rows: list[Row]) -> list[dict[str, object]]:
    return [asdict(row) for row in rows]
