"""Optimizer steps of two networks that are trained against each other, in pieces where memory is short."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn
from torch.optim import AdamW

from gpt_sovits.core import replicas
from gpt_sovits.core.health import Health, free_memory
from sovits.batch import Batch
from sovits.piece import Draws, Piece, cut
from sovits.recipe import SynthesizerTaskConfig


class Descent(LightningModule):
    """What a step is made of: rates, gradients of a batch and its pieces, steps that faults cannot spoil."""

    config: SynthesizerTaskConfig
    health: Health
    steps: int
    steps_per_epoch: int

    def forget(self) -> None:
        """Drop what was kept of a batch that memory did not hold."""

    def _adam(self, groups: list[dict[str, Any]]) -> AdamW:
        config = self.config
        return AdamW(
            groups,
            lr=config.rate,
            betas=config.betas,
            eps=config.epsilon,
            weight_decay=config.weight_decay,
            foreach=True,
        )

    def _scheduled_optimizers(self) -> tuple[Any, Any]:
        """Both optimizers, set to this step's learning rate."""
        rate = self.config.rate * self.config.schedule.scale(self.steps, self.steps_per_epoch)
        both = self.optimizers()
        assert isinstance(both, list)
        for optimizer in both:
            for group in optimizer.param_groups:
                group["lr"] = rate * group["factor"]
        self.log("train/rate", rate)
        return both[0], both[1]

    def _descend(
        self,
        module: nn.Module,
        optimizer: Any,
        batch: Batch,
        draws: Draws,
        losses_of: Callable[[Piece], dict[str, Tensor]],
    ) -> dict[str, Tensor]:
        """Put a batch's gradients into the parameters; its losses by name, none where a sum was not finite.

        Where memory runs out, once more in smaller pieces.
        """
        while True:
            optimizer.zero_grad()
            try:
                return self._backward(cut(batch, draws, self.health.pieces), losses_of)
            except RuntimeError as error:
                self.health.halve(error, len(batch.names), batch.names)
            self.forget()
            free_memory()

    def _backward(self, pieces: list[Piece], losses_of: Callable[[Piece], dict[str, Tensor]]) -> dict[str, Tensor]:
        seen: dict[str, Tensor] = {}
        for piece in pieces:
            losses = losses_of(piece)
            total = torch.stack(list(losses.values())).sum()
            if not total.isfinite():
                return {}
            self.manual_backward(total * self.health.scale)
            seen = {name: loss.detach() + seen.get(name, 0.0) for name, loss in losses.items()}
        return seen

    def _step(self, optimizer: Any, losses: dict[str, Tensor], module: nn.Module, name: str) -> str:
        """Step down the gradients, where they and the losses are finite in all processes; else what is not."""
        parameters = [p for p in module.parameters() if p.requires_grad]
        if replicas.sum_gradients(parameters, faulty=not losses):
            return f"{name}'s loss"
        self.health.unscale(parameters)
        limit = math.inf if self.config.clip is None else self.config.clip
        norm = nn.utils.clip_grad_norm_([p for p in parameters if p.grad is not None], limit)
        fine = bool(norm.isfinite())
        if fine:
            optimizer.step()
        total = torch.stack(list(losses.values())).sum()
        self.log_dict({f"train/{name}": total, f"train/{name}_gradient": norm})
        return "" if fine else f"{name}'s gradient"
