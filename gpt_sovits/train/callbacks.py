"""What happens around the steps of a training: seeds, limits, interrupts, checkpoints."""

from __future__ import annotations

import logging
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import parent_process
from pathlib import Path
from threading import current_thread, main_thread
from types import FrameType
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from gpt_sovits.core import replicas
from gpt_sovits.core.files import atomic_path
from gpt_sovits.train.config import RunConfig

logger = logging.getLogger(__name__)


class SeedEachBatch(Callback):
    """Makes the random draws of a batch a function of the seed and the batch's number.

    No generator state then has to be stored, and a resumed training draws what the uninterrupted one would have.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(self, trainer: Trainer, module: LightningModule, batch: Any, index: int) -> None:
        number = trainer.current_epoch * int(trainer.num_training_batches) + index
        torch.manual_seed((self.seed * 1_000_003 + number) % 2**63)


class Progress(Callback):
    """Counts steps and minutes, writes checkpoints, and ends the training at its limits or when asked to.

    Both happen only right after an optimizer step: gradients that wait for one are in no checkpoint. A checkpoint due
    at a step that is validated waits for the result. Processes that train together decide together, by the clock of
    the first; it alone writes.

    Args:
        path: where the newest checkpoint goes.
        validates: whether there are validations.
    """

    def __init__(self, path: Path, config: RunConfig, validates: bool = False) -> None:
        self.path = path
        self.config = config
        self.validates = validates
        self.judged = True
        """Whether the validation at this step is one an uninterrupted training has too."""
        self.steps = 0
        self.seconds = 0.0
        self.settled = False
        """Whether validation has found nothing better for long enough; told by `KeepBest`."""
        self.stop_asked = False
        self.answer: Callable[[int, FrameType | None], None] | None = None
        """What a signal to stop calls."""
        self._saved = 0
        self._saved_at = 0.0
        self._over = False
        self._due = False
        self._optimizer_steps = 0
        self._began = 0.0

    @property
    def finished(self) -> bool:
        """Whether a limit has been reached."""
        most, minutes = self.config.max_steps, self.config.max_minutes
        if self.settled or (most is not None and self.steps >= most):
            return True
        return minutes is not None and self.seconds >= 60 * minutes

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        self._saved, self._saved_at = self.steps, self.seconds
        self._began = time.monotonic()
        trainer.should_stop = self.finished
        if self.answer is not None:
            # Lightning has put a handler of its own in the way, which lets SIGTERM break off an epoch without a word.
            signal.signal(signal.SIGTERM, self.answer)

    def on_train_batch_start(self, trainer: Trainer, module: LightningModule, batch: Any, index: int) -> None:
        self._optimizer_steps = trainer.global_step

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        now = time.monotonic()
        self.seconds, self._began = self.seconds + now - self._began, now
        if trainer.global_step == self._optimizer_steps:
            return
        self.steps += 1
        first = replicas.rank() == 0
        self._over, stop, due = replicas.any_of(
            [first and self.finished, self.stop_asked, first and self._checkpoint_due()], module.device
        )
        self.stop_asked = stop
        trainer.should_stop = self._over or stop
        number = trainer.current_epoch * int(trainer.num_training_batches) + index + 1
        scheduled = number % self.config.validate_every == 0
        self.judged = scheduled or self._over
        self._due = trainer.should_stop or due
        if self._due and not (self.validates and (scheduled or trainer.should_stop)):
            self._save(trainer)

    def _checkpoint_due(self) -> bool:
        minutes, keep = self.config.checkpoint_minutes, self.config.keep_every
        return (
            self.steps - self._saved >= self.config.checkpoint_every
            or (minutes is not None and self.seconds - self._saved_at >= 60 * minutes)
            or (keep is not None and self.steps % keep == 0)
        )

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        if self._due:
            self._save(trainer)

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        if self._saved != self.steps:
            self._save(trainer)

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps, "seconds": self.seconds}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.steps, self.seconds = state["steps"], state["seconds"]

    def _save(self, trainer: Trainer) -> None:
        if replicas.rank():
            trainer.save_checkpoint(self.path)  # takes part, writes nothing
        else:
            with atomic_path(self.path) as temporary:
                trainer.save_checkpoint(temporary)
            if self.config.keep_every is not None and self.steps % self.config.keep_every == 0:
                self._keep()
        self._saved, self._saved_at = self.steps, self.seconds
        self._due = False

    def _keep(self) -> None:
        """A second name for the newest checkpoint, which the next one does not replace."""
        with atomic_path(self.path.with_name(f"step-{self.steps}.ckpt")) as temporary:
            shutil.copyfile(self.path, temporary)


@contextmanager
def stoppable(progress: Progress) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the training after the current step, with a checkpoint; a second Ctrl-C at once."""

    def ask(number: int, frame: FrameType | None) -> None:
        if progress.stop_asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        progress.stop_asked = True
        logger.info("stopping after this step; the same command goes on from there")

    if current_thread() is not main_thread():
        yield
        return
    progress.answer = ask
    # Of processes that train together the one that started them hears Ctrl-C and passes SIGTERM on.
    numbers = (signal.SIGTERM,) if parent_process() is not None else (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, ask) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
