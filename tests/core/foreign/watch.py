"""Reading files under Python's audit: what the reader did besides opening the file it was given.

`python -m tests.core.foreign.watch HARMLESS LIST` reads every path in the text file LIST, after those in HARMLESS, and
prints one JSON object: of each path its outcome and the events, and how much memory the whole took.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

from gpt_sovits.core.errors import CheckpointError
from gpt_sovits.core.foreign import plain, read_foreign, state_dict

# id() and mapping the file are part of reading; a traceback looks at its frames.
HARMLESS = {"builtins.id", "mmap.__new__", "sys._getframe", "sys._getframemodulename", "object.__getattr__"}
READ_ONLY = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class Watch:
    """Collects audit events while it is armed; a hook cannot be taken away again, so it is made once."""

    def __init__(self) -> None:
        self.path: str | None = None
        self.events: list[str] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if self.path is None or event in HARMLESS:
            return
        own = event == "open" and str(args[0]) == self.path and args[1] in (None, "rb") and args[2] == READ_ONLY
        if not own:
            self.events.append(f"{event} {args!r:.200}")

    def read(self, path: Path, tensors: bool = True) -> tuple[str, list[str]]:
        """What reading a file and using all that is in it came to: `read` or the refusal, and the events."""
        self.events, self.path = [], str(path)
        try:
            outcome = _use(path, tensors)
        finally:
            self.path = None
        return outcome, self.events


@lru_cache(maxsize=1)
def watch() -> Watch:
    """The only one of this process."""
    return Watch()


def _use(path: Path, tensors: bool) -> str:
    try:
        tree = read_foreign(path, tensors=tensors).tree
        plain(tree)
        state = state_dict(tree, str(path))
        for tensor in state.values():
            if tensors:
                tensor.clone()
    except CheckpointError as error:
        return str(error)
    return "read"


def warm_up(paths: list[Path]) -> None:
    """Read harmless files, good and bad, so that everything is imported that is imported at its first use."""
    for path in paths:
        watch().read(path)
        watch().read(path, tensors=False)


def main() -> None:
    harmless, paths = ([Path(x) for x in Path(each).read_text(encoding="utf8").splitlines()] for each in sys.argv[1:])
    warm_up(harmless)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = {str(path): watch().read(path) for path in paths}
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"files": found, "peak_mib": after // 1024, "before_mib": before // 1024}))


if __name__ == "__main__":
    main()
