"""How stage 1 learns: one optimiser step per window of batches."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from ar.alignment import guided_loss
from ar.config import Text2SemanticTrainingConfig
from ar.loss import Batch, TrainingOutput, Whole, damage, dpo_loss, garble, training_loss
from ar.model import Text2SemanticDecoder
from ar.optim import build_optimizer, learning_rate
from ar.training_state import TrainingState
from gpt_sovits.core import replicas
from gpt_sovits.core.average import follow
from gpt_sovits.core.device import generator
from gpt_sovits.core.health import Health, free_memory, slices


class Text2SemanticTask(pl.LightningModule):
    """Trains a ready-made model under manual optimisation.

    Everything drawn at random depends on the seed, the epoch and, with a callback that seeds each batch, the batch
    alone, so that a resumed training goes on as if it had never stopped. A batch whose loss is not finite is passed
    over; one that memory does not hold is computed in pieces, to the same gradients.
    """

    def __init__(
        self, model: Text2SemanticDecoder, config: Text2SemanticTrainingConfig, begun: TrainingState | None = None
    ) -> None:
        """`begun`: a training elsewhere whose weights `model` already has, and whose optimiser goes on here."""
        super().__init__()
        self.automatic_optimization = False
        self.model = model
        self.average = copy.deepcopy(model).requires_grad_(False).eval() if config.average is not None else None
        self.config = config
        self.health = Health("lower optimizer.lr", pieces=config.pieces)
        self.window: list[tuple[int, Batch]] = []
        """The batches, with their numbers, whose gradients wait for a step."""
        self.learned = False
        """Whether any of them was finite."""
        self.begun = begun
        self.earlier_steps = 0 if begun is None else begun.steps

    @property
    def trained(self) -> Text2SemanticDecoder:
        """What is judged and exported: the moving average where there is one."""
        return self.model if self.average is None else self.average

    def configure_optimizers(self) -> torch.optim.Optimizer:
        optimizer = build_optimizer(self.model, self.config.optimizer, self.config)
        if self.begun is not None:
            self.begun.restore(self.model, optimizer)
        return optimizer

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["earlier_steps"] = self.earlier_steps
        checkpoint["health"] = self.health.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.earlier_steps = checkpoint.get("earlier_steps", 0)
        if "health" in checkpoint:
            self.health.load_state_dict(checkpoint["health"])

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor | None:
        if batch_idx == 0:
            self._seed()
        parts = self._take_in(batch, batch_idx)
        if self._window_ends(batch_idx):
            self._step()
        if not parts:
            return None
        loss, hits, count = torch.stack(parts).sum(0)
        self.log("loss", loss / count, prog_bar=True, batch_size=len(batch.codes))
        self.log("top3", hits / count, prog_bar=True, batch_size=len(batch.codes))
        return loss / count

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        output = training_loss(self.trained.eval(), batch)
        # Weighed by codes: the figure of all utterances, however they are divided into batches and processes.
        weight = {"batch_size": int(output.count), "sync_dist": replicas.world() > 1}
        self.log("val_loss", output.loss / output.count, prog_bar=True, **weight)
        self.log("val_top3", output.accuracy, **weight)

    def _seed(self) -> None:
        # Not at the epoch's start: making the loader's iterator draws from the same generator, sooner or later.
        torch.manual_seed(self.config.seed + self.current_epoch)

    def _take_in(self, batch: Batch, number: int) -> list[Tensor]:
        """Add a batch's gradients to those of the window; what `_descend` gives.

        Where memory runs out, the whole window is done again in smaller pieces: half of this batch may be in already.
        """
        if replicas.world() > 1:
            batch = replace(batch, whole=self._whole(batch))
        self.window.append((number, batch))
        todo = self.window[-1:]
        while True:
            try:
                return [self._descend(each, index) for index, each in todo][-1]
            except RuntimeError as error:
                self.health.halve(error, len(batch.codes), batch.names)
            self.model.zero_grad()
            free_memory()
            todo = self.window

    def _descend(self, batch: Batch, number: int) -> list[Tensor]:
        """Add a batch's gradients, piece by piece.

        Returns:
            Loss, share of hits times count, and count [3] of every piece that is finite.
        """
        if self.config.preference and self.config.alignment is None and batch.rejected is None:
            batch = replace(batch, rejected=self._reject(batch, number))
        parts = [batch]
        if self.health.pieces > 1:
            whole = batch.whole or self._whole(batch)
            parts = [batch.part(rows, whole) for rows in slices(len(batch.codes), self.health.pieces)]
        seen = []
        for part in parts:
            output = self._loss(part)
            if output.loss.isfinite():
                self.manual_backward(self._scaled(output, part) * self.health.scale)
                seen.append(torch.stack([output.loss.detach(), output.accuracy * output.count, output.count]))
            else:
                self.health.pass_over("loss", part.names)
        self.learned = self.learned or bool(seen)
        return seen

    def _whole(self, batch: Batch) -> Whole:
        """Sizes of what one step learns from, in all processes."""
        ends = (
            batch.codes.shape[1] * len(batch.codes) if self.model.config.mask == "public" else batch.code_lengths.sum()
        )
        learned = len(batch.codes) + int(ends) - (0 if batch.given is None else int(batch.given.sum()))
        rows, targets = replicas.totals([len(batch.codes), learned], self.device)
        return Whole(int(rows), int(targets))

    def _loss(self, batch: Batch) -> TrainingOutput:
        if batch.rejected is not None:
            return dpo_loss(self.model, batch, batch.rejected)
        heard = None
        if self.config.code_noise:
            heard = garble(batch.codes, self.config.code_noise, self.model.config.eos)
        if self.config.alignment is not None:
            return guided_loss(self.model, batch, self.config.alignment, heard)
        return training_loss(self.model, batch, heard)

    def _reject(self, batch: Batch, number: int) -> Batch:
        """Damaged codes, drawn for this batch alone: the same after a resume in the midst of an epoch."""
        seed = ((self.config.seed + self.current_epoch) * 1_000_003 + number) * 1_009 + replicas.rank()
        return damage(batch, generator(seed % 2**63))

    def _scaled(self, output: TrainingOutput, batch: Batch) -> Tensor:
        if self.config.reduction == "sum":
            return output.loss
        targets = output.count if batch.whole is None else batch.whole.targets
        return output.loss / (targets * self.config.accumulate)

    def _window_ends(self, batch_idx: int) -> bool:
        if self.config.windows == "public":
            return batch_idx > 0 and batch_idx % self.config.accumulate == 0
        return (batch_idx + 1) % self.config.accumulate == 0 or self.trainer.is_last_batch

    def _step(self) -> None:
        optimizer: Any = self.optimizers()
        rate = learning_rate(self.config.optimizer, self.earlier_steps + self.global_step)
        for group in optimizer.param_groups:
            group["lr"] = rate * group.get("factor", 1.0)  # absent in checkpoints of old
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        replicas.sum_gradients(parameters)
        self.health.unscale(parameters)
        limit = math.inf if self.config.gradient_clip is None else self.config.gradient_clip
        norm = torch.nn.utils.clip_grad_norm_(parameters, limit)
        if norm.isfinite():
            optimizer.step()
            if self.learned:
                self.health.went_well()
        else:
            self.health.pass_over("gradient", [name for _, batch in self.window for name in batch.names])
        optimizer.zero_grad()
        if self.average is not None and self.config.average is not None:
            follow(self.average, self.model, self.config.average, self.global_step)
        self.window.clear()
        self.learned = False
        self.health.settle(self.device)
        self.log_dict({"lr": rate, "gradient_norm": norm})
