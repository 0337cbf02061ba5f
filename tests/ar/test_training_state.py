"""A training begun in the public project goes on here: the next step is the one it would have taken."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ar import Batch, Text2SemanticDecoder
from ar.config import AdamWConfig, ScaledAdamConfig, Text2SemanticTrainingConfig
from ar.convert import to_public
from ar.loss import training_loss
from ar.optim import ScaledAdam, build_optimizer, learning_rate
from ar.task import Text2SemanticTask
from ar.training_state import read_training_state
from gpt_sovits.core.errors import CheckpointError
from tests import golden_data
from tests.ar.conftest import small_model

PERIOD = 5
CONFIG = ScaledAdamConfig(clipping_update_period=PERIOD)


def train(model: Text2SemanticDecoder, optimizer: ScaledAdam, batch: Batch, steps: range) -> None:
    for step in steps:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(CONFIG, step)
        optimizer.zero_grad()
        (training_loss(model, batch).loss * (1 + step % 3)).backward()
        optimizer.step()


def begun(batch: Batch, steps: int) -> tuple[Text2SemanticDecoder, ScaledAdam]:
    model = small_model()
    optimizer = build_optimizer(model, CONFIG)
    assert isinstance(optimizer, ScaledAdam)
    train(model, optimizer, batch, range(steps))
    return model, optimizer


def public_optimizer(model: Text2SemanticDecoder, optimizer: ScaledAdam) -> dict[str, Any]:
    """What the public optimiser would hold: tensors of equal shape joined, filed under the first of them."""
    order = golden_data.golden_json("keys/s1_small")["parameter_order"]
    ours = dict(model.named_parameters())
    named = {to_public({name: p}).popitem()[0]: p for name, p in ours.items()}
    assert set(named) == set(order)
    stacks: dict[tuple[str, ...], list[int]] = {}
    for number, name in enumerate(order):
        shape = tuple(named[name].shape)
        stacks.setdefault((str(named[name].dtype), *map(str, shape)), []).append(number)
    state: dict[int, dict[str, Any]] = {}
    for members in stacks.values():
        rows = [optimizer.state[named[order[number]]] for number in members]
        axes = [1] * named[order[members[0]]].ndim
        entry: dict[str, Any] = {
            "step": rows[0]["step"],
            "delta": torch.stack([row["delta"] for row in rows]),
            "exp_avg_sq": torch.stack([row["square"] for row in rows]),
        }
        if "size" in rows[0]:
            entry["param_rms"] = torch.stack([row["size"] for row in rows]).reshape(-1, *axes)
            entry["scale_exp_avg_sq"] = torch.stack([row["size_square"] for row in rows]).reshape(-1, *axes)
            entry["scale_grads"] = torch.stack([row["size_grads"] for row in rows], 1).reshape(4, -1, *axes)
        state[members[0]] = entry
    history = [entry for entry in optimizer.state.values() if "norms" in entry]
    first = stacks[sorted(stacks)[0]][0]  # stacks are gone through by their names in the alphabet
    for entry in history:
        state[first].update(model_norms=entry["norms"].clone(), num_clipped=0)
        if "threshold" in entry:
            state[first]["model_norm_threshold"] = entry["threshold"]
    group = {"lr": 0.002, "betas": (0.9, 0.95), "clipping_scale": 2.0, "params": list(range(len(order)))}
    return {"state": state, "param_groups": [group]}


def lightning(model: Text2SemanticDecoder, optimizer: ScaledAdam, steps: int) -> dict[str, Any]:
    weights = to_public({name: tensor.clone() for name, tensor in model.state_dict().items()})
    order = golden_data.golden_json("keys/s1_small")["parameter_order"]
    return {
        "epoch": 3,
        "global_step": steps,
        "pytorch-lightning_version": "2.4.0",
        "state_dict": {name: weights[name] for name in order},
        "loops": {"fit_loop": {"state_dict": {}, "epoch_loop.batch_progress": {"total": {"ready": 9}}}},
        "callbacks": {"ModelCheckpoint{'monitor': 'top_3_acc'}": {"best_model_score": torch.tensor(0.5)}},
        "optimizer_states": [public_optimizer(model, optimizer)],
        "lr_schedulers": [{"lr": 0.002, "_step": steps}],
        "hparams_name": "kwargs",
        "hyper_parameters": {"config": {"train": {"seed": 1234}}},
    }


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("steps", [1, 4, 7, 11])
def test_the_next_steps_are_the_same(tmp_path: Path, batch: Batch, steps: int, legacy: bool) -> None:
    model, optimizer = begun(batch, steps)
    path = tmp_path / "epoch=3-step=9.ckpt"
    torch.save(lightning(model, optimizer, steps), path, _use_new_zipfile_serialization=not legacy)
    train(model, optimizer, batch, range(steps, steps + 3))
    state = read_training_state(path)
    assert (state.steps, state.epochs) == (steps, 3)
    fresh = small_model()
    state.load(fresh)
    other = build_optimizer(fresh, CONFIG)
    assert isinstance(other, ScaledAdam)
    state.restore(fresh, other)
    train(fresh, other, batch, range(steps, steps + 3))
    for (name, ours), theirs in zip(fresh.state_dict().items(), model.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs), name


def test_without_its_optimizer_the_next_step_is_another(tmp_path: Path, batch: Batch) -> None:
    model, optimizer = begun(batch, 7)
    value = lightning(model, optimizer, 7)
    del value["optimizer_states"]
    torch.save(value, tmp_path / "x.ckpt")
    train(model, optimizer, batch, range(7, 8))
    state, fresh = read_training_state(tmp_path / "x.ckpt"), small_model()
    assert state.moments == {} and state.steps == 0
    state.load(fresh)
    other = build_optimizer(fresh, CONFIG)
    assert isinstance(other, ScaledAdam)
    train(fresh, other, batch, range(7, 8))
    assert not all(torch.equal(a, b) for a, b in zip(fresh.parameters(), model.parameters(), strict=True))


def test_joined_tensors_as_the_golden_optimizer_saw_them(tmp_path: Path) -> None:
    """A state written by hand after the formats: two weights of one shape, a vector, a scalar."""
    parameters = {"a": torch.rand(2, 3), "b": torch.rand(3), "c": torch.rand(2, 3), "d": torch.rand(1)}
    from ar.training_state import _unstack
    from gpt_sovits.core.foreign.training import OptimizerState

    entry: dict[str, Any] = {"step": 6, "delta": torch.rand(2, 2, 3), "exp_avg_sq": torch.rand(2, 2, 3)}
    entry.update(
        param_rms=torch.rand(2, 1, 1), scale_exp_avg_sq=torch.rand(2, 1, 1), scale_grads=torch.rand(4, 2, 1, 1)
    )
    scalar = {"step": 6, "delta": torch.rand(1, 1), "exp_avg_sq": torch.rand(1, 1), "model_norms": torch.rand(5)}
    found = _unstack(OptimizerState({0: entry, 3: scalar}, ((0, 1, 2, 3),)), list(parameters.items()), "x")
    assert set(found) == {"a", "c", "d"}
    assert torch.equal(found["c"]["delta"], entry["delta"][1]) and found["c"]["size"] == entry["param_rms"][1, 0, 0]
    assert torch.equal(found["c"]["size_grads"], entry["scale_grads"][:, 1, 0, 0])
    assert torch.equal(found["d"]["norms"], scalar["model_norms"]) and "norms" not in found["a"]
    assert set(found["d"]) == {"step", "delta", "square", "norms"}


def test_a_task_goes_on_at_the_later_rate(tmp_path: Path, batch: Batch) -> None:
    model, optimizer = begun(batch, 4)
    torch.save(lightning(model, optimizer, 4), tmp_path / "x.ckpt")
    state, fresh = read_training_state(tmp_path / "x.ckpt"), small_model()
    state.load(fresh)
    task = Text2SemanticTask(fresh, Text2SemanticTrainingConfig(optimizer=CONFIG), state)
    restored = task.configure_optimizers()
    assert task.earlier_steps == 4
    assert {restored.state[p]["step"] for p in fresh.parameters()} == {4}
    kept: dict[str, Any] = {}
    task.on_save_checkpoint(kept)
    other = Text2SemanticTask(small_model(), Text2SemanticTrainingConfig(optimizer=CONFIG))
    other.on_load_checkpoint(kept)
    assert other.earlier_steps == 4
    with pytest.raises(CheckpointError, match="the recipe asks for AdamW"):
        state.restore(fresh, build_optimizer(fresh, AdamWConfig()))
    with pytest.raises(CheckpointError, match=r"remembers 5 gradients, but the recipe asks for 1000: set .*period=5"):
        state.restore(fresh, build_optimizer(fresh, ScaledAdamConfig()))


def test_release_files_start_a_new_training(tmp_path: Path) -> None:
    weights = {name: tensor.half() for name, tensor in golden_data.weights("s1_small").items()}
    torch.save({"weight": weights, "config": {}, "info": "GPT-e15"}, tmp_path / "x.ckpt")
    state, model = read_training_state(tmp_path / "x.ckpt"), small_model()
    state.load(model)
    assert state.moments == {} and (state.steps, state.epochs) == (0, 0)
    expected = dict(small_model().named_parameters())
    assert all(torch.equal(p, expected[name].half().float()) for name, p in model.named_parameters())


def broken(value: dict[str, Any], change: str) -> None:
    states = value["optimizer_states"]
    entry = states[0]["state"][0]
    if change == "two optimizers":
        states.append(states[0])
    elif change == "AdamW":
        states[0]["state"] = {0: {"step": 1, "exp_avg": torch.ones(2), "exp_avg_sq": torch.ones(2)}}
    elif change == "fewer parameters":
        states[0]["param_groups"][0]["params"].pop()
    elif change == "shape":
        entry["delta"] = entry["delta"][..., :-1]
    elif change == "not finite":
        entry["exp_avg_sq"].view(-1)[0] = math.nan
    elif change == "no state":
        states[0] = {"state": 3}
    elif change == "numbers":
        states[0]["param_groups"][0]["params"][0] = 99
    elif change == "epoch":
        value["epoch"] = -1
    else:
        value["state_dict"]["model.other.weight"] = torch.ones(2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("two optimizers", "holds 2 optimizers"),
        ("AdamW", "another optimizer's state than the public ScaledAdam's"),
        ("fewer parameters", "an optimizer of 42 parameters and a model of 43"),
        ("shape", "another optimizer's state"),
        ("not finite", "NaN or infinity in its optimizer's exp_avg_sq"),
        ("no state", "no usable optimizer state"),
        ("numbers", "no usable optimizer state"),
        ("epoch", "says epoch is -1"),
        ("name", "is not a parameter of a text-to-semantic model"),
    ],
)
def test_states_that_do_not_fit(tmp_path: Path, batch: Batch, change: str, words: str) -> None:
    value = lightning(*begun(batch, 1), 1)
    broken(value, change)
    torch.save(value, tmp_path / "x.ckpt")
    with pytest.raises(CheckpointError, match=words):
        read_training_state(tmp_path / "x.ckpt")


def test_a_model_of_another_shape(tmp_path: Path, batch: Batch) -> None:
    torch.save(lightning(*begun(batch, 1), 1), tmp_path / "x.ckpt")

    class Other(nn.Module):
        weight: Tensor

    with pytest.raises(CheckpointError, match="does not fit Other"):
        read_training_state(tmp_path / "x.ckpt").load(Other())  # type: ignore[arg-type]
