"""What is recorded when, with a recorder that needs no GPU."""

from __future__ import annotations

from typing import Any

import torch

from ar import GenerateOptions, Item, Text2SemanticDecoder, generate
from ar.decoder import Decoder
from ar.items import collate
from ar.prefill import Prefill
from ar.steps import PlainStep
from gpt_sovits.core.graph import Graphed
from tests.ar.conftest import small_model


class Tape:
    """Runs the function again on every replay; recording itself computes nothing, as with a CUDA graph."""

    made = 0

    def __init__(self, function) -> None:  # type: ignore[no-untyped-def]
        Tape.made += 1
        self.function = function
        self.replays = 0

    def replay(self) -> None:
        self.replays += 1
        self.function()


def test_once_plain_then_recorded_then_replayed() -> None:
    count = torch.zeros(1)
    tapes: list[Tape] = []

    def record(function) -> Tape:  # type: ignore[no-untyped-def]
        tapes.append(Tape(function))
        return tapes[-1]

    step = Graphed(lambda: count.add_(1) and None, record)
    for _ in range(5):
        step("a")
    assert count == 5 and len(tapes) == 1 and tapes[0].replays == 4
    step("b")
    step("a")
    assert count == 7 and len(tapes) == 1
    step("b")
    assert count == 8 and len(tapes) == 2


def test_only_so_many_are_kept() -> None:
    tapes: list[Tape] = []

    def record(function) -> Tape:  # type: ignore[no-untyped-def]
        tapes.append(Tape(function))
        return tapes[-1]

    step = Graphed(lambda: None, record, kept=2)
    for key in (1, 1, 2, 2, 3, 3, 1, 1, 3):
        step(key)
    assert len(tapes) == 4
    step.forget()
    step(3)
    assert len(tapes) == 4


def test_without_a_recorder_it_is_the_plain_call() -> None:
    calls: list[int] = []
    step = Graphed(lambda: calls.append(1))
    step("a")
    step("a")
    assert len(calls) == 2


def test_the_graphed_loop_gives_the_plain_codes(tiny: Text2SemanticDecoder) -> None:
    """The GPU's form of the loop, all rows at once and looked at every few steps, over buckets that fill up."""
    with torch.no_grad():
        tiny.head.weight[64] += 0.3
    options = GenerateOptions(max_new_tokens=90, seed=0, top_k=None, repetition_penalty=1.0)
    decoder = Decoder(tiny, rows=3, look=4, bucket=16, recorder=Tape)
    decoder.cache.keys.fill_(1e4)
    decoder.cache.values.fill_(1e4)
    queue = [Item(torch.tensor([i, i + 1, 2]), prompt=torch.tensor([i, 3]), seed=i) for i in range(9)]
    tickets = [decoder.submit(item, options) for item in queue]
    before = Tape.made
    together = [decoder.result(ticket).tolist() for ticket in tickets]
    alone = [generate(tiny, q.phones, None, q.prompt, options.model_copy(update={"seed": q.seed})) for q in queue]
    assert together == [codes.tolist() for codes in alone]
    assert Tape.made - before >= 2
    assert len({len(codes) for codes in together}) > 3


@torch.inference_mode()
def test_a_prefill_per_bucket_is_recorded_once_and_equals_the_plain_one(tiny: Text2SemanticDecoder) -> None:
    """Lengths of one bucket share a recording, whatever was there before; what is padding does not show."""
    before = Tape.made
    prefill = Prefill(tiny, PlainStep(tiny), Tape, bucket=8)
    sizes = [(3, 5), (8, 1), (1, 8), (3, 0), (9, 5), (16, 8), (5, 6), (2, 0), (30, 20), (3, 5), (4, 4)]
    for n, t in sizes:
        item = Item(torch.arange(n) % 20, None, torch.arange(t))
        expected, plain = tiny.prefill(collate(tiny, [item]))
        prefill._cache.keys.fill_(1e4)
        ready = prefill(item)
        torch.testing.assert_close(ready.logits, expected[0], rtol=1e-4, atol=1e-5)
        kept = torch.cat([torch.arange(part.start, part.stop) for part in ready.parts])
        assert len(kept) == n + t and ready.cache.position == t
        torch.testing.assert_close(ready.cache.keys[:, 0, :, kept], plain.keys[:, 0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(ready.cache.values[:, 0, :, kept], plain.values[:, 0], rtol=1e-4, atol=1e-5)
    # (8, 8), then (16, 8) in a larger cache, then (8, 8) again in one larger still
    assert Tape.made - before == 3


def test_without_a_recorder_a_prefill_is_the_plain_call(tiny: Text2SemanticDecoder) -> None:
    item = Item(torch.arange(5), None, torch.arange(3))
    ready = Prefill(tiny, PlainStep(tiny))(item)
    assert torch.equal(ready.logits, tiny.prefill(collate(tiny, [item]))[0][0])
    assert ready.parts == (slice(0, 8),)


def test_the_golden_codes_come_out_of_the_graphed_loop(items: list[Item], inference: dict[str, Any]) -> None:
    """On a poisoned cache, prefilled at buckets."""
    model = small_model()
    decoder = Decoder(model, rows=2, look=5, bucket=64, recorder=Tape)
    decoder.cache.keys.fill_(1e4)
    decoder.cache.values.fill_(1e4)
    options = GenerateOptions(top_k=1, max_new_tokens=61)
    tickets = [decoder.submit(item, options) for item in items]
    for item, ticket, expected in zip(items, tickets, inference["naive_batched"]["y"], strict=True):
        assert item.prompt is not None
        assert decoder.result(ticket).tolist() == expected[len(item.prompt) :]
