"""Optimizer steps of both stages at the v2 sizes, in turns with a plain loop: public order, fp32, nothing kept."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from pytorch_lightning import Callback, LightningDataModule, LightningModule, Trainer
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from ar import Text2SemanticConfig, Text2SemanticDecoder, training_loss
from ar.config import Text2SemanticDataConfig, Text2SemanticTrainingConfig
from ar.data import Collate, Text2SemanticDataModule
from ar.optim import build_optimizer
from ar.task import Text2SemanticTask
from benchmarks.sides import Row, rows
from feature_extractor.spectral import MelConfig, mel_spectrogram, spectrogram, spectrogram_to_mel
from feature_extractor.text import symbol_table
from gpt_sovits.core.config import load_config
from gpt_sovits.core.store import FeatureStore, TextEntry, read_tensor, write_tensor
from sovits import Synthesizer, SynthesizerConfig
from sovits.data import SynthesizerDataModule
from sovits.discriminator import Discriminator
from sovits.loss import adversarial_loss, discriminator_loss, feature_loss, kl_loss, mel_loss
from sovits.recipe import SynthesizerDataConfig, SynthesizerTaskConfig
from sovits.segments import slice_segments
from sovits.survey import Needs
from sovits.task import SynthesizerTask

BATCH, RATE, HOP = 4, 32000, 640
PHONES_PER_SECOND = 10
WINDOW = 4
"""Batches of stage 1 to an optimizer step, as in the public recipe."""


def measure(stages: Sequence[str], rounds: int, seconds: float) -> list[Row]:
    """A plain and an own row for each stage."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        store = material(Path(folder), int(seconds * 25), BATCH * (rounds + 1))
        for stage in stages:
            found += (_stage_2 if stage == "s2" else _stage_1)(store, rounds)
    return found


def material(folder: Path, codes: int, items: int) -> FeatureStore:
    """A prepared folder of equally long recordings of noise."""
    store, table, source = FeatureStore(folder), symbol_table("v2"), torch.Generator().manual_seed(0)
    store.wave_path("x").parent.mkdir()
    texts, spoken = [], {}
    for number in range(items):
        name = f"{number:02}.wav"
        wave = 0.1 * torch.randn(codes * 2 * HOP, generator=source)
        soundfile.write(store.wave_path(name), (wave * 32767).numpy().astype(np.int16), RATE)
        write_tensor(store.hubert_path(name), torch.randn(1, 768, 2 * codes, generator=source))
        phones = torch.randint(10, 300, (codes * PHONES_PER_SECOND // 25,), generator=source).tolist()
        bert = store.bert_path(name)
        bert.parent.mkdir(exist_ok=True)
        write_tensor(bert, torch.randn(1024, len(phones), generator=source))
        texts.append(TextEntry(name, [table[phone] for phone in phones], None, "text"))
        spoken[name] = torch.randint(0, 1024, (codes,), generator=source).tolist()
    store.write_text(texts)
    store.write_semantic(spoken)
    return store


class Turns(Callback):
    """Runs and times a plain step after each of the trainer's own; the first of each is not counted.

    Both train the same networks, each with optimizers of its own, so that memory is needed for one pair only.
    """

    def __init__(self, plain: Callable[[], None], batches: int) -> None:
        self.plain, self.batches = plain, batches
        self.wall: dict[str, list[float]] = {"plain": [], "own": []}
        self.cpu: dict[str, list[float]] = {"plain": [], "own": []}
        self.begun = (0.0, 0.0)

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        self.begun = time.perf_counter(), time.process_time()

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        if (index + 1) % self.batches:
            return
        self._note("own")
        self.plain()
        self._note("plain")

    def _note(self, side: str) -> None:
        now = time.perf_counter(), time.process_time()
        self.wall[side].append(now[0] - self.begun[0])
        self.cpu[side].append(now[1] - self.begun[1])
        self.begun = now

    def rows(self, stage: str) -> list[Row]:
        names = {"plain": f"{stage}, plain loop in fp32", "own": f"{stage}, own task in bf16"}
        wall, cpu = ({names[s]: kept[s][1:] for s in names} for kept in (self.wall, self.cpu))
        return rows(wall, cpu, 1, "steps/s")


def _fit(task: LightningModule, data: LightningDataModule, turns: Turns, batches: int) -> None:
    trainer = Trainer(
        accelerator="cpu",
        precision="bf16-mixed",
        max_epochs=1,
        limit_train_batches=batches,
        callbacks=[turns],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
    )
    trainer.fit(task, data.train_dataloader())


def _stage_2(store: FeatureStore, rounds: int) -> list[Row]:
    torch.manual_seed(0)
    config = load_config(SynthesizerConfig, "model/v2")
    network, judges = Synthesizer(config).train(), Discriminator(SynthesizerTaskConfig().discriminator)
    network.quantizer.codebook.normal_(std=0.5)
    data = SynthesizerDataModule(
        store.root, SynthesizerDataConfig(batch_size=BATCH, validation_items=0), Needs.of(config, "v2")
    )
    data.setup("fit")
    task = SynthesizerTask(network, SynthesizerTaskConfig(), judges)
    turns = Turns(PlainStage2(store, network, judges), 1)
    _fit(task, data, turns, rounds + 1)
    return turns.rows("stage 2")


def _stage_1(store: FeatureStore, rounds: int) -> list[Row]:
    torch.manual_seed(0)
    config = Text2SemanticTrainingConfig(data=Text2SemanticDataConfig(batch_size=BATCH, repeat_below=0))
    data = Text2SemanticDataModule(store.root, config.data, Text2SemanticConfig().bert_width)
    data.setup("fit")
    assert data.train is not None
    data.train.utterances *= WINDOW  # an epoch that holds all rounds
    task = Text2SemanticTask(Text2SemanticDecoder(Text2SemanticConfig()).train(), config)
    turns = Turns(PlainStage1(store, task.model), WINDOW)
    _fit(task, data, turns, WINDOW * (rounds + 1))
    return turns.rows("stage 1")


class PlainStage2:
    """A step of generator and discriminators as the public training takes it.

    Files are read and spectrograms computed at every step; discriminators are asked again for the generator's step, on
    real sound too, and their gradients are computed and thrown away.
    """

    def __init__(self, store: FeatureStore, network: Synthesizer, judges: Discriminator) -> None:
        self.store, self.config = store, network.config
        self.network, self.judges = network, judges
        self.names = sorted(store.read_text())
        self.table = {symbol: index for index, symbol in enumerate(symbol_table("v2"))}
        self.mel = MelConfig(bands=128)
        self.optimizers = [
            torch.optim.AdamW([p for p in m.parameters() if p.requires_grad], lr=1e-4, betas=(0.8, 0.99), eps=1e-9)
            for m in (self.network, self.judges)
        ]

    def __call__(self) -> None:
        wave, spec, hubert, phones, lengths = self._read()
        output = self.network(hubert, spec, torch.full((BATCH,), spec.shape[-1]), phones, lengths)
        hop, segment = HOP, self.config.segment
        real = slice_segments(wave, output.start * hop, segment * hop)
        truth, fake = self.judges(real), self.judges(output.wave.detach())
        self._step(1, discriminator_loss([v.score for v in truth], [v.score for v in fake]), self.judges)
        real_mel = slice_segments(spectrogram_to_mel(spec, self.mel), output.start, segment)
        truth, fake = self.judges(real), self.judges(output.wave)
        loss = 45 * mel_loss(real_mel, mel_spectrogram(output.wave[:, 0], self.mel))
        prior = output.prior
        loss = loss + kl_loss(prior.z, output.posterior_log, prior.mean, prior.log_deviation, output.mask)
        loss = loss + feature_loss([v.features for v in truth], [v.features for v in fake])
        self._step(0, loss + adversarial_loss([v.score for v in fake]), self.network)

    def _read(self) -> tuple[Tensor, ...]:
        texts = self.store.read_text()
        waves, specs, features, phones = [], [], [], []
        for name in self.names[:BATCH]:
            samples, _ = soundfile.read(self.store.wave_path(name), dtype="float32")
            waves.append(torch.from_numpy(samples))
            specs.append(spectrogram(waves[-1][None], self.config.spectrogram)[0])
            features.append(read_tensor(self.store.hubert_path(name))[0].float())
            phones.append(torch.tensor([self.table[phone] for phone in texts[name].phones]))
        lengths = torch.tensor([len(row) for row in phones])
        stacked = pad_sequence(phones, batch_first=True)
        return torch.stack(waves)[:, None], torch.stack(specs), torch.stack(features), stacked, lengths

    def _step(self, index: int, loss: Tensor, module: nn.Module) -> None:
        self.optimizers[index].zero_grad()
        loss.backward()
        sum(p.grad.norm().item() ** 2 for p in module.parameters() if p.grad is not None)  # the public log's figure
        self.optimizers[index].step()


class PlainStage1:
    """Four batches and a step of the optimizer; BERT features are read from the disk each time."""

    def __init__(self, store: FeatureStore, model: Text2SemanticDecoder) -> None:
        self.model = model
        config = Text2SemanticTrainingConfig(data=Text2SemanticDataConfig(batch_size=BATCH, repeat_below=0))
        data = Text2SemanticDataModule(store.root, config.data, self.model.config.bert_width)
        data.setup("fit")
        assert data.train is not None
        self.items, self.collate = data.train.utterances, Collate(self.model.config.bert_width)
        self.optimizer = build_optimizer(self.model, config.optimizer)

    def __call__(self) -> None:
        for number in range(WINDOW):
            begin = number * BATCH % len(self.items)
            output = training_loss(self.model, self.collate(self.items[begin : begin + BATCH]))
            output.loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
