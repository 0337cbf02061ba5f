"""Training a generator that ends in a trained vocoder: by the mel spectrogram, with nothing judged."""

from __future__ import annotations

import torch

from gpt_sovits.core.config import load_config
from sovits.config import SynthesizerConfig
from sovits.model import Synthesizer
from sovits.recipe import CosineDecay, LossWeights, SynthesizerTaskConfig
from sovits.task import SynthesizerTask
from tests.sovits.test_task import JUDGES, run

SMALL = "{kind: vocoder, channels: 32, blocks: {kernels: [3], dilations: [[1]]}}"


def a_task() -> SynthesizerTask:
    torch.manual_seed(0)
    changes = ["quantizer.frozen=true", "generator.rates=[2]", "generator.kernels=[4]", "generator.widths=[16]",
               "generator.blocks.layers=[1]", f"generator.head={SMALL}", "generator.pitch={bins: 16}"]  # fmt: skip
    model = Synthesizer(load_config(SynthesizerConfig, "debug/s2", changes))
    settings = SynthesizerTaskConfig(
        discriminator=JUDGES,
        rate=3e-3,
        schedule=CosineDecay(warmup=1, steps=100),
        weights=LossWeights(mel=45, spoken=15, pitch=5),
        clip=50.0,
    )
    return SynthesizerTask(model, settings)


def test_both_ways_to_the_mel_are_learned_and_the_vocoder_stays() -> None:
    task = a_task()
    before = {name: value.clone() for name, value in task.model.state_dict().items()}
    judges = {name: value.clone() for name, value in task.discriminator.state_dict().items()}
    rows = run(task, 40)
    assert {"train/mel", "train/spoken", "train/kl", "train/pitch"} <= set(rows[0])
    assert not {"train/adversarial", "train/feature", "train/discriminator"} & set(rows[-1])
    for name in ("train/mel", "train/spoken"):
        assert rows[-1][name] < 0.8 * rows[0][name]
    changed = {name for name, value in task.model.state_dict().items() if not value.equal(before[name])}
    assert not any("vocoder" in name for name in changed)
    assert {
        "generator.head.project.weight",
        "prior.exit.weight",
        "flow.couplings.0.exit.weight",
        "pitch.exit.weight",
    } <= changed
    assert all(value.equal(judges[name]) for name, value in task.discriminator.state_dict().items())
