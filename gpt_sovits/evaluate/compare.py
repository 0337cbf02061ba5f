"""Two systems or more on the same items: who is better, by how much, and where to listen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from gpt_sovits.core.errors import InputError
from gpt_sovits.core.files import write_text
from gpt_sovits.evaluate.columns import FIGURES
from gpt_sovits.evaluate.pictures import player
from gpt_sovits.evaluate.report import badness, html_table, item_notes, page
from gpt_sovits.evaluate.result import ITEMS, Result, read_result, read_rows
from gpt_sovits.evaluate.score import Row
from gpt_sovits.evaluate.statistics import Difference, compare_rows
from gpt_sovits.evaluate.tables import align_columns, show

MOST_PLAYED = 20
_SIGNS = {"better": "+", "worse": "-", "no difference": "=", "different": "~"}


@dataclass(frozen=True, slots=True)
class Judged:
    """A result with its items."""

    result: Result
    rows: tuple[Row, ...]

    @property
    def name(self) -> str:
        return self.result.system.name


def load_judged(folder: Path) -> Judged:
    """What an evaluation left in a folder.

    Raises:
        InputError: it holds no result.
    """
    return Judged(read_result(folder), tuple(read_rows(folder / ITEMS)))


def differences(first: Judged, second: Judged, seed: int = 7) -> list[Difference]:
    """Every figure both have, with paired 95 % intervals.

    Raises:
        InputError: they were judged on different sets or by different models.
    """
    check_comparable(first.result, second.result)
    found = (compare_rows(first.rows, second.rows, figure, seed) for figure in FIGURES)
    return [difference for difference in found if difference is not None]


def check_comparable(first: Result, second: Result) -> None:
    """Figures of other sentences, voices or metric models do not compare."""
    if first.set.hash != second.set.hash:
        raise InputError(
            f"{first.system.name} was judged on the set {first.set.name} ({first.set.hash[:12]}), {second.system.name} "
            f"on {second.set.name} ({second.set.hash[:12]}): evaluate both on one set"
        )
    models = [{card.measure: card.sha256 for card in r.measures if card.sha256} for r in (first, second)]
    for measure in models[0].keys() & models[1].keys():
        if models[0][measure] != models[1][measure]:
            raise InputError(f"the two were judged by different models for {measure}: evaluate both with the same")


def comparison_table(judged: Sequence[Judged]) -> str:
    """The first system against each other one, as text."""
    parts = []
    for other in judged[1:]:
        header = ("", judged[0].name, other.name, "difference [95 %]", "items", f"{other.name} is")
        parts.append(align_columns([header, *_rows(judged[0], other)]))
    return "\n\n".join(parts)


def write_comparison(path: Path, judged: Sequence[Judged]) -> Path:
    """A page with the table and the recordings side by side, worst items first."""
    names = " / ".join(j.name for j in judged)
    body = [
        f"<h1>{escape(names)}</h1>",
        f"<p>Set {escape(judged[0].result.set.name)}, {len(judged[0].rows)} items.</p>",
    ]
    for other in judged[1:]:
        rows = [[escape(cell) for cell in row] for row in _rows(judged[0], other)]
        header = ["", judged[0].name, other.name, "difference [95 %]", "items", f"{other.name} is"]
        body.append(html_table([escape(cell) for cell in header], rows))
    body.append(_side_by_side(judged))
    write_text(path, page(names, "\n".join(body)))
    return path


def _rows(first: Judged, second: Judged) -> list[tuple[str, ...]]:
    return [
        (
            d.figure.label,
            show(d.figure, d.first),
            show(d.figure, d.second),
            f"{_signed(d, d.value)} [{_signed(d, d.low)}, {_signed(d, d.high)}]",
            str(d.items),
            f"{_SIGNS[d.verdict]} {d.verdict}",
        )
        for d in differences(first, second)
    ]


def _signed(difference: Difference, value: float) -> str:
    return f"{value * difference.figure.scale:+.{difference.figure.digits}f}"


def _side_by_side(judged: Sequence[Judged]) -> str:
    by_id = [{row.item.id: row for row in j.rows} for j in judged]
    shared = [name for name in by_id[0] if all(name in rows for rows in by_id)]
    shared.sort(key=lambda name: max(badness(rows[name]) for rows in by_id), reverse=True)
    cells = [
        [player(by_id[0][name].item.reference)]
        + [f"{player(rows[name].item.wav)}<br>{item_notes(rows[name])}" for rows in by_id]
        for name in shared[:MOST_PLAYED]
    ]
    return "<h2>Worst first</h2>" + html_table(["reference", *(escape(j.name) for j in judged)], cells)
