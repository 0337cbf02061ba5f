"""How stage 1 learns: one optimiser step per window of batches."""

from __future__ import annotations

import copy
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from ar.alignment import guided_loss
from ar.config import Text2SemanticTrainingConfig
from ar.loss import Batch, TrainingOutput, damage, dpo_loss, garble, training_loss
from ar.model import Text2SemanticDecoder
from ar.optim import build_optimizer, learning_rate
from ar.training_state import TrainingState
from gpt_sovits.core.average import follow
from gpt_sovits.core.device import generator


class Text2SemanticTask(pl.LightningModule):
    """Trains a ready-made model under manual optimisation.

    Everything drawn at random depends on the seed and the epoch, so that a training resumed at an epoch's end goes on
    as if it had never stopped.
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
        self.damaging = generator(config.seed)
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

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.earlier_steps = checkpoint.get("earlier_steps", 0)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        if batch_idx == 0:
            self._seed()
        output = self._loss(batch)
        self.manual_backward(self._scaled(output))
        if self._window_ends(batch_idx):
            self._step()
        per_code = output.loss.detach() / output.count
        self.log("loss", per_code, prog_bar=True, batch_size=len(batch.codes))
        self.log("top3", output.accuracy, prog_bar=True, batch_size=len(batch.codes))
        return per_code

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        output = training_loss(self.trained.eval(), batch)
        self.log("val_loss", output.loss / output.count, prog_bar=True, batch_size=len(batch.codes))
        self.log("val_top3", output.accuracy, batch_size=len(batch.codes))

    def _seed(self) -> None:
        # Not at the epoch's start: making the loader's iterator draws from the same generator, sooner or later.
        seed = self.config.seed + self.current_epoch
        torch.manual_seed(seed)
        self.damaging = generator(seed)

    def _loss(self, batch: Batch) -> TrainingOutput:
        if batch.rejected is not None:
            return dpo_loss(self.model, batch, batch.rejected)
        heard = None
        if self.config.code_noise:
            heard = garble(batch.codes, self.config.code_noise, self.model.config.eos)
        if self.config.alignment is not None:
            return guided_loss(self.model, batch, self.config.alignment, heard)
        if not self.config.preference:
            return training_loss(self.model, batch, heard)
        return dpo_loss(self.model, batch, damage(batch, self.damaging))

    def _scaled(self, output: TrainingOutput) -> Tensor:
        if self.config.reduction == "sum":
            return output.loss
        return output.loss / (output.count * self.config.accumulate)

    def _window_ends(self, batch_idx: int) -> bool:
        if self.config.windows == "public":
            return batch_idx > 0 and batch_idx % self.config.accumulate == 0
        return (batch_idx + 1) % self.config.accumulate == 0 or self.trainer.is_last_batch

    def _step(self) -> None:
        optimizer: Any = self.optimizers()
        rate = learning_rate(self.config.optimizer, self.earlier_steps + self.global_step)
        for group in optimizer.param_groups:
            group["lr"] = rate * group.get("factor", 1.0)  # absent in checkpoints of old
        if self.config.gradient_clip is not None:
            norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.gradient_clip)
            self.log("gradient_norm", norm)
        optimizer.step()
        optimizer.zero_grad()
        if self.average is not None and self.config.average is not None:
            follow(self.average, self.model, self.config.average, self.global_step)
        self.log("lr", rate)
