"""The second stage's training task: schedules, the late start of the discriminators, averaging, what is left alone."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from pytorch_lightning import Callback, Trainer
from torch.utils.data import DataLoader

from gpt_sovits.core.config import load_config
from gpt_sovits.core.errors import ConfigError, TrainingError
from sovits.batch import Batch
from sovits.config import DiscriminatorConfig, SynthesizerConfig
from sovits.model import Synthesizer
from sovits.picture import mel_picture
from sovits.piece import cut, draw
from sovits.recipe import CosineDecay, EpochDecay, LossWeights, SynthesizerTaskConfig
from sovits.task import SynthesizerTask

FRAMES = 24
JUDGES = DiscriminatorConfig(periods=(2,), width=1 / 64)


def a_task(**settings: Any) -> SynthesizerTask:
    torch.manual_seed(0)
    config = load_config(SynthesizerConfig, "debug/s2", ["quantizer.frozen=true"])
    return SynthesizerTask(Synthesizer(config), SynthesizerTaskConfig(discriminator=JUDGES, **settings))


def a_batch(task: SynthesizerTask) -> Batch:
    config = task.model.config
    random = torch.Generator().manual_seed(1)
    return Batch(
        names=("a", "b"),
        hubert=torch.randn(2, config.quantizer.width, FRAMES, generator=random),
        spec=torch.rand(2, config.spectrogram.bins, FRAMES, generator=random),
        spec_lengths=torch.tensor([FRAMES, FRAMES - 4]),
        wave=torch.rand(2, 1, FRAMES * config.spectrogram.hop, generator=random) - 0.5,
        wave_lengths=torch.tensor([FRAMES, FRAMES - 4]) * config.spectrogram.hop,
        phones=torch.randint(1, 300, (2, 7), generator=random),
        phone_lengths=torch.tensor([7, 5]),
    )


class Rows(Callback):
    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def on_train_batch_end(self, trainer: Trainer, *rest: Any) -> None:
        self.rows.append({name: float(value) for name, value in trainer.callback_metrics.items()})
        trainer.callback_metrics.clear()


def run(task: SynthesizerTask, steps: int, **changes: Any) -> list[dict[str, float]]:
    rows = Rows()
    trainer = Trainer(
        max_epochs=1,
        accelerator="cpu",
        callbacks=[rows],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(task, DataLoader([replace(a_batch(task), **changes)] * steps, batch_size=None))
    return rows.rows


def test_epoch_decay_counts_the_first_epoch() -> None:
    decay = EpochDecay(factor=0.5)
    assert [decay.scale(step, 2) for step in range(5)] == [0.5, 0.5, 0.25, 0.25, 0.125]


def test_cosine_rises_and_falls() -> None:
    decay = CosineDecay(warmup=10, steps=110, remainder=0.2)
    assert decay.scale(0, 1) == pytest.approx(0.1) and decay.scale(9, 1) == pytest.approx(1)
    assert decay.scale(60, 1) == pytest.approx(0.6) and decay.scale(500, 1) == pytest.approx(0.2)


def test_divergence_counts_little_at_first() -> None:
    weights = LossWeights(kl=2.0, kl_start=0.1, kl_rise=10)
    assert [weights.kl_at(step) for step in (0, 5, 10, 99)] == pytest.approx([0.2, 1.1, 2.0, 2.0])
    assert LossWeights().kl_at(0) == 1.0


def test_a_gradient_that_is_no_number_moves_nothing(caplog: pytest.LogCaptureFixture) -> None:
    task = a_task(weights=LossWeights(mel=float("nan")), adversarial_start=9)
    before = [p.clone() for p in task.model.parameters()]
    run(task, 1)
    assert all(torch.equal(a, b) for a, b in zip(before, task.model.parameters(), strict=True))
    assert "not finite" in caplog.text
    with pytest.raises(TrainingError, match=r"they hold a, b: .* lower task"):
        run(task, 20)


def test_the_reconstruction_improves_and_text_learns_slower() -> None:
    task = a_task(rate=2e-3, text_rate=0.0, weight_decay=0.0, weights=LossWeights(spectral=1.0))
    embedding = task.model.prior.embedding.weight.clone()
    rows = run(task, 6)
    assert rows[-1]["train/mel"] < rows[0]["train/mel"] and rows[-1]["train/spectral"] < rows[0]["train/spectral"]
    assert all(math.isfinite(value) for row in rows for value in row.values())
    assert torch.equal(task.model.prior.embedding.weight, embedding)


def test_discriminators_join_late() -> None:
    task = a_task(adversarial_start=2)
    before = [p.clone() for p in task.discriminator.parameters()]
    assert all("train/adversarial" not in row for row in run(task, 2))
    assert all(torch.equal(a, b) for a, b in zip(before, task.discriminator.parameters(), strict=True))
    assert all("train/discriminator" in row and "train/feature" in row for row in run(task, 1))
    assert not all(torch.equal(a, b) for a, b in zip(before, task.discriminator.parameters(), strict=True))


def test_a_frozen_quantizer_is_never_touched() -> None:
    task = a_task()
    kept = [*task.model.content.parameters(), *task.model.quantizer.buffers()]
    before = [value.clone() for value in kept]
    run(task, 2)
    assert all(torch.equal(a, b) for a, b in zip(before, kept, strict=True))


def test_the_average_follows_the_weights() -> None:
    task = a_task(average=0.5, rate=1e-2)
    start = task.model.prior.exit.weight.clone()
    run(task, 3)
    assert task.trained is task.average is not None
    now, mean = task.model.prior.exit.weight, task.trained.prior.exit.weight
    assert not torch.equal(mean, start) and not torch.equal(mean, now)
    assert (mean - start).norm() < (now - start).norm()


def test_clipping_bounds_the_step_not_the_log() -> None:
    """Adam is blind to a constant factor, so clipping shows where gradients change size: in its mean squares."""
    task = a_task(clip=1e-3)
    rows = run(task, 1)
    assert rows[0]["train/generator_gradient"] > 1e-3
    gradients = [p.grad.square().sum() for p in task.model.parameters() if p.grad is not None]
    assert torch.stack(gradients).sum().sqrt() <= 1.01e-3


def test_the_picture_stacks_both_spectrograms() -> None:
    picture = mel_picture(torch.randn(128, 30), torch.randn(128, 28))
    assert picture.shape == (1, 258, 28) and picture.min() >= 0 and picture.max() <= 1


def test_discriminators_may_hear_a_part_of_each_segment() -> None:
    task = a_task(adversarial_frames=3)
    hop, segment = task.model.config.spectrogram.hop, task.model.config.segment
    torch.manual_seed(0)
    windows = {(w.start, w.stop) for w in (task._draw_judged() for _ in range(40)) if w is not None}
    assert {stop - start for start, stop in windows} == {3 * hop} and len(windows) > 1
    assert min(windows)[0] >= 0 and max(windows)[1] <= segment * hop
    assert "train/adversarial" in run(task, 1)[0]


def test_the_voice_is_asked_for_where_a_speaker_encoder_listens() -> None:
    with pytest.raises(ConfigError, match="speaker encoder"):
        a_task(weights=LossWeights(speaker=1.0))
    config = load_config(SynthesizerConfig, "debug/s2", ["quantizer.frozen=true", "speaker=5"])
    heard: list[torch.Size] = []

    def listen(wave: torch.Tensor) -> torch.Tensor:
        heard.append(wave.shape)
        return wave.unflatten(1, (5, -1)).square().mean(-1)

    torch.manual_seed(0)
    settings = SynthesizerTaskConfig(discriminator=JUDGES, weights=LossWeights(speaker=3.0))
    task = SynthesizerTask(Synthesizer(config), settings, listen=listen)
    batch = replace(a_batch(task), speaker=torch.randn(2, 5))
    output = task._reconstruct(cut(batch, draw(batch, config.inter), 1)[0])
    real = torch.zeros_like(output.wave)
    loss = task.generator_losses(batch, output, real, judged=None)["speaker"]
    assert heard == [output.wave.shape[::2]] and 0 <= loss.item() <= 6
    loss.backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in task.model.generator.parameters())


@pytest.mark.parametrize(
    ("learn", "parts", "losses"),
    [
        ("prior", {"prior", "flow"}, {"kl", "commitment", "generator"}),
        ("generator", {"generator"}, {"mel", "adversarial", "feature", "discriminator", "generator"}),
    ],
)
def test_a_part_learns_alone(learn: str, parts: set[str], losses: set[str]) -> None:
    task = a_task(learn=learn)
    before = {name: tensor.clone() for name, tensor in task.model.state_dict().items()}
    (row,) = run(task, 1)
    after = task.model.state_dict()
    assert {name.split(".")[0] for name in after if not torch.equal(after[name], before[name])} == parts
    assert losses == {name.removeprefix("train/") for name in row} - {
        "mel_distance",
        "rate",
        "generator_gradient",
        "discriminator_gradient",
    }


def test_the_voice_may_be_told_with_noise() -> None:
    """As long as the recipe says, anew each time; 0 is none."""
    torch.manual_seed(0)
    config = load_config(SynthesizerConfig, "debug/s2", ["quantizer.frozen=true", "speaker=4096"])
    task = SynthesizerTask(Synthesizer(config), SynthesizerTaskConfig(discriminator=JUDGES, speaker_noise=0.4))
    told: list[torch.Tensor] = []
    assert task.model.speaker is not None
    task.model.speaker.register_forward_pre_hook(lambda _, given: told.append(given[1]))
    batch = replace(a_batch(task), speaker=3 * torch.randn(2, 4096))
    piece = cut(batch, draw(batch, config.inter), 1)[0]
    for _ in range(2):
        task._reconstruct(piece)
    first, second = ((each - batch.speaker).norm(dim=-1) / batch.speaker.norm(dim=-1) for each in told)
    torch.testing.assert_close(torch.cat([first, second]), torch.full((4,), 0.4), atol=0.03, rtol=0)
    assert not torch.equal(*told)
    task.config = task.config.model_copy(update={"speaker_noise": 0.0})
    task._reconstruct(piece)
    assert torch.equal(told[2], batch.speaker)
