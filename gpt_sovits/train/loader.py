"""Batches that can be taken up in the middle of an epoch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch.utils.data import DataLoader


class ResumableLoader:
    """Wraps a DataLoader so that a training interrupted within an epoch goes on with the next batch.

    Which batches an epoch holds must depend on the epoch alone (`set_epoch` of the sampler), which the samplers of both
    stages see to. Lightning stores and restores `state_dict` with its checkpoints and announces epochs to `sampler`.
    """

    def __init__(self, loader: DataLoader[Any]) -> None:
        self.loader = loader
        self.sampler = self
        self.skip = 0
        self.given = 0

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        # The body runs at the first batch: only then the epoch has been announced.
        loader, start = self.loader, self.skip
        self.skip, self.given = 0, start
        assert loader.batch_sampler is not None
        batches = list(loader.batch_sampler)[start:]
        rest = DataLoader(
            loader.dataset,
            batch_sampler=batches,
            collate_fn=loader.collate_fn,
            num_workers=loader.num_workers,
            pin_memory=loader.pin_memory,
        )
        for batch in rest:
            self.given += 1
            yield batch

    def set_epoch(self, epoch: int) -> None:
        sampler = self.loader.batch_sampler
        for part in (sampler, getattr(sampler, "sampler", None), self.loader.dataset):
            announce = getattr(part, "set_epoch", None)
            if announce is not None:
                announce(epoch)

    def state_dict(self) -> dict[str, int]:
        return {"given": self.given}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on after the batches that were given out; after a whole epoch, with the next one's first."""
        self.skip = state["given"] % max(1, len(self))
