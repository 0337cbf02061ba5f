"""Training steps: windows, descent, and stopping and going on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from ar import Text2SemanticConfig, Text2SemanticDecoder
from ar.config import AdamWConfig, ScaledAdamConfig, Text2SemanticDataConfig, Text2SemanticTrainingConfig
from ar.data import Text2SemanticDataModule
from ar.task import Text2SemanticTask
from gpt_sovits.core.config import load_config
from gpt_sovits.core.store import FeatureStore, TextEntry

FAST = ScaledAdamConfig(first_lr=0.03, lr=0.03)
SYMBOLS = [f"p{i}" for i in range(20)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Ten utterances in which every phone is said as two codes of its own."""
    store, source = FeatureStore(tmp_path / "set"), torch.Generator().manual_seed(0)
    codes, entries = {}, []
    for row in range(10):
        ids = torch.randint(0, 20, (6 + row,), generator=source).tolist()
        codes[f"u{row}.wav"] = [code for i in ids for code in (i, i + 20)]
        entries.append(TextEntry(f"u{row}.wav", [SYMBOLS[i] for i in ids], None, "x"))
    store.write_semantic(codes)
    store.write_text(entries)
    return store.root


class Watch(pl.Callback):
    """Notes the batches at which the weights changed, and the losses."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.losses: list[float] = []
        self.seen = 0

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if trainer.global_step > self.seen:
            self.seen = trainer.global_step
            self.steps.append(trainer.current_epoch * 100 + batch_idx)
        self.losses.append(float(trainer.callback_metrics["loss"]))


def _fit(
    root: Path, config: Text2SemanticTrainingConfig, epochs: int, resume: Path | None = None, **model: Any
) -> tuple[Text2SemanticTask, Watch, pl.Trainer]:
    torch.manual_seed(0)
    small = {"width": 32, "heads": 2, "layers": 2, "feed_forward": 64, "phones": 20, "codes": 65, "eos": 64}
    network = Text2SemanticDecoder(Text2SemanticConfig(**{**small, "bert_width": None, **model}))
    task, watch = Text2SemanticTask(network, config), Watch()
    data = Text2SemanticDataModule(root, config.data, None, SYMBOLS)
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        callbacks=[watch],
        num_sanity_val_steps=0,
    )
    trainer.fit(task, data, ckpt_path=resume)
    return task, watch, trainer


def _config(**values: Any) -> Text2SemanticTrainingConfig:
    data = Text2SemanticDataConfig(batch_size=2, repeat_below=20, phones_per_second=(3, 25))
    return Text2SemanticTrainingConfig(**{"data": data, **values})


def test_even_windows_end_with_the_epoch(root: Path) -> None:
    _, watch, _ = _fit(root, _config(accumulate=4), 2)
    assert watch.steps == [3, 7, 9, 103, 107, 109]


def test_public_windows(root: Path) -> None:
    """The first window has five batches, and what an epoch leaves over is stepped with the next one's first."""
    _, watch, _ = _fit(root, _config(accumulate=4, windows="public"), 2)
    assert watch.steps == [4, 8, 104, 108]


@pytest.mark.parametrize(
    "values",
    [
        {"optimizer": FAST, "accumulate": 1},
        {"optimizer": AdamWConfig(lr=5e-3, warmup_steps=10), "accumulate": 1, "reduction": "mean", "gradient_clip": 1},
        {"optimizer": FAST, "accumulate": 1, "preference": True},
    ],
    ids=["scaled_adam", "adamw", "preference"],
)
def test_the_loss_falls(root: Path, values: dict[str, Any]) -> None:
    _, watch, _ = _fit(root, _config(**values), 6)
    assert sum(watch.losses[-10:]) < 0.8 * sum(watch.losses[:10])


def test_a_resumed_training_equals_an_uninterrupted_one(root: Path, tmp_path: Path) -> None:
    config = _config(accumulate=3)
    straight, _, _ = _fit(root, config, 3)
    _, _, trainer = _fit(root, config, 2)
    trainer.save_checkpoint(tmp_path / "state.ckpt")
    resumed, _, _ = _fit(root, config, 3, tmp_path / "state.ckpt")
    for name, value in straight.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name


def test_validation_is_logged(root: Path) -> None:
    config = _config()
    config = config.model_copy(update={"data": config.data.model_copy(update={"hold_out": 2})})
    _, _, trainer = _fit(root, config, 1)
    assert 0 < float(trainer.callback_metrics["val_loss"]) < 20
    assert 0 <= float(trainer.callback_metrics["val_top3"]) <= 1


def test_presets() -> None:
    assert load_config(Text2SemanticTrainingConfig, "train/s1") == Text2SemanticTrainingConfig()
    assert load_config(Text2SemanticConfig, "debug/s1").bert_width is None
