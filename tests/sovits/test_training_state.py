"""A training begun in the public project goes on here: generator and discriminators, optimisers included."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gpt_sovits.core.errors import CheckpointError
from sovits.config import DiscriminatorConfig
from sovits.convert import discriminator_to_public, to_public
from sovits.model import Synthesizer
from sovits.recipe import SynthesizerTaskConfig
from sovits.task import SynthesizerTask
from sovits.training_state import (
    NetworkState,
    find_discriminator,
    read_discriminator_state,
    read_generator_state,
)
from tests import golden_data
from tests.golden_data import golden_json
from tests.sovits import public

JUDGE = DiscriminatorConfig(periods=(2, 3, 5, 7, 11), width=1 / 32)
TEXT = ("enc_p.text_embedding.", "enc_p.encoder_text.", "enc_p.mrte.")


def new_task(begun: tuple[NetworkState, ...] = (), tiny: bool = True) -> SynthesizerTask:
    """A training of a debug-size network, or of the one whose public tables are stored."""
    torch.manual_seed(0)
    model = Synthesizer(public.tiny_config()) if tiny else public.small_model("v2")
    task = SynthesizerTask(model, SynthesizerTaskConfig(discriminator=JUDGE), steps_per_epoch=3, begun=begun)
    for state, network in zip(begun, (task.model, task.discriminator), strict=False):
        state.load(network)
    return task


def descend(task: SynthesizerTask, optimizers: list[Optimizer], steps: range) -> None:
    """Steps on gradients that depend on the weights and on the step, as any loss's would."""
    for step in steps:
        for network, optimizer in zip((task.model, task.discriminator), optimizers, strict=True):
            source = torch.Generator().manual_seed(step)
            for name, p in network.named_parameters():
                if p.requires_grad and "relu" not in name:
                    p.grad = torch.randn(p.shape, generator=source) * 0.01 + p.detach() * 0.1
            optimizer.step()


def public_order(names: list[str], frozen: bool = False) -> list[list[str]]:
    """Names by group, as the public generator's optimiser has them."""
    rest = [n for n in names if not n.startswith(TEXT) and not (frozen and n.startswith("ssl_proj."))]
    return [rest, *([n for n in names if n.startswith(part)] for part in TEXT)]


def public_state(network: nn.Module, optimizer: Optimizer, groups: list[list[str]], rename: Any) -> dict[str, Any]:
    """`optimizer.state_dict()` of the public training, from ours."""
    named = {rename({name: p.detach()}).popitem()[0]: p for name, p in network.named_parameters()}
    state: dict[int, dict[str, Any]] = {}
    numbers, number = [], 0
    for group in groups:
        numbers.append(list(range(number, number + len(group))))
        for name in group:
            if named[name] in optimizer.state:
                state[number] = {key: value.clone() for key, value in optimizer.state[named[name]].items()}
            number += 1
    common = {"lr": 9.9e-5, "betas": (0.8, 0.99), "eps": 1e-9, "weight_decay": 0.01, "initial_lr": 1e-4}
    return {"state": state, "param_groups": [{**common, "params": part} for part in numbers]}


def write(
    folder: Path, task: SynthesizerTask, optimizers: list[Optimizer], frozen: bool = False, **options: Any
) -> None:
    """The pair of files a public training leaves; where there is a table of the network, it gives the order."""
    weights, judges = to_public(task.model.state_dict()), discriminator_to_public(task.discriminator.state_dict())
    table = golden_json("keys/s2G_v2_small")
    stored = set(table["keys"]) == set(weights)
    order = list(table["keys"]) if stored else list(weights)
    names = table["parameter_order"] if stored else [name for name in weights if not name.startswith("quantizer.")]
    judge_order = list(golden_json("keys/s2D_v2")["keys"])
    parts = (
        ("G_96.pth", weights, order, task.model, public_order(names, frozen), to_public),
        ("D_96.pth", judges, judge_order, task.discriminator, [judge_order], discriminator_to_public),
    )
    for (name, state, keys, network, groups, rename), optimizer in zip(parts, optimizers, strict=True):
        value = {
            "model": {key: state[key].clone() for key in keys},
            "iteration": 4,
            "optimizer": public_state(network, optimizer, groups, rename),
            "learning_rate": 9.9e-5,
        }
        torch.save(value, folder / name, **options)


@pytest.mark.parametrize(
    ("tiny", "frozen", "legacy"), [(False, False, False), (True, True, False), (True, False, True)]
)
def test_the_next_steps_are_the_same(tmp_path: Path, tiny: bool, frozen: bool, legacy: bool) -> None:
    task = new_task(tiny=tiny)
    optimizers = task.configure_optimizers()
    descend(task, optimizers, range(2))
    write(tmp_path, task, optimizers, frozen, _use_new_zipfile_serialization=not legacy)
    descend(task, optimizers, range(2, 3))
    states = read_generator_state(tmp_path / "G_96.pth"), read_discriminator_state(tmp_path / "D_96.pth")
    assert [state.epochs for state in states] == [4, 4]
    other = new_task(states, tiny)
    assert other.steps == 12, "four epochs of three steps"
    descend(other, other.configure_optimizers(), range(2, 3))
    for network, expected in ((other.model, task.model), (other.discriminator, task.discriminator)):
        for (name, found), wanted in zip(network.state_dict().items(), expected.state_dict().values(), strict=True):
            assert torch.equal(found, wanted), name


def test_every_trained_parameter_gets_its_own_state(tmp_path: Path) -> None:
    task = new_task()
    optimizers = task.configure_optimizers()
    descend(task, optimizers, range(1))
    for optimizer in optimizers:
        for number, entry in enumerate(optimizer.state.values()):
            entry["exp_avg"].fill_(number + 1)
    write(tmp_path, task, optimizers)
    other = new_task((read_generator_state(tmp_path / "G_96.pth"),))
    restored = other.configure_optimizers()[0]
    ours = dict(other.model.named_parameters())
    for name, parameter in task.model.named_parameters():
        if parameter in optimizers[0].state:
            wanted = optimizers[0].state[parameter]["exp_avg"]
            assert torch.equal(restored.state[ours[name]]["exp_avg"], wanted), name
    frozen = [name for name, p in ours.items() if not p.requires_grad]
    assert frozen and not any(ours[name] in restored.state for name in frozen)


def test_without_the_optimizer_the_next_step_is_another(tmp_path: Path) -> None:
    task = new_task()
    optimizers = task.configure_optimizers()
    descend(task, optimizers, range(3))
    torch.save({"weight": to_public(task.model.state_dict()), "config": {}, "info": "pretrained"}, tmp_path / "s2G.pth")
    descend(task, optimizers, range(3, 4))
    state = read_generator_state(tmp_path / "s2G.pth")
    assert state.moments == {} and state.epochs == 0
    other = new_task((state,))
    assert other.steps == 0
    descend(other, other.configure_optimizers(), range(3, 4))
    assert not all(torch.equal(a, b) for a, b in zip(other.model.parameters(), task.model.parameters(), strict=True))


def test_a_fresh_pair_starts_a_new_training(tmp_path: Path) -> None:
    """Pretrained files: half precision, `weight`, no optimiser; the discriminators are found by their name."""
    generator = {name: tensor.half() for name, tensor in to_public(new_task().model.state_dict()).items()}
    judge = discriminator_to_public(new_task().discriminator.state_dict())
    torch.save({"weight": generator, "config": {}, "info": ""}, tmp_path / "s2Gv2.pth")
    torch.save({"weight": {name: tensor.half() for name, tensor in judge.items()}}, tmp_path / "s2Dv2.pth")
    found = find_discriminator(tmp_path / "s2Gv2.pth")
    assert found == tmp_path / "s2Dv2.pth" and find_discriminator(found) is None
    states = read_generator_state(tmp_path / "s2Gv2.pth"), read_discriminator_state(found)
    task = new_task(states)
    assert all(not optimizer.state for optimizer in task.configure_optimizers()) and task.steps == 0
    name = "generator.entry.bias"
    assert torch.equal(dict(task.model.named_parameters())[name], generator["dec.conv_pre.bias"].float())


@pytest.mark.parametrize(
    ("name", "other"), [("G_233333333333.pth", "D_233333333333.pth"), ("s2G488k.pth", "s2D488k.pth")]
)
def test_pairs_by_name(tmp_path: Path, name: str, other: str) -> None:
    assert find_discriminator(tmp_path / name) is None
    (tmp_path / other).touch()
    assert find_discriminator(tmp_path / name) == tmp_path / other
    assert find_discriminator(tmp_path / "x.pth") is None


def broken(value: dict[str, Any], change: str) -> None:
    optimizer = value["optimizer"]
    if change == "fewer":
        optimizer["param_groups"][0]["params"].pop(3)
    elif change == "gone":
        optimizer["param_groups"].pop()
    elif change == "smaller":
        last = optimizer["param_groups"][-1]["params"].pop()
        optimizer["state"].pop(last)
    elif change == "shape":
        optimizer["state"][5]["exp_avg"] = torch.ones(7)
    elif change == "other":
        optimizer["state"][5] = {"momentum": torch.ones(1)}
    elif change == "nan":
        optimizer["state"][5]["exp_avg_sq"].view(-1)[0] = math.inf
    elif change == "epoch":
        value["iteration"] = 1.5
    elif change == "flow":
        value["model"]["cfm.estimator.x.weight"] = torch.ones(1)
    else:
        value["optimizer"] = [1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("fewer", "no usable optimizer state"),
        ("gone", "no usable optimizer state"),
        ("smaller", "parameters and a network of"),
        ("shape", "does not fit"),
        ("other", "does not fit"),
        ("nan", "NaN or infinity in its optimizer's exp_avg_sq"),
        ("epoch", "says iteration is 1.5"),
        ("flow", "training of v3 or v4"),
        ("list", "no usable optimizer state"),
    ],
)
def test_states_that_do_not_fit(tmp_path: Path, change: str, words: str) -> None:
    task = new_task()
    optimizers = task.configure_optimizers()
    descend(task, optimizers, range(1))
    write(tmp_path, task, optimizers)
    value = torch.load(tmp_path / "G_96.pth", weights_only=True)
    broken(value, change)
    torch.save(value, tmp_path / "G_97.pth")
    with pytest.raises(CheckpointError, match=words):
        read_generator_state(tmp_path / "G_97.pth")


def test_weights_of_another_network(tmp_path: Path) -> None:
    state: dict[str, Tensor] = golden_data.weights("s2G_v1_small")
    torch.save({"weight": state}, tmp_path / "s2G.pth")
    with pytest.raises(CheckpointError, match="does not fit Synthesizer"):
        new_task((read_generator_state(tmp_path / "s2G.pth"),))
