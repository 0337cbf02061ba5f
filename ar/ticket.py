"""A request to a decoder, and what has come of it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from enum import Enum

from ar.items import Item
from ar.sampling import GenerateOptions
from gpt_sovits.core.errors import GPTSoVITSError


class State(Enum):
    """Where a request stands."""

    WAITING = "waiting"
    RUNNING = "running"
    ENDED = "ended"
    """At its end mark."""
    FULL = "full"
    """At its limit."""
    CANCELLED = "cancelled"
    FAILED = "failed"


OPEN = (State.WAITING, State.RUNNING)


@dataclass(slots=True, eq=False)
class Ticket:
    """One request and what has come of it."""

    item: Item
    options: GenerateOptions
    on_tokens: Callable[[list[int]], None] | None = None
    """Called with the codes that are new, by whichever thread drives the decoder. Must neither raise nor drive."""
    group: Hashable = None
    """Whom the request is for; rows are shared out evenly among groups."""
    codes: list[int] = field(default_factory=list)
    state: State = State.WAITING
    error: Exception | None = None
    limit: int = 0

    @property
    def done(self) -> bool:
        return self.state not in OPEN


class BusyError(GPTSoVITSError):
    """The queue is full."""

    def __init__(self, waiting: int) -> None:
        super().__init__(f"{waiting} requests are waiting already: try again later")
