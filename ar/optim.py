"""Optimisers and learning rates of stage 1."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from ar.config import AdamWConfig, OptimizerConfig, ScaledAdamConfig
from gpt_sovits.core.tuning import Tuning, parameter_groups

SIZE_PERIOD = 4
SCALAR_RATE = 0.1
SCALAR_LIMIT = 10.0
SMALLEST, LARGEST = 1e-5, 3.0
EPSILON = 1e-8


class ScaledAdam(torch.optim.Optimizer):
    """Adam whose step is proportional to each tensor's size, with the size itself learned too (Yao et al. 2023).

    The update follows the public GPT-SoVITS to the digit. That includes its gradient clipping, which enters the
    learning of the size only and leaves the main update as it was, unless `clip_update` is set.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 0.01,
        betas: tuple[float, float] = (0.9, 0.95),
        clipping_scale: float = 2.0,
        clipping_update_period: int = 1000,
        clip_update: bool = False,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas})
        self.clip_update = clip_update
        self.clipping_scale = clipping_scale
        self.clipping_update_period = clipping_update_period

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            if not params:
                continue
            clip = self._clip(params)
            for p in params:
                state = self.state[p] or self._start(p)
                _update(p, state, group["lr"], group["betas"], clip, self.clip_update)
                state["step"] += 1
        return loss

    def _start(self, p: Tensor) -> dict[str, Any]:
        state = self.state[p]
        state.update(step=0, delta=torch.zeros_like(p), square=torch.zeros_like(p))
        if p.numel() > 1:
            state.update(size=_size(p), size_square=p.new_zeros(()), size_grads=p.new_zeros(SIZE_PERIOD))
        return state

    def _clip(self, params: list[Tensor]) -> float:
        """Factor from the median of the last gradient norms, each tensor weighed by its size."""
        first = self.state[params[0]]
        if not first or first["step"] == 0:
            return 1.0
        step, period = first["step"], self.clipping_update_period
        weighed = [p.grad * self.state[p]["size"] if p.numel() > 1 else p.grad for p in params]
        norm = torch.stack([g.square().sum() for g in weighed if g is not None]).sum().sqrt()
        norms = first.setdefault("norms", norm.new_zeros(period))
        norms[step % period] = norm
        if step % period == 0:
            first["threshold"] = self.clipping_scale * norms.sort().values[min(period - 1, period // 4 * 2)].item()
        return min(1.0, first["threshold"] / (norm.item() + 1e-20)) if step >= period else 1.0


def _update(
    p: Tensor, state: dict[str, Any], lr: float, betas: tuple[float, float], clip: float, clip_update: bool
) -> None:
    beta1, beta2 = betas
    grad, delta, square, step = p.grad, state["delta"], state["square"], state["step"]
    assert grad is not None
    if clip_update and clip < 1:
        grad, clip = grad * clip, 1.0
    delta.mul_(beta1)
    if p.numel() > 1:
        state["size_grads"][step % SIZE_PERIOD] = (p * grad).sum() * clip
        if step % SIZE_PERIOD == SIZE_PERIOD - 1:
            state["size"].copy_(_size(p))
            delta.add_(p * _size_step(state, lr, beta2), alpha=1 - beta1)
    square.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
    correction = 1 - beta2 ** (step + 1)
    if p.numel() == 1:
        # As in the public optimiser the limit holds before the step is added, not after.
        delta.add_(grad / ((square / correction).sqrt() + EPSILON), alpha=-lr * SCALAR_RATE * (1 - beta1))
        p.clamp_(-SCALAR_LIMIT, SCALAR_LIMIT)
    else:
        root = (square / correction if correction < 0.99 else square).sqrt().add_(EPSILON)
        delta.add_(grad / root * (-lr * (1 - beta1) * state["size"].clamp(min=SMALLEST)))
    p.add_(delta)


def _size(p: Tensor) -> Tensor:
    return p.square().mean().sqrt()


def _size_step(state: dict[str, Any], lr: float, beta2: float) -> Tensor:
    """Relative change of a tensor's size from its last gradients."""
    beta, grads, rate = beta2**SIZE_PERIOD, state["size_grads"], lr * SCALAR_RATE
    square = state["size_square"].mul_(beta).add_(grads.square().mean(), alpha=1 - beta)
    correction = 1 - beta ** ((state["step"] + 1) // SIZE_PERIOD)
    change = -rate * correction**0.5 * grads.sum() / (square.sqrt() + EPSILON)
    change = torch.where(state["size"] < SMALLEST, 0.0, change)
    return torch.where(state["size"] > LARGEST, -rate * SIZE_PERIOD, change)


def build_optimizer(model: nn.Module, config: OptimizerConfig, tuning: Tuning | None = None) -> torch.optim.Optimizer:
    """The optimiser a training config asks for; AdamW decays matrices only."""
    rate, named = learning_rate(config, 0), list(model.named_parameters())
    tuning = Tuning() if tuning is None else tuning
    if isinstance(config, ScaledAdamConfig):
        groups = parameter_groups(named, tuning)
        clipping = config.clipping_scale, config.clipping_update_period, config.clip_update
        return ScaledAdam(groups, rate, config.betas, *clipping)
    groups = parameter_groups(((n, p) for n, p in named if p.ndim > 1), tuning, weight_decay=config.weight_decay)
    groups += parameter_groups(((n, p) for n, p in named if p.ndim <= 1), tuning, weight_decay=0.0)
    return torch.optim.AdamW(groups, lr=rate, betas=config.betas)


def learning_rate(config: OptimizerConfig, step: int) -> float:
    """Rate of optimiser step `step`, counted from 0; a pure function, so that a resumed training needs no state."""
    if isinstance(config, AdamWConfig):
        if step < config.warmup_steps:
            return config.lr * (step + 1) / config.warmup_steps
        done = min(1.0, (step - config.warmup_steps) / max(1, config.decay_steps - config.warmup_steps))
        return config.final_lr + (config.lr - config.final_lr) * 0.5 * (1 + math.cos(math.pi * done))
    # The public schedule is constant, but its first optimiser step is taken before it is first asked.
    return config.first_lr if step == 0 else config.lr
