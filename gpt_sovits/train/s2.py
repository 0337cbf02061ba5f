"""Training the second stage on a prepared folder."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from feature_extractor.audio import HUBERT_RATE, sinc_resample
from feature_extractor.content import load_content
from feature_extractor.speaker import load_speaker
from feature_extractor.whisper import Whisper
from gpt_sovits.core.bundle import Bundle, find_model
from gpt_sovits.core.checkpoint import load_checkpoint, load_weights, save_checkpoint
from gpt_sovits.core.config import parse_config
from gpt_sovits.core.device import pick_device
from gpt_sovits.core.errors import CheckpointError
from gpt_sovits.train.blend import Blend
from gpt_sovits.train.blocks import compile_blocks, recompute
from gpt_sovits.train.bundle import install_adapter, install_part
from gpt_sovits.train.config import split_overrides
from gpt_sovits.train.launch import spread
from gpt_sovits.train.lora import adapter_of, load_earlier, merged, tune
from gpt_sovits.train.public import begin_s2, check_begin
from gpt_sovits.train.retell import Reteller
from gpt_sovits.train.run import Trained, fit, read_recipe
from sovits.checkpoint import load_sovits, save_sovits
from sovits.config import DiscriminatorConfig
from sovits.data import SynthesizerDataModule
from sovits.discriminator import Discriminator
from sovits.hifigan import ConvNextBlock, ResidualBlock
from sovits.listening import ContentListener, MelListener
from sovits.model import Synthesizer
from sovits.recipe import SynthesizerTrainingConfig
from sovits.survey import Needs
from sovits.task import SynthesizerTask
from sovits.transformer import EncoderLayer
from sovits.vocoder import MelVocoder
from sovits.wavenet import WaveNet

logger = logging.getLogger(__name__)
RECIPE = "train/s2"
TARGETS = ("prior", "flow", "posterior")
"""What gets an adapter where a recipe names nothing."""
BLOCKS = (EncoderLayer, WaveNet, ResidualBlock, ConvNextBlock)
JUDGES = "s2_discriminator.safetensors"
"""Kept beside the weights: fine-tuning on from a trained generator goes better with its trained judges."""
LISTENED = 150
"""Recordings that tell how a mel spectrogram is listened to."""


@spread
def train_s2(
    experiment: str | Path,
    model: str | Path,
    out: str | Path,
    config: str | Path | SynthesizerTrainingConfig | None = None,
    overrides: Iterable[str] = (),
    *,
    seed: int | None = None,
    resume: bool = True,
    device: str = "auto",
    max_steps: int | None = None,
    max_minutes: float | None = None,
    begin: Sequence[str | Path] = (),
) -> Trained:
    """Fine-tune a model's second stage, or train an untrained one.

    `out` becomes a voice model: the trained `s2.safetensors`, the other parts of `model`, `model.yaml`, and beside them
    `checkpoints/`, `logs/` (TensorBoard and CSV) and the discriminators. The same call goes on where an earlier one
    stopped, to the same weights on a CPU as if it had never stopped (equal thread counts assumed).

    Args:
        experiment: a prepared folder.
        model: the model to start from, by name or folder.
        config: a recipe, its YAML file, or its name under `configs/`; None: `train/s2`.
        overrides: `a.b=1` items for the recipe; `run.a=1` items for `RunConfig`.
        seed: of noise, segments and dropout; the order of the data has its own, `data.seed`.
        resume: False starts over from `model` even when `out` holds a checkpoint.
        max_steps: optimizer steps in place of the recipe's epochs.
        max_minutes: stop after so many minutes of training.
        begin: files of the public training to go on from, in place of the model's own weights: `G_….pth` and `D_….pth`,
            or a pretrained pair. The recipe's epochs come on top of theirs.

    Raises:
        DatasetError: the folder is incomplete or holds nothing usable.
        CheckpointError: the model has no trainable second stage, or the checkpoint in `out` is of another model.
        ConfigError: a recipe or an override is wrong.
    """
    run, rest = split_overrides(overrides, max_steps, max_minutes, seed)
    recipe = read_recipe(SynthesizerTrainingConfig, RECIPE if config is None else config, rest)
    check_begin(begin, recipe)
    source, target = find_model(model), Path(out)
    network = _trainable(source, recipe.freeze_quantizer)
    load_earlier(network, source, "s2", recipe, target)
    data = SynthesizerDataModule(Path(experiment), recipe.data, Needs.of(network.config, source.manifest.symbols))
    data.setup("fit")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)
        judges = _judges(source, recipe)
    begun = begin_s2(begin, network, judges)
    listen = _listener(source, network, data, device) if recipe.task.weights.speaker else None
    hear = _hearer(source, network, data, device) if recipe.task.weights.content else None
    retell = Reteller.of(source, network.config.quantizer.codes, device) if recipe.task.retold else None
    tune(network, recipe, TARGETS, run.seed)
    blend = Blend(network, recipe.blend)
    every = len(data.train_dataloader())
    task = SynthesizerTask(network, recipe.task, judges, every, begun, listen, recipe, hear, retell)
    if recipe.recompute:
        recompute(network, BLOCKS)
    if run.compile:
        compile_blocks(network, BLOCKS)
    fitted = fit("s2", task, data, target, run, recipe.epochs, device, resume, lambda: task.trained, "val/mel_distance")
    progress = fitted.progress
    info = {"steps": task.steps, "minutes": round(progress.seconds / 60, 2), "from": source.manifest.name}
    if task.judged:
        save_checkpoint(target / JUDGES, "s2d", recipe.task.discriminator, task.discriminator.cpu().state_dict(), info)
    trained = task.trained.cpu()
    blend.apply(trained)
    if recipe.lora is not None and not recipe.lora.merge:
        return fitted.trained(install_adapter(target, source, "s2", adapter_of(trained, recipe.lora), info))
    weights = target / "s2.safetensors"
    if recipe.lora is not None:
        trained = merged(trained).fuse()  # layers with an adapter have lost their weight norm: off with the others'
    save_sovits(weights, trained, info, getattr(torch, run.export))
    install_part(target, source, "s2")
    return fitted.trained(weights)


def _trainable(source: Bundle, freeze: bool) -> Synthesizer:
    network = load_sovits(source.need("s2"), dtype="float32")
    if not network.trainable:
        raise CheckpointError(
            f"{source.need('s2')} was exported for speaking only and lacks the posterior encoder that training needs: "
            "start from a model that has it"
        )
    quantizer = network.config.quantizer.model_copy(update={"frozen": freeze})
    network.config = network.config.model_copy(update={"quantizer": quantizer})
    return network.train()


def _listener(
    source: Bundle, network: Synthesizer, data: SynthesizerDataModule, device: str
) -> Callable[[Tensor], Tensor] | None:
    """The model's speaker encoder, frozen, for what its stage 2 makes in training; None: it has none."""
    path = source.part("speaker")
    if path is None:
        return None
    encoder = load_speaker(path).requires_grad_(False)
    rate, head = network.config.spectrogram.rate, network.generator.head
    if isinstance(head, MelVocoder):
        return MelListener.fit(encoder, head, data.recordings(LISTENED), rate).to(pick_device(device))
    encoder = encoder.to(pick_device(device), torch.float32)
    return lambda wave: encoder(sinc_resample(wave.float(), rate, HUBERT_RATE))


def _hearer(source: Bundle, network: Synthesizer, data: SynthesizerDataModule, device: str) -> ContentListener | None:
    """The model's content encoder, frozen, for what its stage 2 makes in training; None: it reads no spectra."""
    encoder, head = load_content(source.need("hubert")), network.generator.head
    if not isinstance(encoder, Whisper) or not isinstance(head, MelVocoder):
        return None
    content, rate = copy.deepcopy(network.content).requires_grad_(False), network.config.spectrogram.rate
    found = ContentListener.fit(encoder.requires_grad_(False), content, head, data.recordings(LISTENED), rate)
    return found.to(pick_device(device))


def _judges(source: Bundle, recipe: SynthesizerTrainingConfig) -> Discriminator:
    """The source model's discriminators where it has those the recipe asks for, else fresh ones.

    Those on further spectrograms, which stand last, may be fresh beside known ones.
    """
    wanted = recipe.task.discriminator
    fresh = Discriminator(wanted)
    path = source.need("s2").with_name(JUDGES)
    if path.is_file():
        stored = load_checkpoint(path, "s2d")
        config = parse_config(DiscriminatorConfig, stored.config, str(path))
        known = wanted.resolutions[: len(config.resolutions)]
        if config == wanted.model_copy(update={"resolutions": known}):
            load_weights(fresh, {**fresh.state_dict(), **stored.tensors}, str(path))
        else:
            logger.info("%s holds other discriminators than the recipe's; training fresh ones", path)
    return fresh
