"""Two whole steps of generator and discriminator, equal to the public training in losses, gradients and weights."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from pytorch_lightning import Callback, Trainer
from torch import Tensor
from torch.utils.data import DataLoader

from feature_extractor.spectral import SpectrogramConfig, spectrogram
from sovits.batch import Batch
from sovits.config import DiscriminatorConfig
from sovits.convert import (
    config_from_public,
    discriminator_from_public,
    discriminator_to_public,
    from_public,
    to_public,
)
from sovits.discriminator import Discriminator
from sovits.model import Synthesizer
from sovits.recipe import SynthesizerTaskConfig
from sovits.task import SynthesizerTask
from tests.golden_data import float32, gauss, golden, golden_json, raw_u01, unit, waveform, weights

FRAMES, SHORT = 44, 38
PERIODS = {"v2": (2, 3, 5, 7, 11), "v2Pro": (2, 3, 5, 7, 11, 17, 23)}


LOGGED = {
    "discriminator": "loss_disc",
    "adversarial": "loss_gen",
    "feature": "loss_fm",
    "mel": "loss_mel",
    "kl": "loss_kl",
    "commitment": "kl_ssl",
    "discriminator_gradient": "grad_norm_d",
    "generator_gradient": "grad_norm_g",
    "rate": "lr",
}
"""Our names and the public ones."""


def golden_batch(version: str) -> Batch:
    """Two rows; the second is cut at 38 frames before its spectrogram is taken, and its text at 9 phonemes."""
    waves = torch.stack([torch.from_numpy(waveform(f"st{i}", FRAMES * 640, 32000)) for i in range(2)])
    waves[1, SHORT * 640 :] = 0
    spec = torch.zeros(2, 1025, FRAMES)
    for row, frames in enumerate((FRAMES, SHORT)):
        spec[row, :, :frames] = spectrogram(waves[row : row + 1, : frames * 640], SpectrogramConfig())[0]
    case = golden(f"s2_{version}_small_train")
    return Batch(
        names=("a", "b"),
        hubert=float32(unit("s2/ssl", (2, 768, FRAMES))),
        spec=spec,
        spec_lengths=torch.tensor([FRAMES, SHORT]),
        wave=waves[:, None],
        wave_lengths=torch.tensor([FRAMES, SHORT]) * 640,
        phones=torch.from_numpy(case["text"]),
        phone_lengths=torch.from_numpy(case["text_lens"]),
        speaker=float32(unit("s2/sv2", (2, 20480))) if version == "v2Pro" else None,
    )


def golden_task(version: str) -> SynthesizerTask:
    """The small network with its dropout off, and the full discriminator."""
    state = weights(f"s2G_{version}_small")
    config = config_from_public(golden_json(f"keys/s2G_{version}_small")["config"], state)
    config = config.model_copy(
        update={
            "prior": config.prior.model_copy(update={"dropout": 0.0}),
            "style": config.style.model_copy(update={"dropout": 0.0}),
        }
    )
    model = Synthesizer(config)
    model.load_state_dict(from_public(state))
    task_config = SynthesizerTaskConfig(discriminator=DiscriminatorConfig(periods=PERIODS[version]))
    judge = Discriminator(task_config.discriminator)
    judge.load_state_dict(discriminator_from_public(weights(f"s2D_{version}")))
    return SynthesizerTask(model, task_config, judge, steps_per_epoch=2)


class Recorder(Callback):
    """Keeps what every step logs."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def on_train_batch_end(self, trainer: Trainer, module: Any, outputs: Any, batch: Batch, index: int) -> None:
        self.rows.append({name: float(value) for name, value in trainer.callback_metrics.items()})


def train(task: SynthesizerTask, version: str) -> list[dict[str, float]]:
    """Two steps on the same batch with the stored noise."""
    plain, step = task.model.forward, iter(range(2))

    def forward(*inputs: Any, **drawn: Any) -> Any:
        tag = f"noise/s2step/{version}/{next(step)}"
        noise = float32(gauss(f"{tag}/0", (2, 192, FRAMES)))
        return plain(*inputs, noise=noise, start=float32(raw_u01(f"{tag}/1", 2)))

    task.model.forward = forward  # type: ignore[method-assign]
    recorder = Recorder()
    trainer = Trainer(
        max_epochs=1,
        accelerator="cpu",
        callbacks=[recorder],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(task, DataLoader([golden_batch(version)] * 2, batch_size=None))
    return recorder.rows


def close(actual: float, expected: float, tolerance: float = 1e-4) -> bool:
    return abs(actual - expected) <= tolerance * abs(expected)


def moments(before: dict[str, Tensor], after: dict[str, Tensor]) -> dict[str, tuple[float, float]]:
    """Norm of every tensor and of its change."""
    return {
        name: (value.double().norm().item(), (value.double() - before[name].double()).norm().item())
        for name, value in after.items()
    }


def compare(actual: dict[str, tuple[float, float]], expected: dict[str, dict[str, float]]) -> None:
    """Norms to 1e-4; changes to 1e-4 for most tensors and to 1e-2 for all.

    Adam's first steps are signs: of entries whose gradient is next to nothing, a few round the other way.
    """
    assert actual.keys() == expected.keys()
    errors = []
    for name, (norm, delta) in actual.items():
        if name.endswith(("conv_k.bias", "w_ks.bias")):
            continue  # softmax ignores what all keys share: the gradient is rounding noise, and Adam enlarges it
        assert close(norm, expected[name]["norm"]), (name, norm, expected[name])
        assert close(delta, expected[name]["delta"], 1e-2), (name, delta, expected[name])
        errors.append(abs(delta / (expected[name]["delta"] or 1) - (expected[name]["delta"] > 0)))
    assert torch.tensor(errors).quantile(0.75) <= 1e-4


@pytest.mark.parametrize("version", ["v2", "v2Pro"])
def test_two_steps_equal_the_public_training(version: str) -> None:
    case, task = golden_json(f"s2_{version}_small_trainstep"), golden_task(version)
    before = copy.deepcopy((task.model.state_dict(), task.discriminator.state_dict()))
    log = train(task, version)
    for ours, theirs in zip(log, case["log"], strict=True):
        for name, other in LOGGED.items():
            assert close(ours[f"train/{name}"], theirs[other]), (name, ours[f"train/{name}"], theirs[other])
    compare(moments(to_public(before[0]), to_public(task.model.state_dict())), case["delta_g"])
    judge = task.discriminator.state_dict()
    compare(moments(*map(discriminator_to_public, (before[1], judge))), case["delta_d"])


def test_a_perturbed_layer_fails_the_comparison() -> None:
    """One entry of the flow, ten per cent off, shows in the first divergence."""
    task, expected = golden_task("v2"), golden_json("s2_v2_small_trainstep")["log"][0]["loss_kl"]
    batch = golden_batch("v2")
    noise, start = float32(gauss("noise/s2step/v2/0/0", (2, 192, FRAMES))), float32(raw_u01("noise/s2step/v2/0/1", 2))

    def divergence() -> float:
        inputs = (batch.hubert, batch.spec, batch.spec_lengths, batch.phones, batch.phone_lengths, batch.speaker)
        with torch.no_grad():
            output = task.model(*inputs, noise=noise, start=start)
            real = torch.zeros_like(output.wave)
            return float(task.generator_losses(batch, output, real, judged=None)["kl"])

    assert close(divergence(), expected)
    with torch.no_grad():
        next(task.model.flow.parameters()).mul_(1.1)
    assert not close(divergence(), expected)
