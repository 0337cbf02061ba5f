"""Stage 2 under a limit of memory, and with a poisoned batch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from pytorch_lightning import Callback, Trainer
from torch import Tensor
from torch.utils.data import DataLoader

from gpt_sovits.core.errors import TrainingError
from sovits.batch import Batch
from sovits.recipe import AlignmentConfig
from sovits.task import SynthesizerTask
from tests.sovits.test_task import a_batch, a_task


class Gradients(Callback):
    """Keeps what every step goes down."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Tensor]] = []

    def on_before_optimizer_step(self, trainer: Trainer, module: Any, optimizer: Any) -> None:
        self.seen.append({n: p.grad.clone() for n, p in module.named_parameters() if p.grad is not None})


def run(task: SynthesizerTask, batches: list[Batch]) -> list[dict[str, Tensor]]:
    keep = Gradients()
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = Trainer(max_epochs=1, accelerator="cpu", callbacks=[keep], enable_model_summary=False, **quiet)
    torch.manual_seed(3)
    trainer.fit(task, DataLoader(batches, batch_size=None))
    return keep.seen


def limit(module: torch.nn.Module, rows: int) -> None:
    """Let a module run out of memory on more than so many rows."""

    def check(_: Any, inputs: tuple[Tensor, ...]) -> None:
        if len(inputs[0]) > rows:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    module.register_forward_pre_hook(check)


@pytest.mark.parametrize("place", ["generator", "discriminator", "asked for"])
def test_pieces_give_the_gradients_of_the_whole(place: str) -> None:
    """The limit is met in the first pass of all, or only when the discriminators hear real and generated waves."""
    asked = place == "asked for"
    guide = AlignmentConfig(weight=0.5)
    whole, halved = a_task(alignment=guide), a_task(alignment=guide, pieces=2 if asked else 1)
    batch = a_batch(whole)
    expected = run(whole, [batch])
    if not asked:
        limit(halved.model if place == "generator" else halved.discriminator, 1 if place == "generator" else 2)
    actual = run(halved, [batch])
    assert halved.health.pieces == 2
    assert ["in 2 pieces" in note for note in halved.health.notes()] == ([] if asked else [True])
    assert len(actual) == len(expected) == 2
    prefixes = ("discriminator.", "model.")
    for prefix, ours, theirs in zip(prefixes, actual, expected, strict=True):
        # What all keys share, softmax ignores: those gradients are rounding noise.
        names = [name for name in theirs if name.startswith(prefix) and not name.endswith("key.bias")]
        assert names and set(names) <= ours.keys()
        for name in names:
            scale = max(float(theirs[name].abs().max()), 1e-3)
            assert float((ours[name] - theirs[name]).abs().max()) <= 1e-4 * scale, name


def test_an_utterance_too_large_for_memory_is_named() -> None:
    task = a_task()
    limit(task.model, 0)
    with pytest.raises(TrainingError, match=r"single utterance \(a, b\)"):
        run(task, [a_batch(task)])


def test_a_poisoned_batch_is_passed_over_and_the_rest_learned() -> None:
    task = a_task()
    good = a_batch(task)
    bad = replace(good, names=("x", "y"), wave=torch.full_like(good.wave, float("inf")))
    start = {name: value.clone() for name, value in task.model.state_dict().items()}
    steps = run(task, [bad, good, good])
    assert len(steps) == 4 and task.health.passed_over == 1
    assert set(task.health.names) == {"x", "y"}
    assert all(value.isfinite().all() for value in task.state_dict().values())
    assert any(not torch.equal(value, start[name]) for name, value in task.model.state_dict().items())
    other = a_task()
    worse = replace(bad, spec=torch.full_like(good.spec, float("nan")))
    run(other, [worse])
    assert all(torch.equal(value, start[name]) for name, value in other.model.state_dict().items())
    assert other.health.scale == 0.5
