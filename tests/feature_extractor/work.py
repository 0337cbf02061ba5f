"""How much work a call does, counted and not timed: the same number on every machine, however busy."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

HANGING = 60
"""Seconds of processor time after which a call that takes about one counts as hanging."""


def steps(call: Callable[[], object]) -> int:
    """The lines that run and the functions that are called, built-in ones too, in a call."""
    count = 0

    def line(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return line

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.gettrace(), sys.getprofile()
    sys.settrace(lambda frame, event, argument: line)
    sys.setprofile(profile)
    try:
        call()
    finally:
        sys.settrace(before[0])
        sys.setprofile(before[1])
    return count


def assert_linear(call: Callable[[str], object], unit: str, size: int = 1000, long: int = 30_000) -> None:
    """The steps per character do not grow with the length of a text made of one unit.

    A regular expression is one step, however far it looks, so the call also runs once, uncounted, on a text of `long`
    characters, on which one that looks back from every character would hang.
    """

    def text(length: int) -> str:
        return (unit * length)[:length]

    call(text(size))  # what is loaded or remembered on the first call does not count
    small, large = (steps(lambda length=length: call(text(length))) for length in (size, 8 * size))
    assert large < 9 * small, f"{small} steps for {size} characters, {large} for {8 * size}"
    with _ends():
        call(text(long))


@contextmanager
def _ends() -> Iterator[None]:
    def hangs(number: int, frame: FrameType | None) -> None:
        raise AssertionError(f"it hangs: over {HANGING} seconds of processor time")

    before = signal.signal(signal.SIGVTALRM, hangs)
    signal.setitimer(signal.ITIMER_VIRTUAL, HANGING)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
