"""Where the milliseconds go: each part of a step, of a prefill and of stage 2, and how near it is to its limit.

The limits are measured in the same run on one thread: reading memory, and multiplying matrices. Times are those of the
processor, which other programs hardly change.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

import sovits.fast
from ar import GenerateOptions, Text2SemanticDecoder
from ar.cache import KeyValueCache
from ar.items import collate
from ar.kernels.native import NativeStep, Precision
from ar.rng import exponential
from ar.rows import NOISE_STEPS, Rows
from benchmarks.sampler import full_size, item
from benchmarks.vocoder import model as vocoder
from sovits import Synthesizer

SLOTS = 500
BYTES = {"float32": 4, "bfloat16": 2, "int8": 1}


@dataclass(frozen=True, slots=True)
class Part:
    """One line: what it took, and what it read or computed in that time."""

    group: str
    what: str
    milliseconds: float
    gigabytes: float = 0.0
    gigaflops: float = 0.0


def milliseconds(work: Callable[[], object], repeats: int) -> float:
    """Median processor time, once run before."""
    work()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return 1000 * statistics.median(times)


@torch.inference_mode()
def limits(repeats: int) -> dict[str, float]:
    """GB/s and GFLOP/s of this machine, one thread."""
    memory, square = torch.ones(2**27), torch.ones(1024, 1024)
    half = square.bfloat16()
    reading = milliseconds(lambda: memory.sum(), repeats)
    exact, rounded = milliseconds(lambda: square @ square, repeats), milliseconds(lambda: half @ half, repeats)
    flops = 2 * 1024**3 / 1e6
    return {"memory": memory.nbytes / reading / 1e6, "float32": flops / exact, "bfloat16": flops / rounded}


@torch.inference_mode()
def stage_1(precision: Precision, rows: int, repeats: int, model: Text2SemanticDecoder | None = None) -> list[Part]:
    """A decode step at 500 filled slots; attention is what it takes longer than a step over one slot."""
    model = model or full_size(torch.device("cpu"))
    config, group = model.config, f"step, {precision}, {rows} row(s)"
    step = NativeStep(model, precision, 1)
    cache = KeyValueCache(config, rows, SLOTS + 1, step.cache_dtype)
    tokens = torch.zeros(rows, dtype=torch.long)

    def at(filled: int) -> float:
        return milliseconds(lambda: step(tokens, range(rows), cache, [filled] * rows), repeats)

    short, long = at(0), at(SLOTS)
    weights = sum(p.numel() for layer in model.layers for p in layer.parameters())
    head = model.head.weight.numel()
    state = Rows(rows, config.codes, config.eos, torch.device("cpu"))
    for row in range(rows):
        state.start(row, GenerateOptions(), row, torch.zeros(1, dtype=torch.long), torch.zeros(config.codes))
    noise = milliseconds(lambda: exponential(1, 0, NOISE_STEPS, config.codes), repeats) * rows / NOISE_STEPS
    read = BYTES[precision] * weights + 4 * head
    kept = cache.keys.element_size() * 2 * config.layers * rows * SLOTS * config.width
    return [
        Part(group, "matrix products", short, read / 1e9, 2e-9 * rows * (weights + head)),
        Part(
            group, "attention", max(0.0, long - short), kept / 1e9, 4e-9 * config.layers * rows * SLOTS * config.width
        ),
        Part(group, "draw", milliseconds(state.draw, repeats)),
        Part(group, "noise", noise),
    ]


@torch.inference_mode()
def prefill(precision: Precision, repeats: int, model: Text2SemanticDecoder | None = None) -> Part:
    """200 phones and 100 prompt codes."""
    model = model or full_size(torch.device("cpu"))
    step, prefix = NativeStep(model, precision, 1), collate(model, [item(model, 0)])
    flops = _gigaflops(lambda: model.prefill(prefix))
    return Part("prefill", precision, milliseconds(lambda: step.prefill(prefix), repeats), 0, flops)


@torch.inference_mode()
def stage_2(repeats: int, codes: int = 100, fast: bool = False, model: Synthesizer | None = None) -> list[Part]:
    """The v2 decoder, part by part."""
    model = model or vocoder(torch.device("cpu")).fuse()
    config = model.config
    reference, source = torch.rand(1, config.spectrogram.bins, 200), torch.Generator().manual_seed(0)
    said = torch.randint(config.quantizer.codes, (1, codes), generator=source)
    phones = torch.randint(config.phonemes, (1, codes // 2), generator=source)
    style = model.reference_style([reference])
    features, mask = model.features(said, phones, style)
    latent = torch.randn(1, config.inter, features.shape[-1], generator=source)
    counted = _gigaflops(lambda: model.generator(latent, style))
    if fast:
        sovits.fast.prepare(model)
    group = f"stage 2, {codes} codes"
    works: dict[str, Callable[[], Tensor]] = {
        "style (kept with the voice)": lambda: model.reference_style([reference]),
        "prior": lambda: model.features(said, phones, style)[0],
        "flow": lambda: model.flow.reverse(latent, mask, style),
    }
    parts = [Part(group, name, milliseconds(work, repeats), 0, _gigaflops(work)) for name, work in works.items()]
    fastest = str(sovits.fast.fastest_format()).removeprefix("torch.")
    name = f"fast generator, {fastest}" if fast else "generator, float32"
    generating = Part(group, name, milliseconds(lambda: model.generator(latent, style), repeats), 0, counted)
    return [generating] if fast else [*parts, generating]


def measure(repeats: int) -> tuple[dict[str, float], list[Part]]:
    """Everything, on one thread."""
    network = full_size(torch.device("cpu"))
    parts: list[Part] = []
    for precision in ("float32", "int8"):
        for rows in (1, 16):
            parts += stage_1(precision, rows, repeats, network)  # type: ignore[arg-type]
        parts.append(prefill(precision, repeats, network))  # type: ignore[arg-type]
    return limits(repeats), [*parts, *stage_2(repeats), *stage_2(repeats, fast=True)]


def markdown(limit: dict[str, float], parts: list[Part]) -> str:
    """A table; the last column names the limit that is nearest."""
    head = ", ".join(f"{name} {value:.0f} {'GB/s' if name == 'memory' else 'GFLOP/s'}" for name, value in limit.items())
    lines = [
        f"Limits: {head}.\n",
        "| where | what | ms | GB/s | GFLOP/s | of the limit |",
        "|---|---|---:|---:|---:|---|",
    ]
    for part in parts:
        rates = part.gigabytes / part.milliseconds * 1000, part.gigaflops / part.milliseconds * 1000
        kind = "bfloat16" if "bfloat16" in part.what or (part.group, part.what) == ("prefill", "int8") else "float32"
        shares = {"memory": rates[0] / limit["memory"], kind: rates[1] / limit[kind]}
        name, share = max(shares.items(), key=lambda pair: pair[1])
        cells = [f"{rate:.1f}" if rate else "" for rate in rates]
        near = f"{100 * share:.0f} % of {name}" if share else ""
        lines.append(f"| {part.group} | {part.what} | {part.milliseconds:.2f} | {' | '.join(cells)} | {near} |")
    return "\n".join(lines) + "\n"


def _gigaflops(work: Callable[[], object]) -> float:
    with FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops()) / 1e9
