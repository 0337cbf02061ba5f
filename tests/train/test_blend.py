"""Finished weights part of the way between those before and after a training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gpt_sovits.core.bundle import Bundle, find_model
from gpt_sovits.core.lora import load_adapter
from tests.train.test_train import equal, run, weights


@pytest.mark.parametrize("stage", ["s1", "s2"])
def test_a_blend_lies_between_both_and_changes_no_checkpoint(
    stage: str, experiment: Path, model: Bundle, tmp_path: Path
) -> None:
    rate = {"s1": ["accumulate=1", "optimizer.lr=0.005"], "s2": ["task.rate=0.002", "task.average=0.5"]}[stage]
    whole, part = tmp_path / "whole", tmp_path / "part"
    run(stage, experiment, model.folder, whole, *rate, max_steps=3)
    run(stage, experiment, model.folder, part, *rate, "blend=0.25", max_steps=2)
    run(stage, experiment, model.folder, part, *rate, "blend=0.25", max_steps=3)
    before, after, found = (weights(stage, folder) for folder in (model.folder, whole, part))
    moved = 0.0
    for name, value in after.items():
        if value.is_floating_point():
            moved = max(moved, float((value - before[name]).abs().max()))
            torch.testing.assert_close(found[name], torch.lerp(before[name], value, 0.25), rtol=1e-5, atol=1e-7)
    assert moved > 1e-3


def test_an_adapter_counts_its_share(experiment: Path, model: Bundle, tmp_path: Path) -> None:
    more = ("lora={rank: 2}", "optimizer={kind: adamw, lr: 0.01, warmup_steps: 0}", "accumulate=1")
    found = []
    for share in (1.0, 0.5):
        out = tmp_path / str(share)
        run("s1", experiment, model.folder, out, *more, f"blend={share}", max_steps=2)
        found.append(load_adapter(find_model(out).part("s1_adapter"), "s1"))  # type: ignore[arg-type]
    whole, half = found
    assert equal(whole.down, half.down) and any(float(value.abs().max()) > 0 for value in whole.up.values())
    for name, value in whole.up.items():
        torch.testing.assert_close(half.up[name], value / 2, rtol=2e-3, atol=1e-6)
