"""What `run.compile` gains: forward and backward passes of both stages at the v2 sizes, in turns with plain ones.

    python -m benchmarks.compiling [ROUNDS]

Batches of four recordings of four seconds, in bfloat16 on one thread of the CPU; the compiler's time is told apart.
"""

from __future__ import annotations

import copy
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from ar import Text2SemanticConfig, Text2SemanticDecoder, training_loss
from ar.config import Text2SemanticDataConfig
from ar.data import Text2SemanticDataModule
from benchmarks.sides import Row, compare, markdown
from benchmarks.training import BATCH, material
from gpt_sovits.core.config import load_config
from gpt_sovits.train import s1, s2
from gpt_sovits.train.blocks import Blocks, compile_blocks
from sovits import Synthesizer, SynthesizerConfig
from sovits.data import SynthesizerDataModule
from sovits.recipe import SynthesizerDataConfig
from sovits.survey import Needs

CODES = 100
N = TypeVar("N", bound=nn.Module)


def measure(rounds: int) -> list[Row]:
    """A plain and a compiled row for each stage."""
    with tempfile.TemporaryDirectory() as folder:
        store = material(Path(folder), CODES, BATCH)
        return _stage_1(store.root, rounds) + _stage_2(store.root, rounds)


def _stage_1(root: Path, rounds: int) -> list[Row]:
    network = Text2SemanticDecoder(Text2SemanticConfig()).train()
    data = Text2SemanticDataModule(root, Text2SemanticDataConfig(batch_size=BATCH), network.config.bert_width)
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    return _sides("stage 1", network, s1.BLOCKS, lambda model: training_loss(model, batch).loss, rounds)


def _stage_2(root: Path, rounds: int) -> list[Row]:
    config = load_config(SynthesizerConfig, "model/v2")
    network = Synthesizer(config).train()
    recipe = SynthesizerDataConfig(batch_size=BATCH, validation_items=0)
    data = SynthesizerDataModule(root, recipe, Needs.of(config, "v2"))
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))

    def loss(model: Synthesizer) -> torch.Tensor:
        output = model(batch.hubert, batch.spec, batch.spec_lengths, batch.phones, batch.phone_lengths)
        return output.wave.square().mean() + (output.prior.z - output.prior.mean).square().mean()

    return _sides("stage 2, without its discriminators", network, s2.BLOCKS, loss, rounds)


def _sides(name: str, network: N, blocks: Blocks, loss: Callable[[N], torch.Tensor], rounds: int) -> list[Row]:
    def step(model: N) -> Callable[[], None]:
        def run() -> None:
            with torch.autocast("cpu", torch.bfloat16):
                value = loss(model)
            value.backward()

        return run

    compiled = copy.deepcopy(network)
    compile_blocks(compiled, blocks)
    begun = time.perf_counter()
    step(compiled)()
    minutes = (time.perf_counter() - begun) / 60
    sides = {f"{name}, plain": step(network), f"{name}, compiled": step(compiled)}
    found = compare(sides, 1, "steps/s", rounds)
    return [found[0], found[1].with_note(f"first step {minutes:.1f} min")]


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(markdown(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 3)))
