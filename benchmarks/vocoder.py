"""Stage 2: the decoder as loaded for speaking beside the plain one, at the public v2 size."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from unittest.mock import patch

import torch
from torch import Tensor

import sovits.fast
from benchmarks.sides import Row, compare
from gpt_sovits.core.config import load_config
from gpt_sovits.core.resources import resource
from sovits import Synthesizer, SynthesizerConfig
from sovits.together import Together


def model(device: torch.device) -> Synthesizer:
    """v2 with deterministic weights, weight norm not folded in; its gains are raised, so that sound comes out."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = Synthesizer(load_config(SynthesizerConfig, resource("configs", "model", "v2.yaml")), posterior=False)
    with torch.no_grad():
        for name, value in made.generator.named_parameters():
            value.mul_(6 if name.endswith("original0") else 0.1 if name.endswith("bias") else 1)
    return made.eval().to(device)


def measure(device: torch.device, codes: int, rounds: int) -> list[Row]:
    """Seconds of sound per second of work."""
    models = {"plain decode": model(device), "weight norm folded": model(device).fuse()}
    forms = {"float32": torch.float32, "float32, by tiles": torch.float32, "bfloat16": torch.bfloat16}
    for name, dtype in forms.items():
        fast = model(device).fuse()
        hidden = patch("sovits.fast.compiled", return_value=None) if "tiles" in name else nullcontext()
        with hidden:
            if dtype in (torch.float32, sovits.fast.fastest_format()) and sovits.fast.prepare(fast, dtype):
                models[f"fast generator, {name}"] = fast
    source = torch.Generator().manual_seed(0)
    said = torch.randint(1024, (codes,), generator=source)
    phones, reference = torch.randint(700, (codes // 2,), generator=source), torch.rand(1025, 200, generator=source)

    def side(one: Synthesizer) -> Callable[[], Tensor]:
        return lambda: one.decode(said, phones, [reference], seed=0)

    together, voice = (
        Together(models["weight norm folded"]),
        models["weight norm folded"].reference_style([reference[None]]),
    )

    def four() -> list[Tensor]:
        return together([(said[: codes // 4], phones)] * 4, voice, [torch.Generator().manual_seed(0)] * 4)

    seconds = side(models["plain decode"])().shape[-1] / 32000
    sides: dict[str, Callable[[], object]] = {name: side(one) for name, one in models.items()}
    sides["weight norm folded, a quarter of it four times in one call"] = four
    rows = compare(sides, seconds, "s of sound/s", rounds)
    return [row.with_note(f"rtf {1 / row.cpu_rate:.3f} of processor time") for row in rows]
