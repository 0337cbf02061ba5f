"""Stage 1 under a limit of memory, and with a poisoned batch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from ar import Text2SemanticConfig, Text2SemanticDecoder
from ar.config import AdamWConfig, AlignmentConfig, Text2SemanticTrainingConfig
from ar.loss import Batch
from ar.task import Text2SemanticTask
from gpt_sovits.core.errors import TrainingError

SIZES = {"width": 16, "heads": 2, "layers": 2, "feed_forward": 32, "phones": 30, "codes": 33, "eos": 32}
FORMS: dict[str, dict[str, Any]] = {
    "sum": {"reduction": "sum"},
    "mean": {"reduction": "mean"},
    "guided": {"reduction": "mean", "alignment": AlignmentConfig(layers=(0,))},
    "preference": {"reduction": "sum", "preference": True},
}


def a_task(**settings: Any) -> Text2SemanticTask:
    torch.manual_seed(0)
    still = {"position_dropout": 0.0, "layer_dropout": 0.0, "bert_width": 8}
    config = Text2SemanticTrainingConfig(**{"optimizer": AdamWConfig(warmup_steps=0), "accumulate": 2, **settings})
    return Text2SemanticTask(Text2SemanticDecoder(Text2SemanticConfig(**SIZES, **still)), config)


def a_batch(seed: int) -> Batch:
    source = torch.Generator().manual_seed(seed)
    phones, codes = torch.tensor([7, 5, 4]), torch.tensor([20, 15, 9])
    return Batch(
        torch.randint(0, 30, (3, 7), generator=source),
        phones,
        torch.randint(0, 32, (3, 20), generator=source),
        codes,
        torch.randn(3, 8, 7, generator=source),
        names=(f"a{seed}", f"b{seed}", f"c{seed}"),
    )


class Gradients(pl.Callback):
    def __init__(self) -> None:
        self.seen: list[dict[str, Tensor]] = []

    def on_before_optimizer_step(self, trainer: Any, module: Any, optimizer: Any) -> None:
        self.seen.append({n: p.grad.clone() for n, p in module.named_parameters() if p.grad is not None})


def run(task: Text2SemanticTask, batches: list[Batch]) -> list[dict[str, Tensor]]:
    keep = Gradients()
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = pl.Trainer(max_epochs=1, accelerator="cpu", callbacks=[keep], enable_model_summary=False, **quiet)
    trainer.fit(task, DataLoader(batches, batch_size=None))
    return keep.seen


def fail_late(task: Text2SemanticTask) -> None:
    """Run out of memory on more than one row, in the backward pass of the second batch, when gradients are there."""
    calls = []

    def fail(_: Tensor) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    def watch(_: Any, __: Any, output: Any) -> None:
        output = output[0] if isinstance(output, tuple) else output
        calls.append(len(output))
        if len(output) > 1 and len(calls) > 1:
            output.register_hook(fail)

    task.model.layers[0].register_forward_hook(watch)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("asked", [False, True])
def test_pieces_give_the_gradients_of_the_whole(form: str, asked: bool) -> None:
    batches = [a_batch(0), a_batch(1)]
    expected = run(a_task(**FORMS[form]), batches)
    task = a_task(**FORMS[form], pieces=4 if asked else 1)
    if not asked:
        fail_late(task)
    actual = run(task, batches)
    assert task.health.pieces >= 2 and len(actual) == len(expected) == 1
    assert actual[0].keys() == expected[0].keys()
    for name, theirs in expected[0].items():
        assert float((actual[0][name] - theirs).abs().max()) <= 1e-5 * max(1.0, float(theirs.abs().max())), name


def test_an_utterance_too_large_for_memory_is_named() -> None:
    task = a_task()

    def check(_: Any, inputs: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    task.model.layers[0].register_forward_pre_hook(check)
    with pytest.raises(TrainingError, match=r"single utterance \(a0, b0, c0\)"):
        run(task, [a_batch(0)])


def test_a_poisoned_batch_leaves_no_trace_but_its_names() -> None:
    """With it and without it, the others lead to the same weights."""
    good, bad = [a_batch(0), a_batch(1)], a_batch(2)
    assert bad.bert is not None
    bad = replace(bad, bert=torch.full_like(bad.bert, float("nan")))
    clean, poisoned = a_task(accumulate=1), a_task(accumulate=1)
    run(clean, good)
    run(poisoned, [good[0], bad, good[1]])
    assert poisoned.health.passed_over == 1 and set(poisoned.health.names) == {"a2", "b2", "c2"}
    assert poisoned.health.scale == 0.5
    for name, value in clean.model.state_dict().items():
        assert torch.allclose(poisoned.model.state_dict()[name], value, atol=1e-6), name


def test_nothing_but_poison_stops_the_training() -> None:
    bad = replace(a_batch(0), bert=torch.full((3, 8, 7), float("inf")))
    with pytest.raises(TrainingError, match=r"20 batches in a row .* a0, b0, c0: .* lower optimizer.lr"):
        run(a_task(), [bad] * 30)
