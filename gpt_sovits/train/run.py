"""One training run of either stage: trainer, loggers, taking up where an earlier run stopped."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
import torch.distributed as dist
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import TQDMProgressBar
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from pytorch_lightning.plugins.precision import Precision
from torch import nn

from ar.data import Text2SemanticDataModule
from ar.task import Text2SemanticTask
from gpt_sovits.core import replicas
from gpt_sovits.core.config import Strict, apply_overrides, load_config, parse_config
from gpt_sovits.core.device import multiplies_bfloat16, pick_device
from gpt_sovits.core.errors import CheckpointError, ConfigError, TrainingError
from gpt_sovits.core.health import ran_out
from gpt_sovits.train.best import KeepBest
from gpt_sovits.train.callbacks import Progress, SeedEachBatch, stoppable
from gpt_sovits.train.config import RunConfig
from gpt_sovits.train.launch import Replicas
from gpt_sovits.train.loader import ResumableLoader
from gpt_sovits.train.watch import Watch
from sovits.data import SynthesizerDataModule
from sovits.task import SynthesizerTask

logger = logging.getLogger(__name__)
Stage = Literal["s1", "s2"]
Task = Text2SemanticTask | SynthesizerTask
Data = Text2SemanticDataModule | SynthesizerDataModule
FIGURES = {"s1": "loss", "s2": "train/mel_distance"}
"""The training figure that is told and watched."""
FLOAT16_SCALE = 2.0**16
"""Of the losses at first; halved while it is too high."""
C = TypeVar("C", bound=Strict)


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training run came to."""

    weights: Path
    """The finished weights."""
    model: Path
    """Folder of the voice model they are part of."""
    steps: int
    """Optimizer steps, those of earlier runs included."""
    minutes: float
    interrupted: bool
    """It was asked to stop before its limits; the same command goes on."""
    best_step: int | None = None
    """Step of the exported weights, where the best were chosen by validation."""
    validation: dict[int, float] = field(default_factory=dict)
    """The validation figure by step, where the best were chosen by it."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Utterances of the prepared folder that were not trained on, and why."""
    notes: tuple[str, ...] = ()
    """What went wrong or was made do with on the way, in words."""

    def __str__(self) -> str:
        state = "stopped early, run the same command to go on" if self.interrupted else "finished"
        best = "" if self.best_step is None else f"  best after {self.best_step}"
        return f"{self.weights}  {self.steps} steps{best}  {self.minutes:.1f} min  {state}"


@dataclass(frozen=True, slots=True)
class Fitted:
    """A training that came to its end."""

    progress: Progress
    best: KeepBest | None
    left_out: dict[str, str]
    notes: tuple[str, ...]

    def trained(self, weights: Path) -> Trained:
        progress, best = self.progress, self.best
        chosen = (None, {}) if best is None else (best.best, best.history)
        return Trained(
            weights,
            weights.parent,
            progress.steps,
            progress.seconds / 60,
            progress.stop_asked,
            *chosen,
            left_out=self.left_out,
            notes=self.notes,
        )


def read_recipe(kind: type[C], source: str | Path | C, overrides: Iterable[str]) -> C:
    """A recipe given as such, as a YAML file, or by its name under `configs/`, with overrides.

    Raises:
        ConfigError: it is missing or wrong.
    """
    if isinstance(source, (str, Path)):
        return load_config(kind, source, overrides)
    return parse_config(kind, apply_overrides(source.model_dump(mode="json"), overrides), "the recipe")


def fit(
    stage: Stage,
    task: Task,
    data: Data,
    out: Path,
    run: RunConfig,
    epochs: int,
    device: str,
    resume: bool,
    network: Callable[[], nn.Module],
    metric: str,
) -> Fitted:
    """Train until the epochs, the steps or the minutes are used up, or until asked to stop.

    Args:
        network: gives the network that is exported.
        metric: the validation figure by which `run.select = "best"` chooses.

    Of several processes only the first comes back; the others end here, as they have nothing to write.

    Raises:
        ConfigError: the best is to be chosen, but nothing is held back, or less than one utterance for each process.
        TrainingError: it cannot go on: losses that are not finite, or no memory.
        CheckpointError: the earlier run's checkpoint does not fit this model or recipe.
    """
    checkpoint = out / "checkpoints" / stage / "last.ckpt"
    data.setup("fit")
    train, held = ResumableLoader(data.train_dataloader()), data.val_dataloader()
    progress = Progress(checkpoint, run, validates=bool(held))
    best = None
    if run.select == "best":
        best = KeepBest(checkpoint.with_name("best.ckpt"), metric, network, progress, run.patience)
    if best is not None and not held:
        raise ConfigError('run.select is "best", but no utterance is held back to judge by: hold some back')
    if 0 < len(data.held_back) < replicas.world():
        raise ConfigError(
            f"{len(data.held_back)} utterances are held back to judge by, for {replicas.world()} processes: hold back "
            "none, or at least one for each"
        )
    watch = Watch(f"stage {stage[1]}", FIGURES[stage], run, epochs, progress, best)
    # The best come first: what they know goes into the checkpoint of the same step.
    callbacks = [SeedEachBatch(run.seed), *([] if best is None else [best]), progress, watch]
    if run.precision == "float16":
        task.health.scale = task.health.ceiling = FLOAT16_SCALE
    trainer = _trainer(stage, out, run, epochs, device, callbacks, bool(held))
    earlier = checkpoint if resume and checkpoint.is_file() else None
    if earlier is not None:
        logger.info("going on from %s", earlier)
    with stoppable(progress):
        try:
            trainer.fit(task, train, held if held else None, ckpt_path=earlier, weights_only=True)
        except (RuntimeError, KeyError) as error:
            if isinstance(error, RuntimeError) and ran_out(error):
                raise TrainingError(
                    f"memory does not suffice for this model ({str(error).splitlines()[0]}): train an adapter or a "
                    "smaller model, or give the device more room"
                ) from error
            if earlier is None or progress.steps or "state" not in str(error):
                raise
            raise CheckpointError(
                f"{earlier} is of another model or recipe ({error}): give another --out, or train without resuming"
            ) from error
    if best is not None:
        if progress.steps not in best.history:
            trainer.validate(task, held, verbose=False)
        if replicas.rank() == 0:
            best.restore()
    if replicas.rank():
        raise SystemExit(0)
    notes = (*task.health.notes(), *watch.said.values())
    return Fitted(progress, best, dict(data.left_out), notes)


def _trainer(
    stage: Stage, out: Path, run: RunConfig, epochs: int, device: str, callbacks: list[Any], validate: bool
) -> Trainer:
    place = pick_device(device)
    logs = out / "logs" / stage
    several = dist.is_initialized()
    local = place.index or 0 if place.type == "cuda" else replicas.rank() % run.devices
    bar = [TQDMProgressBar(refresh_rate=10)] if run.progress else []
    return Trainer(
        accelerator={"cuda": "gpu"}.get(place.type, place.type),
        devices=run.devices if several else [place.index] if place.type == "cuda" and place.index is not None else 1,
        num_nodes=run.nodes if several else 1,
        strategy=Replicas(run, local) if several else "auto",
        use_distributed_sampler=False,  # the samplers share out by themselves, and repeat nothing in validation
        **_precision(run, place),
        max_epochs=-1 if run.max_steps is not None else epochs,
        min_epochs=0,
        callbacks=[*callbacks, *bar],
        logger=[TensorBoardLogger(logs, name="tensorboard"), CSVLogger(logs, name="csv")],
        enable_checkpointing=False,
        enable_progress_bar=run.progress,
        enable_model_summary=False,
        num_sanity_val_steps=-1 if run.select == "best" else 0,
        check_val_every_n_epoch=None,
        val_check_interval=run.validate_every,
        limit_val_batches=None if validate else 0,
        log_every_n_steps=run.log_every,
    )


class Float16(Precision):
    """Computes in float16; the scale of the losses is the task's own, see `Health`."""

    precision = "16-mixed"

    def __init__(self, kind: str) -> None:
        self.kind = kind

    @contextmanager
    def forward_context(self) -> Iterator[None]:
        with torch.autocast(self.kind, torch.float16):
            yield


def _precision(run: RunConfig, place: torch.device) -> dict[str, Any]:
    """What the trainer is told of it."""
    if run.precision == "float16":
        return {"plugins": [Float16(place.type)]}
    able = place.type == "cuda" and torch.cuda.is_bf16_supported()
    half = run.precision == "bfloat16" or (run.precision == "auto" and able)
    if half and place.type == "cpu" and not multiplies_bfloat16():
        logger.warning(
            "this processor would only emulate bfloat16, at a fraction of the speed: float32 is computed instead"
        )
        half = False
    return {"precision": "bf16-mixed" if half else "32-true"}
