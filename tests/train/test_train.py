"""Debug-size trainings of both stages, from a prepared folder to a voice model."""

from __future__ import annotations

import csv
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from pytorch_lightning import Trainer
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor

from ar.convert import load_text2semantic
from gpt_sovits.core.bundle import Bundle, find_model
from gpt_sovits.core.errors import CheckpointError, ConfigError, DatasetError
from gpt_sovits.train.callbacks import Progress
from gpt_sovits.train.run import Trained
from gpt_sovits.train.s1 import train_s1
from gpt_sovits.train.s2 import train_s2
from sovits.batch import Batch
from sovits.checkpoint import load_sovits, save_sovits
from sovits.task import SynthesizerTask

QUIET = ["run.progress=false", "run.log_every=1", "run.validate_every=4"]
Train = Callable[..., Trained]
STAGES: dict[str, tuple[Train, str]] = {"s1": (train_s1, "debug/train_s1"), "s2": (train_s2, "debug/train_s2")}


def weights(stage: str, out: Path) -> dict[str, Tensor]:
    file = out / f"{stage}.safetensors"
    return (load_text2semantic(file) if stage == "s1" else load_sovits(file)).state_dict()


def run(stage: str, experiment: Path, model: Path, out: Path, *overrides: str, **limits: int) -> Trained:
    train, recipe = STAGES[stage]
    return train(experiment, model, out, recipe, [*QUIET, *overrides], device="cpu", **limits)


def equal(a: dict[str, Any], b: dict[str, Any]) -> bool:
    pairs = [(torch.as_tensor(a[name]), torch.as_tensor(b.get(name))) for name in a if name in b]
    return a.keys() == b.keys() and all(torch.equal(ours, theirs) for ours, theirs in pairs)


@pytest.mark.parametrize(
    ("stage", "recipe", "parts"),
    [
        ("s2", (), ("data.workers=2", "data.cache_mib=0")),
        ("s1", (), ("data.workers=2",)),
        ("s1", ("preference=true",), ()),
    ],
)
def test_a_training_stopped_at_random_steps_goes_on_to_the_same_weights(
    stage: str, recipe: tuple[str, ...], parts: tuple[str, ...], experiment: Path, model: Bundle, tmp_path: Path
) -> None:
    """Seven steps (two epochs and more) at once, and in three runs; how data are read makes no difference."""
    whole = run(stage, experiment, model.folder, tmp_path / "whole", *recipe, max_steps=7)
    assert whole.steps == 7 and not whole.interrupted
    stops = sorted(random.Random(f"{stage} {recipe}").sample(range(1, 7), 2))
    for stop in [*stops, 7]:
        assert run(stage, experiment, model.folder, tmp_path / "parts", *recipe, *parts, max_steps=stop).steps == stop
        same = equal(weights(stage, tmp_path / "parts"), weights(stage, tmp_path / "whole"))
        assert same == (stop == 7)
    last = [
        torch.load(tmp_path / p / "checkpoints" / stage / "last.ckpt", weights_only=True) for p in ("whole", "parts")
    ]
    for ours, theirs in zip(last[0]["optimizer_states"], last[1]["optimizer_states"], strict=True):
        assert all(equal(ours["state"][key], theirs["state"][key]) for key in theirs["state"])


@pytest.mark.parametrize("stage", ["s1", "s2"])
def test_checkpoints_by_time_and_by_step(
    stage: str, experiment: Path, model: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[int] = []
    plain = Progress._save

    def counted(progress: Progress, trainer: Trainer) -> None:
        plain(progress, trainer)
        saved.append(progress.steps)

    monkeypatch.setattr(Progress, "_save", counted)
    run(stage, experiment, model.folder, tmp_path / "a", "run.keep_every=2", "run.checkpoint_every=3", max_steps=5)
    assert saved == [2, 4, 5]
    folder = tmp_path / "a" / "checkpoints" / stage
    assert {path.name for path in folder.iterdir()} == {"last.ckpt", "step-2.ckpt", "step-4.ckpt"}
    kept = torch.load(folder / "step-2.ckpt", weights_only=True)
    assert kept["callbacks"]["Progress"]["steps"] == 2
    saved.clear()
    run(stage, experiment, model.folder, tmp_path / "b", "run.checkpoint_minutes=1e-9", max_steps=3)
    assert saved == [1, 2, 3]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_the_next_run_goes_on(
    number: signal.Signals, experiment: Path, model: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run("s2", experiment, model.folder, tmp_path / "whole", max_steps=3)
    plain = SynthesizerTask.training_step

    def pressed(task: SynthesizerTask, batch: Batch, index: int) -> None:
        plain(task, batch, index)
        if task.steps == 2:
            signal.raise_signal(number)

    with monkeypatch.context() as patch:
        patch.setattr(SynthesizerTask, "training_step", pressed)
        stopped = run("s2", experiment, model.folder, tmp_path / "parts", max_steps=3)
    assert stopped.interrupted and stopped.steps == 2 and "go on" in str(stopped)
    assert run("s2", experiment, model.folder, tmp_path / "parts", max_steps=3).steps == whole.steps == 3
    assert equal(weights("s2", tmp_path / "parts"), weights("s2", tmp_path / "whole"))


def test_both_stages_meet_in_one_model(experiment: Path, model: Bundle, tmp_path: Path) -> None:
    out = tmp_path / "voice"
    run("s2", experiment, model.folder, out, max_steps=1)
    trained = weights("s2", out)
    run("s1", experiment, model.folder, out, max_steps=1)
    voice = find_model(out)
    assert voice.manifest.name == "voice" and voice.manifest.languages == model.manifest.languages
    assert all(voice.need(part).parent == out for part in ("hubert", "s1", "s2"))
    assert equal(weights("s2", out), trained)
    assert not equal(weights("s1", out), weights("s1", model.folder))
    metrics = next((out / "logs" / "s2").rglob("metrics.csv"))
    with metrics.open() as file:
        assert {"train/mel", "train/kl", "train/discriminator"} <= set(next(csv.reader(file)))
    assert list((out / "logs" / "s2").rglob("events.out.tfevents*"))


def test_the_quantizer_stays_as_it_is(experiment: Path, model: Bundle, tmp_path: Path) -> None:
    run("s2", experiment, model.folder, tmp_path, max_steps=2)
    before, after = weights("s2", model.folder), weights("s2", tmp_path)
    kept = [name for name in before if name.startswith(("quantizer.", "content."))]
    assert kept and all(torch.equal(before[name], after[name]) for name in kept)
    assert not torch.equal(before["prior.exit.weight"], after["prior.exit.weight"])


def test_a_longer_recipe_goes_on_and_validation_is_heard(experiment: Path, model: Bundle, tmp_path: Path) -> None:
    """Ten of eleven utterances in batches of three: four batches an epoch."""
    assert run("s2", experiment, model.folder, tmp_path, "epochs=1").steps == 4
    assert run("s2", experiment, model.folder, tmp_path, "epochs=2").steps == 8
    board = EventAccumulator(str(tmp_path / "logs" / "s2" / "tensorboard" / "version_0"))
    tags = board.Reload().Tags()
    assert {tag.split("/")[1] for tag in tags["audio"]} == {"recorded", "generated"}
    assert len(tags["images"]) == 1 and "val/mel_distance" in tags["scalars"]


@pytest.mark.parametrize("stage", ["s1", "s2"])
def test_an_unprepared_folder_is_an_error_in_words(stage: str, model: Bundle, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="prep run"):
        run(stage, tmp_path, model.folder, tmp_path / "out", max_steps=1)
    assert not (tmp_path / "out").exists()


def test_wrong_settings_are_errors_in_words(experiment: Path, model: Bundle, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="learning"):
        run("s2", experiment, model.folder, tmp_path, "task.learning=1")
    with pytest.raises(ConfigError, match="max_step"):
        run("s2", experiment, model.folder, tmp_path, "run.max_step=1")


def test_a_checkpoint_of_another_model_is_refused(experiment: Path, model: Bundle, tmp_path: Path) -> None:
    run("s2", experiment, model.folder, tmp_path, max_steps=1)
    with pytest.raises(CheckpointError, match="another model or recipe"):
        run("s2", experiment, model.folder, tmp_path, "task.discriminator.periods=[2]", max_steps=2)


def test_a_speaking_only_model_cannot_be_trained(experiment: Path, model: Bundle, tmp_path: Path) -> None:
    save_sovits(tmp_path / "s2.safetensors", load_sovits(model.need("s2")), posterior=False)
    values = model.manifest.model_dump(mode="json", exclude_none=True)
    values.update(hubert=str(model.need("hubert")), s1=str(model.need("s1")))
    (tmp_path / "model.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(CheckpointError, match="posterior"):
        run("s2", experiment, tmp_path, tmp_path / "out", max_steps=1)


@pytest.mark.parametrize("stage", ["s1", "s2"])
def test_float16_learns_like_float32_with_scaled_losses(
    stage: str, experiment: Path, model: Bundle, tmp_path: Path
) -> None:
    outs = {name: tmp_path / name for name in ("float32", "float16")}
    for name, out in outs.items():
        run(stage, experiment, model.folder, out, f"run.precision={name}", max_steps=6)
    checkpoint = torch.load(outs["float16"] / "checkpoints" / stage / "last.ckpt", weights_only=True)
    assert 1 < checkpoint["health"]["scale"] <= 2**16 and checkpoint["health"]["passed_over"] == 0
    begun = weights(stage, model.folder)
    ours, theirs = (
        torch.cat([(tensor.float() - begun[name].float()).flatten() for name, tensor in weights(stage, out).items()])
        for out in outs.values()
    )
    # Adam's first steps follow signs, which rounding turns where gradients are small.
    assert torch.cosine_similarity(ours, theirs, dim=0) > 0.5


@pytest.mark.parametrize("able", [False, True])
def test_bfloat16_is_not_emulated(
    able: bool, experiment: Path, model: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A processor that does not multiply in it would take many times as long."""
    monkeypatch.setattr("gpt_sovits.train.run.multiplies_bfloat16", lambda: able)
    for name in ("float32", "bfloat16"):
        run("s1", experiment, model.folder, tmp_path / name, f"run.precision={name}", max_steps=2)
    plain, asked = (weights("s1", tmp_path / name) for name in ("float32", "bfloat16"))
    assert all(tensor.equal(plain[name]) for name, tensor in asked.items()) == (not able)
