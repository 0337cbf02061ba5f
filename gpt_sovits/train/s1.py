"""Training the first stage on a prepared folder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from ar.attention import Layer
from ar.config import Text2SemanticDataConfig, Text2SemanticTrainingConfig
from ar.convert import load_text2semantic, save_text2semantic
from ar.data import Text2SemanticDataModule, Utterance
from ar.task import Text2SemanticTask
from feature_extractor.text import analyse
from gpt_sovits.core.bundle import BundleManifest, find_model
from gpt_sovits.train.blend import Blend
from gpt_sovits.train.blocks import compile_blocks, recompute
from gpt_sovits.train.bundle import install_adapter, install_part
from gpt_sovits.train.config import split_overrides
from gpt_sovits.train.launch import spread
from gpt_sovits.train.lora import adapter_of, load_earlier, merged, tune
from gpt_sovits.train.preference import PreferenceDataModule
from gpt_sovits.train.public import begin_s1, check_begin
from gpt_sovits.train.run import Trained, fit, read_recipe

RECIPE = "train/s1"
BLOCKS = (Layer,)
TARGETS = ("attention.input", "attention.output", "feed_in", "feed_out")
"""What gets an adapter where a recipe names nothing."""


@spread
def train_s1(
    experiment: str | Path,
    model: str | Path,
    out: str | Path,
    config: str | Path | Text2SemanticTrainingConfig | None = None,
    overrides: Iterable[str] = (),
    *,
    seed: int | None = None,
    resume: bool = True,
    device: str = "auto",
    max_steps: int | None = None,
    max_minutes: float | None = None,
    begin: Sequence[str | Path] = (),
) -> Trained:
    """Fine-tune a model's first stage, or train an untrained one; arguments, results and errors as `train_s2`.

    `out` may be the folder a second stage was trained into: both trained parts are kept. `begin` is one file: a
    Lightning checkpoint of the public training, or weights.
    """
    run, rest = split_overrides(overrides, max_steps, max_minutes, seed)
    recipe = read_recipe(Text2SemanticTrainingConfig, RECIPE if config is None else config, rest)
    check_begin(begin, recipe)
    source, target = find_model(model), Path(out)
    network = load_text2semantic(source.need("s1"), dtype="float32").train()
    load_earlier(network, source, "s1", recipe, target)
    if recipe.alignment is not None:
        heads = {"reading_layers": recipe.alignment.layers, "reading_head": recipe.alignment.head}
        network.config = network.config.model_copy(update=heads)
    settings = recipe.data.model_copy(update={"symbols": source.manifest.symbols})
    data = _data(Path(experiment), settings, recipe.preferences, network.config.bert_width, source.manifest)
    state = begin_s1(begin, network)
    tune(network, recipe, TARGETS, run.seed)
    blend = Blend(network, recipe.blend)
    task = Text2SemanticTask(network, recipe, state)
    if recipe.recompute:
        recompute(network, BLOCKS)
    if run.compile:
        compile_blocks(network, BLOCKS)
    fitted = fit("s1", task, data, target, run, recipe.epochs, device, resume, lambda: task.trained, "val_loss")
    progress, trained = fitted.progress, task.trained.cpu()
    blend.apply(trained)
    info = {"steps": progress.steps, "minutes": round(progress.seconds / 60, 2), "from": source.manifest.name}
    if recipe.lora is not None and not recipe.lora.merge:
        return fitted.trained(install_adapter(target, source, "s1", adapter_of(trained, recipe.lora), info))
    weights = target / "s1.safetensors"
    save_text2semantic(weights, merged(trained), info, getattr(torch, run.export))
    install_part(target, source, "s1")
    return fitted.trained(weights)


def _data(
    root: Path, config: Text2SemanticDataConfig, pairs: Path | None, bert_width: int | None, manifest: BundleManifest
) -> Text2SemanticDataModule:
    if pairs is not None:
        return PreferenceDataModule(root, config, pairs, bert_width)
    prompts = None
    if config.join is not None and config.join.own:
        prompts = {
            language: Utterance(
                language, analyse(prompt.text, language, symbols=manifest.symbols).ids, list(prompt.codes)
            )
            for language, prompt in manifest.prompts.items()
        }
    return Text2SemanticDataModule(root, config, bert_width, prompts=prompts)
