"""What keeps a training going: batches that are no numbers are passed over, batches too large for memory are split."""

from __future__ import annotations

import gc
import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gpt_sovits.core import replicas
from gpt_sovits.core.errors import TrainingError

logger = logging.getLogger(__name__)
GROWTH = 2000
"""Good steps after which a lowered scale is doubled again."""
SHOWN = 10


class Health:
    """Kept by a task, stored with its checkpoints.

    Args:
        remedy: what to change where nothing else helps, for people.
        most: batches in a row that may fail before the training stops.
        scale: factor on the losses before the backward pass, taken off the gradients after it; halved after a fault. A
            start above 1 is for float16, whose small gradients vanish otherwise; it may be too high at first.
        ceiling: what the scale may grow to.
        pieces: parts that a batch is computed in from the start.
    """

    def __init__(self, remedy: str, most: int = 20, scale: float = 1.0, ceiling: float = 1.0, pieces: int = 1) -> None:
        self.remedy = remedy
        self.most = most
        self.scale = scale
        self.ceiling = ceiling
        self.pieces = self._asked = pieces
        """How many parts a batch is computed in."""
        self.passed_over = 0
        self.names: Counter[str] = Counter()
        """How often each utterance was in a batch that was passed over."""
        self._row: list[tuple[str, ...]] = []
        self._faulty = False
        self._good = 0

    def pass_over(self, what: str, names: Sequence[str]) -> None:
        """Count a batch that is left out.

        Raises:
            TrainingError: too many in a row.
        """
        self._faulty = True
        if self.scale > 1:
            return  # the scale may be at fault, not the batch
        self.passed_over += 1
        self.names.update(names)
        self._row.append(tuple(names))
        logger.warning("passed over a batch: the %s is not finite; it holds %s", what, _few(names))
        if len(self._row) >= self.most:
            suspects = [name for name, _ in Counter(name for row in self._row for name in row).most_common()]
            raise TrainingError(
                f"{self.most} batches in a row gave losses or gradients that are not finite; they hold "
                f"{_few(suspects)}: listen to these recordings and leave out what is broken, or {self.remedy}"
            )

    def went_well(self) -> None:
        """A batch was used."""
        self._row.clear()

    def settle(self, device: torch.device) -> None:
        """After a step: lower the scale where there was a fault, in any process, or let it grow."""
        faulty, self._faulty = replicas.any_of([self._faulty], device)[0], False
        self._good = 0 if faulty else self._good + 1
        if faulty:
            self.scale /= 2
        elif self.scale < self.ceiling and self._good % GROWTH == 0:
            self.scale *= 2

    def unscale(self, parameters: Sequence[Tensor]) -> None:
        """Take the scale off the gradients."""
        gradients = [p.grad for p in parameters if p.grad is not None]
        if self.scale != 1 and gradients:
            torch._foreach_mul_(gradients, 1 / self.scale)

    def halve(self, error: RuntimeError, rows: int, names: Sequence[str]) -> None:
        """Compute batches in twice as many pieces from now on, because of an error that says that memory ran out.

        Called in an `except` block; `free_memory` after it.

        Args:
            rows: utterances in the batch.

        Raises:
            TrainingError: a piece is a single utterance already.
            RuntimeError: the error, where it says something else.
        """
        if not ran_out(error):
            raise error
        if self.pieces >= rows:
            raise TrainingError(
                f"memory does not suffice for a single utterance ({_few(names)}): leave out long recordings "
                "(data.longest or data.max_seconds), or cut them shorter (stage 2: data.max_frames)"
            ) from error
        self.pieces *= 2
        logger.warning("memory does not suffice; batches are computed in %d pieces from now on", self.pieces)

    def notes(self) -> list[str]:
        """What a person should know, in words."""
        told = []
        if self.passed_over:
            named = [name for name, _ in self.names.most_common()]
            told.append(f"{self.passed_over} batches were passed over, not being finite; they held {_few(named)}")
        if self.pieces > self._asked:
            told.append(f"memory did not suffice for whole batches: each was computed in {self.pieces} pieces")
        return told

    def state_dict(self) -> dict[str, Any]:
        return {
            "scale": self.scale,
            "pieces": self.pieces,
            "passed_over": self.passed_over,
            "names": dict(self.names),
            "row": [list(names) for names in self._row],
            "good": self._good,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.scale, self.passed_over = state["scale"], state["passed_over"]
        self.pieces = max(self._asked, state["pieces"])
        self.names, self._good = Counter(state["names"]), state["good"]
        self._row = [tuple(names) for names in state["row"]]


def slices(rows: int, pieces: int) -> list[slice]:
    """The rows of a batch in so many pieces, or as many as there are rows."""
    size = max(1, -(-rows // pieces))
    return [slice(at, min(at + size, rows)) for at in range(0, rows, size)]


def ran_out(error: RuntimeError) -> bool:
    """Whether an error says that memory did not suffice, on a GPU or on the CPU."""
    told = ("can't allocate memory", "not enough memory", "ALLOC_FAILED")
    return isinstance(error, torch.OutOfMemoryError) or any(part in str(error) for part in told)


def free_memory() -> None:
    """Give back what a failed pass left behind."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return (", ".join(names[:SHOWN]) or "utterances without a name") + more
