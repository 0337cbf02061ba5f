"""Saying in words how a training goes, and when it goes wrong."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from gpt_sovits.core import replicas
from gpt_sovits.train.best import KeepBest
from gpt_sovits.train.callbacks import Progress
from gpt_sovits.train.config import RunConfig

logger = logging.getLogger(__name__)
MEMORY = 20
"""Steps that the smoothed figure looks back on, about."""
DIVERGED = 1.5
"""A smoothed figure so many times its lowest is no accident."""
RISES = 3
"""Validations after the best one before a rise is believed."""
RISE = 0.02
"""A rise that is worth a word, as a share of the best figure."""


class Watch(Callback):
    """Tells steps, figure and time left every now and then, and says once when the figures go the wrong way.

    Args:
        name: of the training, for people.
        metric: the training figure, as the task logs it; lower is better.
        epochs: how many the recipe has, where no other limit holds.
    """

    def __init__(
        self, name: str, metric: str, run: RunConfig, epochs: int, progress: Progress, best: KeepBest | None
    ) -> None:
        self.name = name
        self.metric = metric
        self.run = run
        self.epochs = epochs
        self.progress = progress
        self.best = best
        self.smooth: float | None = None
        self.lowest = math.inf
        self.said: dict[str, str] = {}
        """What went wrong, by kind, in words."""
        self._told = 0.0
        self._seen = 0

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        self._told, self._seen = time.monotonic(), self.progress.steps

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        if self.progress.steps == self._seen or replicas.rank():
            return
        self._seen = self.progress.steps
        value = trainer.callback_metrics.get(self.metric)
        if value is not None and math.isfinite(float(value)):
            self.follow(float(value))
        if time.monotonic() - self._told >= self.run.tell_seconds:
            self._told = time.monotonic()
            done = trainer.current_epoch + (index + 1) / max(1, int(trainer.num_training_batches))
            logger.info("%s", self.line(done))

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        if self.best is not None and not trainer.sanity_checking:
            self.compare(self.best.history)

    def follow(self, value: float) -> None:
        """Take in the figure of one step."""
        self.smooth = value if self.smooth is None else self.smooth + (value - self.smooth) / MEMORY
        if self.progress.steps < MEMORY:
            return
        self.lowest = min(self.lowest, self.smooth)
        if self.smooth > DIVERGED * self.lowest > 0:
            self._say(
                "diverges",
                f"{self.name} diverges: its figure was {self.lowest:.3g} and is {self.smooth:.3g} after "
                f"{self.progress.steps} steps; lower the learning rate if this goes on",
            )

    def compare(self, history: Mapping[int, float]) -> None:
        """Look at the validation figures by step."""
        known = {step: value for step, value in history.items() if math.isfinite(value)}
        if not known:
            return
        best = min(known, key=lambda step: (known[step], step))
        later = [value for step, value in sorted(known.items()) if step > best]
        if len(later) >= RISES and min(later[-RISES:]) > known[best] * (1 + RISE):
            self._say(
                "rises",
                f"{self.name} learns its recordings by heart: on those held back it was best after {best} steps "
                f"({known[best]:.3g}) and has been worse since ({later[-1]:.3g}); the best weights are kept",
            )

    def line(self, epochs_done: float) -> str:
        """How far it is, in words."""
        minutes = self.progress.seconds / 60
        figure = "" if self.smooth is None else f", {self.metric.split('/')[-1].replace('_', ' ')} {self.smooth:.3f}"
        return f"{self.name}: step {self.progress.steps}{figure}, {minutes:.1f} min so far, {self._left(epochs_done)}"

    def _left(self, epochs_done: float) -> str:
        seconds, steps, run = self.progress.seconds, max(1, self.progress.steps), self.run
        ends = []
        if run.max_minutes is not None:
            ends.append(60 * run.max_minutes - seconds)
        if run.max_steps is not None:
            ends.append(seconds / steps * (run.max_steps - steps))
        else:
            ends.append(seconds / max(epochs_done, 1e-9) * (self.epochs - epochs_done))
        return f"about {max(0.0, min(ends)) / 60:.1f} min left"

    def _say(self, kind: str, sentence: str) -> None:
        if kind not in self.said:
            self.said[kind] = sentence
            logger.warning("%s", sentence)

    def state_dict(self) -> dict[str, Any]:
        return {"smooth": self.smooth, "lowest": self.lowest, "said": self.said}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.smooth, self.lowest, self.said = state["smooth"], state["lowest"], dict(state["said"])
