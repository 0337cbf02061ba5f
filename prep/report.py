"""What a preparation run has to say: on the screen and in `prep_report.json`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gpt_sovits.core.files import write_text

REPORT = "prep_report.json"
_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Failure:
    """One bad item and why."""

    name: str
    line: int
    step: str
    """`list` for a malformed line, else the step that refused the item."""
    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    """Outcome of a run.

    The file holds the state of the folder only, not what this run added to it: a run that was interrupted and
    continued ends with the same bytes as one that was not.
    """

    model: str
    items: int
    """Lines of the list."""
    ready: dict[str, int]
    """By step: how many items have an up-to-date result."""
    failures: list[Failure]
    computed: int
    """Items for which this run computed something."""
    unchanged: int
    """Items that were up to date already."""
    seconds: float

    @property
    def ok(self) -> bool:
        return not self.failures

    def save(self, folder: Path) -> None:
        """Write `prep_report.json`, unless it already says the same."""
        state = {
            "model": self.model,
            "items": self.items,
            "ready": self.ready,
            "bad": [asdict(failure) for failure in self.failures],
        }
        write_changed(folder / REPORT, json.dumps(state, ensure_ascii=False, indent=1) + "\n")

    def show(self, console: Console, folder: Path) -> None:
        """Print the counts and every bad item."""
        if self.failures:
            table = Table("line", "name", "step", "reason", title=f"{self._bad()} bad items")
            for failure in self.failures[:_SHOWN]:
                table.add_row(str(failure.line), escape(failure.name), failure.step, escape(failure.reason))
            console.print(table)
            if len(self.failures) > _SHOWN:
                console.print(f"... and {len(self.failures) - _SHOWN} more in {REPORT}")
        ready = ", ".join(f"{step} {count}" for step, count in self.ready.items())
        if self.computed:
            console.print(f"prepared {self.computed} items in {self.seconds:.1f} s, {self.unchanged} were up to date")
        elif self.failures:
            console.print(f"nothing could be added: {self.unchanged} of {self.items} items are up to date")
        else:
            console.print(f"nothing to do: {self.unchanged} of {self.items} items are up to date")
        console.print(f"{escape(str(folder))} holds: {ready} (of {self.items})", soft_wrap=True)

    def _bad(self) -> int:
        return len({(failure.line, failure.name) for failure in self.failures})


def write_changed(path: Path, text: str) -> None:
    """Write a text file only where its content differs, so that an idle run touches nothing."""
    if not path.is_file() or path.read_bytes() != text.encode("utf8"):
        write_text(path, text)
