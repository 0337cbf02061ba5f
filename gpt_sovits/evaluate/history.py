"""A project's results over time."""

from __future__ import annotations

from pathlib import Path

from gpt_sovits.core.errors import InputError
from gpt_sovits.evaluate.columns import BY_NAME
from gpt_sovits.evaluate.result import RESULT, Result, read_result
from gpt_sovits.evaluate.tables import align_columns, show

SHOWN = ("error_rate", "similarity", "dnsmos", "faulty", "failed", "rtf")


def find_results(folder: Path) -> list[Result]:
    """Every result below a folder, oldest first; what cannot be read is left aside.

    Raises:
        InputError: there is none.
    """
    found = []
    for path in sorted(folder.rglob(RESULT)):
        try:
            found.append(read_result(path))
        except InputError:  # another program's result.json
            continue
    if not found:
        raise InputError(f"{folder} holds no results of an evaluation")
    return sorted(found, key=lambda result: result.created)


def history_table(results: list[Result]) -> str:
    """One line a result and language."""
    header = ("when", "system", "fingerprint", "set", "language", "items", *(BY_NAME[name].label for name in SHOWN))
    lines = []
    for result in results:
        for language in sorted(set(result.summary) - {"all"}):
            summary = result.summary[language]
            figures = [summary.figures.get(name) for name in SHOWN]
            lines.append(
                (
                    result.created[:16].replace("T", " "),
                    result.system.name,
                    result.system.fingerprint[:8] or "-",
                    f"{result.set.name} {result.set.hash[:8]}",
                    language,
                    str(summary.items),
                    *(show(BY_NAME[n], None if t is None else t.value) for n, t in zip(SHOWN, figures, strict=True)),
                )
            )
    return align_columns([header, *lines])
