"""Results as text tables."""

from __future__ import annotations

from collections.abc import Sequence

from gpt_sovits.evaluate.columns import BY_NAME, FIGURES, Figure
from gpt_sovits.evaluate.result import Result, Total


def show(figure: Figure, value: float | None) -> str:
    """A total as it is printed, with its unit."""
    if value is None:
        return "-"
    return f"{value * figure.scale:.{figure.digits}f}{' ' * bool(figure.unit)}{figure.unit}"


def show_total(figure: Figure, total: Total | None) -> str:
    """A total with its interval."""
    if total is None:
        return "-"
    low, high = (f"{x * figure.scale:.{figure.digits}f}" for x in (total.low, total.high))
    return f"{show(figure, total.value)} [{low}, {high}]"


def summary_rows(result: Result, group: str) -> list[tuple[str, str, str, str]]:
    """Label, the system's total with its interval, that of the real recordings, number of items."""
    made, real = result.summary[group].figures, {}
    if group in result.recordings:
        real = result.recordings[group].figures
    names = [f.name for f in FIGURES if f.name in made or f.name in real]
    return [
        (
            BY_NAME[name].label,
            show_total(BY_NAME[name], made.get(name)),
            show_total(BY_NAME[name], real.get(name)),
            str(made[name].items if name in made else 0),
        )
        for name in names
    ]


def summary_table(result: Result) -> str:
    """Every group of a result, as aligned text."""
    parts = [f"{result.system.name} on {result.set.name} ({result.set.items} items, set {result.set.hash[:12]})"]
    groups = [name for name in result.summary if name != "all"]
    for group in groups if len(groups) == 1 else ["all", *groups]:
        summary = result.summary[group]
        header = (
            f"{group}: {summary.items} items, {summary.failed} failed",
            "value [95 %]",
            "real recordings",
            "items",
        )
        parts.append(align_columns([header, *summary_rows(result, group)]))
    anchors = result.anchors
    if anchors.ceiling is not None:
        kind = "halves of one recording" if anchors.halves else "recordings of one speaker"
        parts.append(f"similarity: {kind} {anchors.ceiling:.3f}" + _floor(anchors.floor))
    return "\n\n".join(parts)


def align_columns(rows: Sequence[Sequence[str]]) -> str:
    """Cells padded to columns."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows)


def _floor(value: float | None) -> str:
    return "" if value is None else f", of different speakers {value:.3f}"
