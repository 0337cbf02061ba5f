"""Passing over, halving and the scale, without a network."""

from __future__ import annotations

import pytest
import torch

from gpt_sovits.core.errors import TrainingError
from gpt_sovits.core.health import Health, ran_out, slices

CPU = torch.device("cpu")


def test_only_faults_in_a_row_stop_a_training() -> None:
    health = Health("rest", most=3)
    for _ in range(5):
        health.pass_over("loss", ["a", "b"])
        health.pass_over("loss", ["b"])
        health.went_well()
    assert health.passed_over == 10 and health.notes()[0].endswith("they held b, a")
    health.pass_over("loss", ["c"])
    health.pass_over("gradient", ["c", "d"])
    with pytest.raises(TrainingError, match=r"3 batches in a row .* they hold c, d, e: listen .* or rest"):
        health.pass_over("loss", ["c", "e"])


def test_the_scale_falls_with_faults_and_grows_back() -> None:
    health, weight = Health("rest"), torch.ones(2, requires_grad=True)
    health.pass_over("loss", [])
    health.settle(CPU)
    assert health.scale == 0.5
    (weight.sum() * health.scale).backward()
    health.unscale([weight])
    assert weight.grad is not None and weight.grad.tolist() == [1, 1]
    for _ in range(2000):
        health.settle(CPU)
    assert health.scale == 1
    for _ in range(2000):
        health.settle(CPU)
    assert health.scale == 1


def test_a_scale_that_is_too_high_is_no_fault_of_the_batch() -> None:
    health = Health("rest", most=2, scale=2.0**16, ceiling=2.0**24)
    for _ in range(16):
        health.pass_over("gradient", ["a"])
        health.settle(CPU)
    assert health.scale == 1 and health.passed_over == 0 and health.notes() == []
    health.pass_over("gradient", ["a"])
    with pytest.raises(TrainingError):
        health.pass_over("gradient", ["a"])


def test_real_errors_of_memory_are_told_from_others() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60)
    assert ran_out(caught.value) and ran_out(torch.OutOfMemoryError("CUDA out of memory"))
    with pytest.raises(RuntimeError) as other:
        torch.ones(2) @ torch.ones(3)
    assert not ran_out(other.value)
    health = Health("rest")
    with pytest.raises(RuntimeError, match="inconsistent tensor size"):
        health.halve(other.value, 4, ["a"])
    assert health.pieces == 1
    health.halve(caught.value, 2, ["a", "b"])
    assert health.pieces == 2
    with pytest.raises(TrainingError, match=r"a single utterance \(a, b\): leave out long"):
        health.halve(caught.value, 2, ["a", "b"])


def test_what_was_learned_survives_a_checkpoint() -> None:
    health, fresh = Health("rest", most=2), Health("rest", most=2)
    health.pass_over("loss", ["a"])
    health.settle(CPU)
    health.pieces = 4
    fresh.load_state_dict(health.state_dict())
    assert fresh.state_dict() == health.state_dict() and fresh.notes() == health.notes()
    with pytest.raises(TrainingError):
        fresh.pass_over("loss", ["b"])


@pytest.mark.parametrize(("rows", "pieces", "sizes"), [(8, 2, [4, 4]), (5, 2, [3, 2]), (3, 8, [1, 1, 1]), (1, 1, [1])])
def test_pieces_cover_a_batch(rows: int, pieces: int, sizes: list[int]) -> None:
    cuts = slices(rows, pieces)
    assert [part.stop - part.start for part in cuts] == sizes
    assert [row for part in cuts for row in range(rows)[part]] == list(range(rows))
