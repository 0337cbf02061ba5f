"""Trainings that begin from files of the public project."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ar.config import ScaledAdamConfig, Text2SemanticTrainingConfig
from ar.convert import load_text2semantic
from ar.convert import to_public as text2semantic_to_public
from ar.optim import ScaledAdam
from gpt_sovits.core.bundle import Bundle, find_model
from gpt_sovits.core.checkpoint import load_checkpoint
from gpt_sovits.core.config import load_config
from gpt_sovits.core.errors import CheckpointError
from gpt_sovits.train.public import begin_s1, begin_s2
from gpt_sovits.train.s1 import train_s1
from gpt_sovits.train.s2 import train_s2
from sovits.checkpoint import load_sovits, save_sovits
from sovits.convert import discriminator_to_public, to_public
from sovits.discriminator import Discriminator
from sovits.model import Synthesizer
from sovits.recipe import SynthesizerTrainingConfig
from tests.sovits.public import tiny_config

QUIET = ["run.progress=false", "run.log_every=1"]


def shifted(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights that no model here has."""
    return {name: t + 0.01 if t.is_floating_point() else t for name, t in state.items()}


@pytest.fixture
def model(model: Bundle, tmp_path: Path) -> Bundle:
    """The debug model with a second stage whose parts public networks have too."""
    folder = tmp_path / "model"
    shutil.copytree(model.folder, folder)
    torch.manual_seed(0)
    save_sovits(folder / "s2.safetensors", Synthesizer(tiny_config()))
    return find_model(folder)


@pytest.fixture
def pair(tmp_path: Path, model: Bundle) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """G and D files after two epochs, without moments; the weights they hold, under our names."""
    recipe = load_config(SynthesizerTrainingConfig, "debug/train_s2")
    generator = shifted(load_sovits(model.need("s2")).state_dict())
    judges = shifted(Discriminator(recipe.task.discriminator).state_dict())
    for name, state in (("G", to_public(generator)), ("D", discriminator_to_public(judges))):
        torch.save(
            {"model": state, "iteration": 2, "optimizer": None, "learning_rate": 1e-4}, tmp_path / f"{name}_8.pth"
        )
    return generator, judges


def test_the_second_stage_goes_on(
    experiment: Path, model: Bundle, tmp_path: Path, pair: tuple[dict[str, Tensor], dict[str, Tensor]]
) -> None:
    options: dict[str, Any] = {"device": "cpu", "max_steps": 1, "begin": [tmp_path / "G_8.pth"]}
    still = [*QUIET, "task.rate=1e-12"]
    done = train_s2(experiment, model.folder, tmp_path / "out", "debug/train_s2", still, **options)
    found = load_sovits(done.weights).state_dict()
    for name, tensor in pair[0].items():
        torch.testing.assert_close(found[name], tensor, msg=name)
    judges = load_checkpoint(tmp_path / "out" / "s2_discriminator.safetensors", "s2d").tensors
    for name, tensor in pair[1].items():
        torch.testing.assert_close(judges[name], tensor, msg=name)
    steps = load_checkpoint(done.weights, "s2").info["steps"]
    assert steps > 2 and steps % 2 == 1, "two epochs there, one step here"


def test_the_first_stage_goes_on_with_its_optimizer(experiment: Path, model: Bundle, tmp_path: Path) -> None:
    network = load_text2semantic(model.need("s1"))
    order = list(text2semantic_to_public(network.state_dict()))
    stacks: dict[tuple[int, ...], list[int]] = {}
    for number, parameter in enumerate(network.parameters()):
        stacks.setdefault(tuple(parameter.shape), []).append(number)
    state: dict[int, dict[str, Any]] = {}
    for shape, members in stacks.items():
        count, ones = len(members), [1] * len(shape)
        entry: dict[str, Any] = {
            "step": 9,
            "delta": torch.zeros(count, *shape),
            "exp_avg_sq": torch.full((count, *shape), 1e-4),
            "param_rms": torch.ones(count, *ones),
            "scale_exp_avg_sq": torch.zeros(count, *ones),
            "scale_grads": torch.zeros(4, count, *ones),
        }
        state[members[0]] = entry
    state[0]["model_norms"] = torch.ones(1000)
    value = {
        "epoch": 1,
        "global_step": 9,
        "state_dict": shifted(text2semantic_to_public(network.state_dict())),
        "optimizer_states": [{"state": state, "param_groups": [{"params": list(range(len(order)))}]}],
    }
    path = tmp_path / "epoch=1-step=9.ckpt"
    torch.save(value, path)
    recipe = load_config(Text2SemanticTrainingConfig, "debug/train_s1").model_copy(
        update={"optimizer": ScaledAdamConfig()}
    )
    steps = []
    plain = ScaledAdam.step

    def watched(optimizer: ScaledAdam, closure: Any = None) -> Any:
        rates = {group["lr"] for group in optimizer.param_groups}
        steps.append((rates, {entry["step"] for entry in optimizer.state.values()}))
        return plain(optimizer, closure)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScaledAdam, "step", watched)
        done = train_s1(
            experiment, model.folder, tmp_path / "out", recipe, QUIET, device="cpu", max_steps=2, begin=[path]
        )
        assert steps == [({0.002}, {9}), ({0.002}, {10})], "no first step at the rate of a new training"
        train_s1(experiment, model.folder, tmp_path / "out", recipe, QUIET, device="cpu", max_steps=3, begin=[path])
    assert steps[2] == ({0.002}, {11}), "its own checkpoint is later than the public one"
    assert done.steps == 2


def test_what_cannot_be_gone_on_from(
    model: Bundle, tmp_path: Path, pair: tuple[dict[str, Tensor], dict[str, Tensor]], caplog: pytest.LogCaptureFixture
) -> None:
    recipe = load_config(SynthesizerTrainingConfig, "debug/train_s2")
    network, judges = load_sovits(model.need("s2")), Discriminator(recipe.task.discriminator)
    generator = tmp_path / "G_8.pth"
    assert begin_s2([], network, judges) == () and begin_s1([], load_text2semantic(model.need("s1"))) is None
    with pytest.raises(CheckpointError, match="3 were given"):
        begin_s2([generator] * 3, network, judges)
    with pytest.raises(CheckpointError, match="2 were given"):
        begin_s1([generator] * 2, load_text2semantic(model.need("s1")))
    with pytest.raises(CheckpointError, match="is not a parameter of a text-to-semantic model"):
        begin_s1([generator], load_text2semantic(model.need("s1")))
    with pytest.raises(CheckpointError, match="which no stage 2 network"):
        begin_s2([tmp_path / "D_8.pth"], network, judges)
    spoken = {name: t for name, t in to_public(pair[0]).items() if not name.startswith("enc_q.")}
    torch.save({"weight": spoken, "config": {}}, tmp_path / "voice_e8_s96.pth")
    with pytest.raises(CheckpointError, match="exported for speaking only"):
        begin_s2([tmp_path / "voice_e8_s96.pth"], network, judges)
    (tmp_path / "D_8.pth").unlink()
    with caplog.at_level(logging.WARNING):
        assert len(begin_s2([generator], network, judges)) == 1
    assert "no discriminators lie beside" in caplog.text
