"""Stage 1: every form of the decode loop beside the plain reference loop, at full size."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from ar import GenerateOptions, Item, Text2SemanticConfig, Text2SemanticDecoder
from ar.decoder import Decoder
from ar.kernels.native import NativeStep, NotAvailable, Precision
from ar.steps import PlainStep
from benchmarks.reference import PlainLoop
from benchmarks.sides import Row, compare

TEXT, PROMPT = 200, 100
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16", "int8")


def full_size(device: torch.device) -> Text2SemanticDecoder:
    """24 layers of 512 with deterministic weights; half precision on a GPU."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Text2SemanticDecoder(Text2SemanticConfig()).eval()
    return model.half().to(device) if device.type == "cuda" else model


def item(model: Text2SemanticDecoder, seed: int) -> Item:
    source = torch.Generator().manual_seed(seed)
    phones = torch.randint(model.config.phones, (TEXT,), generator=source)
    return Item(phones, None, torch.randint(model.config.eos, (PROMPT,), generator=source), seed)


def measure(
    device: torch.device, batches: Sequence[int], new: int, chunk: int, precisions: Sequence[Precision] = PRECISIONS
) -> list[Row]:
    """Codes per second after the prefill; the sides take turns of `chunk` codes up to `new`."""
    model = full_size(device)
    options = GenerateOptions(max_new_tokens=new + chunk, eos_free_steps=new + chunk)
    steps = _steps(model, device, precisions)
    rows = []
    for batch in batches:
        items = [item(model, seed) for seed in range(batch)]
        sides: dict[str, Callable[[], object]] = {f"plain loop, batch {batch}": _plain(model, items, options, chunk)}
        for name, step in steps.items():
            sides[f"{name}, batch {batch}"] = _decoder(model, items, options, chunk, step)
        rows += compare(sides, chunk * batch, "codes/s", new // chunk)
    return rows


def _steps(
    model: Text2SemanticDecoder, device: torch.device, precisions: Sequence[Precision]
) -> dict[str, NativeStep | PlainStep]:
    if device.type == "cuda":
        return {"CUDA graph": PlainStep(model)}
    try:
        return {f"compiled {name}": NativeStep(model, name) for name in precisions}
    except NotAvailable:
        return {"row by row": PlainStep(model)}


def _plain(
    model: Text2SemanticDecoder, items: list[Item], options: GenerateOptions, chunk: int
) -> Callable[[], object]:
    loop = PlainLoop(model, items, options)
    return lambda: [loop.advance() for _ in range(chunk)]


def _decoder(
    model: Text2SemanticDecoder,
    items: list[Item],
    options: GenerateOptions,
    chunk: int,
    step: NativeStep | PlainStep,
) -> Callable[[], object]:
    decoder = Decoder(model, rows=len(items), queue=len(items), step=step)
    tickets = [decoder.submit(one, options) for one in items]

    def work() -> None:
        wanted = len(tickets[0].codes) + chunk
        while len(tickets[-1].codes) < wanted:
            decoder.pump()

    return work
