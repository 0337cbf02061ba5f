"""Runs of one language in a text."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Run:
    """A part of a text in one language; `start` and `end` count characters of the whole text."""

    language: str
    start: int
    end: int
    text: str


def cut_at(text: str, pattern: re.Pattern[str], inside: str, outside: str, searched: str | None = None) -> list[Run]:
    """Cut at every match of the pattern in the text, or in a copy of the same length."""
    runs: list[Run] = []
    done = 0
    for match in pattern.finditer(searched or text):
        if match.start() > done:
            runs.append(Run(outside, done, match.start(), text[done : match.start()]))
        runs.append(Run(inside, match.start(), match.end(), text[match.start() : match.end()]))
        done = match.end()
    if done < len(text) or not runs:
        runs.append(Run(outside, done, len(text), text[done:]))
    return runs


def merge_equal(runs: list[Run]) -> list[Run]:
    """Neighbours of one language as one run; empty ones are left out."""
    groups: list[list[Run]] = []
    for run in runs:
        if groups and groups[-1][0].language == run.language:
            groups[-1].append(run)
        elif run.text:
            groups.append([run])
    merged = [Run(g[0].language, g[0].start, g[-1].end, "".join(run.text for run in g)) for g in groups]
    return merged or runs[:1]
