"""Keeping the weights that do best on utterances held back from training."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import nn

from gpt_sovits.core import replicas
from gpt_sovits.core.files import atomic_path
from gpt_sovits.train.callbacks import Progress

log = logging.getLogger(__name__)


class KeepBest(Callback):
    """Keeps the weights with the lowest validation figure; those before the first step take part.

    Args:
        path: where they go.
        metric: what the task logs at validation.
        network: gives the network whose weights count.
        progress: knows the number of steps.
        patience: validations in a row without a better figure after which the training ends; None: it goes on.
    """

    def __init__(
        self,
        path: Path,
        metric: str,
        network: Callable[[], nn.Module],
        progress: Progress,
        patience: int | None = None,
    ) -> None:
        self.path = path
        self.metric = metric
        self.network = network
        self.progress = progress
        self.patience = patience
        self.history: dict[int, float] = {}
        """The figure by optimizer step."""

    @property
    def best(self) -> int | None:
        """Step of the lowest figure; of equals the earliest."""
        known = {step: value for step, value in self.history.items() if math.isfinite(value)}
        return min(known, key=lambda step: (known[step], step)) if known else None

    @property
    def waited(self) -> int:
        """Validations since the best one."""
        return 0 if self.best is None else sum(step > self.best for step in self.history)

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        value = trainer.callback_metrics.get(self.metric)
        step = self.progress.steps
        if value is None or not self.progress.judged or step in self.history:
            return
        self.history[step] = float(value)
        log.info("after %d steps: %s %.4f", step, self.metric, float(value))
        if self.best == step and replicas.rank() == 0:
            self._save()
        self._settle()
        if self.progress.settled:
            log.info("no better figure in %d validations: this training ends", self.waited)
            trainer.should_stop = True

    def restore(self) -> int | None:
        """Put the best weights into the network; their step, or None where nothing was validated."""
        if self.best is not None:
            self.network().load_state_dict(torch.load(self.path, map_location="cpu", weights_only=True))
        return self.best

    def state_dict(self) -> dict[str, Any]:
        return {"history": self.history}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.history = dict(state["history"])
        self._settle()

    def _settle(self) -> None:
        self.progress.settled = self.patience is not None and self.waited >= self.patience

    def _save(self) -> None:
        with atomic_path(self.path) as temporary:
            torch.save(self.network().state_dict(), temporary)
