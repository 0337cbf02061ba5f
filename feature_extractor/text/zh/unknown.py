"""Words that jieba's dictionary lacks, found by its two hidden Markov models; with parts of speech, and without."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from feature_extractor.text.tables import SortedTable
from gpt_sovits.core.resources import resource

_NEVER = -3.14e100
_EDGES = "BMES"
_BEFORE = {"B": "ES", "M": "MB", "S": "SE", "E": "BM"}
_START = {"B": -0.26268660809250016, "E": _NEVER, "M": _NEVER, "S": -1.4652633398537678}
_STEPS = {
    "BE": -0.51082562376599, "BM": -0.916290731874155, "EB": -0.5897149736854513, "ES": -0.8085250474669937,
    "ME": -0.33344856811948514, "MM": -1.2603623820268226, "SB": -0.7211965654669841, "SS": -0.6658631448798212,
}  # fmt: skip

Scores = NDArray[np.float64]


class TaggedWords:
    """Most likely words and tags of characters; a state is a character's place in its word and the word's tag.

    States are numbered from the alphabetically last, so that the first of several equal scores is the one that jieba
    takes.
    """

    def __init__(self) -> None:
        folder = resource("res", "text", "zh")
        self._table = SortedTable(folder / "word_states.tsv")
        self._row = lru_cache(maxsize=4096)(self._parse)
        steps = SortedTable(folder / "word_transitions.tsv")
        start = _states(steps["start"])
        self._names = sorted(start, reverse=True)
        self._numbers = {name: number for number, name in enumerate(self._names)}
        self._start = np.array([start[name] for name in self._names])
        self._steps = np.full((len(start), len(start)), -np.inf)
        for name, row in self._numbers.items():
            for following, step in _states(steps[name]).items():
                self._steps[row, self._numbers[following]] = step

    def __call__(self, text: str) -> list[tuple[str, str]]:
        """Words of Chinese characters with their tags."""
        path = self._path(text)
        return [(text[start:end], path[start][2:]) for start, end in _words([state[0] for state in path])]

    def _path(self, text: str) -> list[str]:
        allowed, emitted = self._row(text[0])
        scores = np.full(len(self._start), -np.inf)
        scores[allowed] = (self._start + emitted)[allowed]
        origins: list[NDArray[np.intp]] = []
        for character in text[1:]:
            scores, origin = self._step(scores, character)
            origins.append(origin)
        path = [int(scores.argmax())]
        for origin in reversed(origins):
            path.append(int(origin[path[-1]]))
        return [self._names[state] for state in reversed(path)]

    def _step(self, scores: Scores, character: str) -> tuple[Scores, NDArray[np.intp]]:
        """Best scores of the states at the next character, and the state each came from."""
        allowed, emitted = self._row(character)
        before = np.flatnonzero(scores > -np.inf)
        everything = np.arange(len(scores))
        best, origin = np.full(len(scores), -np.inf), np.zeros(len(scores), np.intp)
        # Where no allowed state can be reached, any that can will do; where none can, a word begins.
        for states in (allowed, everything):
            sums = scores[before, None] + self._steps[before[:, None], states] + emitted[states]
            winners = sums.argmax(0)
            best[states], origin[states] = sums[winners, np.arange(len(states))], before[winners]
            if (best > -np.inf).any():
                return best, origin
        return self._start + emitted, np.full(len(scores), scores.argmax())

    def _parse(self, character: str) -> tuple[NDArray[np.intp], Scores]:
        """The states a character is allowed (all where none is listed) and the log probability of it in each."""
        row = _states(self._table.get(character))
        emitted = np.full(len(self._start), _NEVER)
        for name, value in row.items():
            emitted[self._numbers[name.lstrip("~")]] = value
        allowed = [self._numbers[name] for name in row if name[0] != "~"]
        return np.array(allowed or range(len(self._start)), np.intp), emitted


class PlainWords:
    """Most likely words of characters."""

    def __init__(self) -> None:
        self._table = SortedTable(resource("res", "text", "zh", "word_edges.tsv"))

    def __call__(self, text: str) -> list[str]:
        """Words of Chinese characters."""
        rows = [self._row(character) for character in text]
        scores = {y: _START[y] + rows[0][y] for y in _EDGES}
        paths = {y: y for y in _EDGES}
        for row in rows[1:]:
            best = {y: max((scores[x] + _STEPS[x + y] + row[y], x) for x in _BEFORE[y]) for y in _EDGES}
            scores = {y: best[y][0] for y in _EDGES}
            paths = {y: paths[best[y][1]] + y for y in _EDGES}
        last = max("ES", key=lambda y: (scores[y], y))
        return [text[start:end] for start, end in _words(paths[last])]

    def _row(self, character: str) -> dict[str, float]:
        values = self._table.get(character).split(" ")
        return dict(zip(_EDGES, map(float, values), strict=True)) if len(values) > 1 else dict.fromkeys(_EDGES, _NEVER)


def _words(path: Sequence[str]) -> list[tuple[int, int]]:
    """Spans of the words whose characters stand at the beginning, in the middle, at the end, or single."""
    spans: list[tuple[int, int]] = []
    begin = 0
    for i, place in enumerate(path):
        if place == "B":
            begin = i
        elif place == "E":
            spans.append((begin, i + 1))
        elif place == "S":
            spans.append((i, i + 1))
    done = spans[-1][1] if spans else 0
    return [*spans, (done, len(path))] if done < len(path) else spans


def _states(row: str) -> dict[str, float]:
    fields = row.split()
    return dict(zip(fields[::2], map(float, fields[1::2]), strict=True))


@lru_cache(maxsize=1)
def tagged_words() -> TaggedWords:
    """The model with parts of speech, opened once."""
    return TaggedWords()


@lru_cache(maxsize=1)
def plain_words() -> PlainWords:
    """The model without, opened once."""
    return PlainWords()
