"""`report.html`: one page that carries everything with it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from gpt_sovits.core.files import write_text
from gpt_sovits.evaluate.columns import BY_NAME, FAULTS
from gpt_sovits.evaluate.pictures import histogram, player
from gpt_sovits.evaluate.result import Result
from gpt_sovits.evaluate.score import Row
from gpt_sovits.evaluate.tables import show, summary_rows

REPORT = "report.html"
WORST = 20
STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 72em; margin: 2em auto; padding: 0 1em; color: #222; }
table { border-collapse: collapse; margin: .6em 0 1.4em; }
td, th { border-bottom: 1px solid #ddd; padding: .25em .8em; text-align: left; vertical-align: top; }
th { background: #f4f4f4; } .bad { color: #a3241b; } .good { color: #1c7a35; } .dim { color: #777; }
svg text { font-size: 11px; fill: #444; } svg .title { font-weight: bold; } svg .axis { stroke: #888; }
svg .mark { stroke: #111; stroke-dasharray: 4 3; } audio { width: 16em; height: 2em; } code { font-size: 90%; }
"""


def write_report(out: Path, result: Result, rows: Sequence[Row]) -> Path:
    """Write the page into the folder of a result."""
    path = out / REPORT
    title = f"{result.system.name} on {result.set.name}"
    body = [f"<h1>{escape(title)}</h1>", _about(result), _summaries(result), _pictures(result, rows)]
    body += [_worst(rows), _problems(result), _measures(result)]
    write_text(path, page(title, "\n".join(body)))
    return path


def page(title: str, body: str) -> str:
    """A whole HTML page."""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head>\n<body>{body}</body></html>\n"
    )


def html_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells that are HTML already."""
    head = "".join(f"<th>{cell}</th>" for cell in header)
    lines = "\n".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>\n{lines}</table>"


def badness(row: Row) -> float:
    """What sorts the worst items first."""
    errors = min(row.number("error_rate") or 0.0, 2.0)
    faults = sum(row.number(name) or 0.0 for name in FAULTS)
    similarity, quality = row.number("similarity"), row.number("dnsmos")
    strange = 0.0 if similarity is None else (1 - similarity) / 2
    rough = 0.0 if quality is None else (5 - quality) / 8
    return 10 * row.failed + errors + faults / 2 + strange + rough


def item_notes(row: Row) -> str:
    """Wanted and heard text and the item's figures, as HTML."""
    lines = [f"<b>{escape(row.item.id)}</b> {escape(row.item.language)}", escape(row.item.text)]
    heard = row.values.get("heard")
    if isinstance(heard, str):
        lines.append(f'<span class="dim">heard:</span> {escape(heard)}')
    figures = [
        f"{BY_NAME[name].label} {show(BY_NAME[name], row.number(name))}"
        for name in ("error_rate", "similarity", "dnsmos")
        if row.number(name) is not None
    ]
    faults = [BY_NAME[name].label for name in FAULTS if row.number(name)]
    lines.append(escape("; ".join(figures)))
    if faults or row.problems:
        lines.append(f'<span class="bad">{escape("; ".join([*faults, *row.problems]))}</span>')
    return "<br>".join(lines)


def _about(result: Result) -> str:
    settings = ", ".join(f"{name} {value}" for name, value in result.system.settings.items())
    speed = ", ".join(f"{name} {value:g}" for name, value in result.speed.items())
    failed = result.summary["all"].failed
    return (
        f"<p>{result.set.items} items, <b>{failed} failed</b> (counted as entirely wrong). "
        f"{escape(result.created)}, {escape(result.program)}. Set <code>{result.set.hash[:16]}</code>, "
        f"system <code>{escape(result.system.fingerprint[:16])}</code>.<br>{escape(settings)}<br>{escape(speed)}</p>"
    )


def _summaries(result: Result) -> str:
    groups = [name for name in result.summary if name != "all"]
    parts = []
    for group in groups if len(groups) == 1 else ["all", *groups]:
        rows = [[escape(cell) for cell in row] for row in summary_rows(result, group)]
        parts.append(f"<h2>{escape(group)}: {result.summary[group].items} items</h2>")
        parts.append(html_table(["", "value [95 % interval]", "real recordings", "items"], rows))
    return "\n".join(parts)


def _pictures(result: Result, rows: Sequence[Row]) -> str:
    languages = sorted({row.item.language for row in rows})
    parts = ["<h2>Distributions</h2>"]
    anchors = result.anchors
    for name in ("error_rate", "similarity", "dnsmos", "tempo"):
        figure = BY_NAME[name]
        groups = {
            language: [
                value * figure.scale
                for row in rows
                if row.item.language == language and (value := row.number(name)) is not None
            ]
            for language in languages
        }
        marks = {"ceiling": anchors.ceiling, "floor": anchors.floor} if name == "similarity" else {}
        if any(groups.values()):
            parts.append(histogram(figure.label, groups, marks, f" {figure.unit}" if figure.unit else ""))
    if anchors.ceiling is not None:
        kind = "the halves of single recordings" if anchors.halves else "recordings of one speaker"
        parts.append(f"<p>Ceiling: mean over {anchors.ceiling_pairs} pairs, {kind}.")
        if anchors.floor is not None:
            parts.append(f" Floor: mean over {anchors.floor_pairs} pairs of different speakers.")
        parts.append("</p>")
    return "\n".join(parts)


def _worst(rows: Sequence[Row]) -> str:
    worst = sorted(rows, key=badness, reverse=True)[:WORST]
    cells = [[item_notes(row), player(row.item.wav), player(row.item.reference)] for row in worst]
    return f"<h2>The {len(worst)} worst</h2>" + html_table(["", "what was said", "reference"], cells)


def _problems(result: Result) -> str:
    lines = [f"<li>not measured: {escape(m.measure)}: {escape(m.reason)}</li>" for m in result.missing]
    lines += [f"<li>{escape(p.id)}: {escape(p.text)}</li>" for p in result.problems]
    return f"<h2>Problems</h2><ul>{''.join(lines)}</ul>" if lines else ""


def _measures(result: Result) -> str:
    rows = [
        [escape(c.measure), escape(c.model), escape(c.version), f"<code>{(c.sha256 or '-')[:16]}</code>",
         escape(", ".join(f"{k} {v}" for k, v in c.settings.items()))]
        for c in result.measures
    ]  # fmt: skip
    return "<h2>Measured with</h2>" + html_table(["measure", "model", "version", "sha256", "settings"], rows)
