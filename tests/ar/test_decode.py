"""The decode loop: public sequences, and every fast path against its slow path."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from ar import GenerateOptions, Item, Text2SemanticDecoder, generate, generate_batch
from ar.compat import public_limit, public_panel
from ar.decode import collate, stream
from ar.decoder import Decoder
from ar.loss import Batch, teacher_forced
from ar.sampling import sample
from gpt_sovits.core.errors import ConfigError, InputError
from tests.ar.conftest import small_model

GREEDY = GenerateOptions(top_k=1, max_new_tokens=public_limit(60))


def test_one_by_one_equals_the_public_sequences(
    model: Text2SemanticDecoder, items: list[Item], inference: dict[str, Any]
) -> None:
    results = [public_panel(model, [item], GREEDY, batched=False)[0] for item in items]
    assert [codes.tolist() for codes, _ in results] == inference["naive_batched"]["y"]
    assert [index for _, index in results] == inference["naive_batched"]["idx"]
    assert results[0][0].tolist() == inference["infer_panel"]["y"]


def test_without_a_prompt(model: Text2SemanticDecoder, items: list[Item], inference: dict[str, Any]) -> None:
    bare = Item(items[0].phones, items[0].bert)
    codes, index = public_panel(model, [bare], GREEDY, batched=False)[0]
    assert (codes.tolist(), index) == (inference["infer_panel_noprompt"]["y"], 0)


def test_batch_equals_the_public_batch(
    model: Text2SemanticDecoder, items: list[Item], inference: dict[str, Any]
) -> None:
    results = public_panel(model, items, GREEDY, batched=True)
    assert [codes.tolist() for codes, _ in results] == inference["batch_infer"]["y"]
    assert [index for _, index in results] == inference["batch_infer"]["idx"]


def test_other_penalty(model: Text2SemanticDecoder, items: list[Item], inference: dict[str, Any]) -> None:
    case = inference["infer_panel_rp1.2"]
    # The stored run takes the likeliest code, which top-p and temperature do not change.
    options = GREEDY.model_copy(update={"repetition_penalty": case["args"]["repetition_penalty"]})
    codes, index = public_panel(model, [items[1]], options, batched=False)[0]
    assert (codes.tolist(), index) == (case["y"], case["idx"])


def test_end_mark(items: list[Item], inference: dict[str, Any]) -> None:
    model = small_model()
    with torch.no_grad():
        model.head.weight[model.config.eos] = torch.tensor(inference["eos_row"])
    one = public_panel(model, items[:1], GREEDY, batched=False)[0]
    assert (one[0].tolist(), one[1]) == tuple(inference["eos_forced_naive"].values())
    both = public_panel(model, items, GREEDY, batched=True)
    assert [codes.tolist() for codes, _ in both] == inference["eos_forced_batch"]["y"]
    assert [index for _, index in both] == inference["eos_forced_batch"]["idx"]


def test_masked_graph_variant(model: Text2SemanticDecoder, items: list[Item], inference: dict[str, Any]) -> None:
    options = GREEDY.model_copy(update={"eos_free_steps": 1})
    for row, item in enumerate(items):
        codes = generate(model, item.phones, item.bert, item.prompt, options)
        assert codes.tolist() == inference["cudagraph_with_cache_masked"][str(row)]


@torch.inference_mode()
def test_unmasked_empty_slots_give_the_public_graph_variant(
    model: Text2SemanticDecoder, items: list[Item], inference: dict[str, Any]
) -> None:
    """The public CUDA-graph decoder lets zero keys of 2500 slots take part; letting them in here shows it."""
    for row, item in enumerate(items):
        prefix = collate(model, [item])
        logits, cache = model.prefill(prefix, 1, bucket=2500)
        cache.allowed.fill_(True)
        seen = torch.zeros(1, model.config.codes, dtype=torch.bool).scatter_(1, prefix.codes, True)
        codes: list[int] = []
        for step in range(GREEDY.max_new_tokens):
            if step == 0:
                logits[:, model.config.eos] = -torch.inf
            token = sample(logits, seen, GREEDY, None)
            codes.append(int(token))
            seen[0, token] = True
            cache.reserve(1)
            logits = model.step(token, cache)
        assert codes == inference["cudagraph"][str(row)]


def test_a_perturbed_layer_changes_the_sequence(items: list[Item], inference: dict[str, Any]) -> None:
    model = small_model()
    with torch.no_grad():
        model.get_parameter("layers.2.attention.output.weight").mul_(1.5)
    codes, _ = public_panel(model, items[:1], GREEDY, batched=False)[0]
    assert codes.tolist() != inference["infer_panel"]["y"]


@pytest.mark.parametrize(("poison", "bucket"), [(1e4, 64), (1e4, 1), (float("nan"), 1)])
@torch.inference_mode()
def test_cached_steps_equal_one_pass(
    model: Text2SemanticDecoder, items: list[Item], batch: Batch, poison: float, bucket: int
) -> None:
    """Whatever lies in the empty slots must not show."""
    ready = Batch(batch.phones, batch.phone_lengths, batch.codes[:, :17], torch.tensor([17, 17]), batch.bert)
    expected = teacher_forced(model, ready)[1]
    bare = collate(model, [Item(item.phones, item.bert) for item in items])
    logits, cache = model.prefill(bare, 5, bucket)
    cache.keys[:, :, :, cache.filled :] = poison
    cache.values[:, :, :, cache.filled :] = poison
    for t in range(17):
        torch.testing.assert_close(logits, expected[:, t], rtol=1e-4, atol=1e-4)
        before = cache.capacity
        cache.reserve(1)
        if cache.capacity > before:
            cache.keys[:, :, :, before:] = poison
            cache.values[:, :, :, before:] = poison
        logits = model.step(ready.codes[:, t], cache)
    torch.testing.assert_close(logits, expected[:, 17], rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_prefilled_prompt_equals_stepping_through_it(model: Text2SemanticDecoder, items: list[Item]) -> None:
    prompts = torch.stack([item.prompt for item in items if item.prompt is not None])
    logits, cache = model.prefill(collate(model, [Item(item.phones, item.bert) for item in items]), 8)
    for t in range(prompts.shape[1]):
        cache.reserve(1)
        logits = model.step(prompts[:, t], cache)
    torch.testing.assert_close(logits, model.prefill(collate(model, items), 8)[0], rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_addresses_stay_while_the_cache_has_room(model: Text2SemanticDecoder, items: list[Item]) -> None:
    logits, cache = model.prefill(collate(model, items), 40, bucket=64)
    address, window = cache.keys.data_ptr(), cache.window
    for _ in range(40):
        cache.reserve(1)
        logits = model.step(logits.argmax(-1), cache)
    assert cache.keys.data_ptr() == address and cache.window == window == 64


def test_sampled_batch_gives_what_each_item_gets_alone(model: Text2SemanticDecoder, items: list[Item]) -> None:
    """Different texts, prompts (one has none), seeds and lengths; rows end at different steps."""
    options = GenerateOptions(max_new_tokens=120, seed=5)
    mixed = [
        *items,
        Item(items[0].phones[:4], None if items[0].bert is None else items[0].bert[:, :4], None, seed=9),
        Item(items[1].phones, None, items[0].prompt, seed=10),
        Item(items[1].phones, items[1].bert, items[1].prompt, seed=11),
    ]
    together = generate_batch(model, mixed, options)
    for item, codes in zip(mixed, together, strict=True):
        own = options if item.seed is None else options.model_copy(update={"seed": item.seed})
        assert codes.tolist() == generate(model, item.phones, item.bert, item.prompt, own).tolist()
    assert len({tuple(codes.tolist()) for codes in together}) == len(mixed)


def test_rows_that_end_early_leave_the_others_alone(tiny: Text2SemanticDecoder) -> None:
    """With a likely end mark every row stops at its own step."""
    with torch.no_grad():
        tiny.head.weight[64] += 0.3
    options = GenerateOptions(max_new_tokens=200, seed=0, top_k=None, repetition_penalty=1.0)
    queue = [Item(torch.tensor([i, i + 1, 2]), prompt=torch.tensor([i]), seed=i) for i in range(12)]
    together = generate_batch(tiny, queue, options)
    alone = [generate(tiny, q.phones, None, q.prompt, options.model_copy(update={"seed": q.seed})) for q in queue]
    assert [codes.tolist() for codes in together] == [codes.tolist() for codes in alone]
    assert len({len(codes) for codes in together}) > 3


def test_a_seed_decides(model: Text2SemanticDecoder, items: list[Item]) -> None:
    def run(seed: int | None) -> list[int]:
        torch.manual_seed(1)
        options = GenerateOptions(seed=seed, max_new_tokens=40)
        return generate(model, items[0].phones, items[0].bert, items[0].prompt, options).tolist()

    assert run(1) == run(1)
    assert run(1) != run(2)
    assert run(None) != run(None)


def test_tokens_are_reported_as_they_come(model: Text2SemanticDecoder, items: list[Item]) -> None:
    heard: list[int] = []
    codes = generate(model, items[0].phones, items[0].bert, items[0].prompt, GREEDY, heard.append)
    assert heard == codes.tolist() and len(heard) == 61


def test_a_stream_can_be_left_early(model: Text2SemanticDecoder, items: list[Item]) -> None:
    running: Iterator[Any] = stream(model, items, GREEDY)
    first = [next(running) for _ in range(2)]
    assert [emission.item for emission in first] == [0, 1]
    assert not torch.is_inference_mode_enabled()
    running.close()  # type: ignore[attr-defined]


def test_the_cache_grows(model: Text2SemanticDecoder, items: list[Item], monkeypatch: pytest.MonkeyPatch) -> None:
    expected = generate_batch(model, items, GREEDY)
    monkeypatch.setattr("ar.cache.GROWTH", 2)
    decoder = Decoder(model, rows=2, bucket=2)
    tickets = [decoder.submit(item, GREEDY) for item in items]
    assert [decoder.result(t).tolist() for t in tickets] == [c.tolist() for c in expected]


@pytest.mark.parametrize("whole", [True, False], ids=["bfloat16 weights", "autocast"])
def test_reduced_precision(items: list[Item], inference: dict[str, Any], whole: bool) -> None:
    """Codes differ in time, but start alike and are no noise."""
    model = small_model().to(torch.bfloat16 if whole else torch.float32)
    with torch.autocast("cpu", torch.bfloat16, enabled=not whole):
        codes = generate(model, items[0].phones, items[0].bert, items[0].prompt, GREEDY)
    assert len(codes) == 61
    assert codes[:5].tolist() == inference["infer_panel"]["y"][7:12]


def test_nothing_to_do(model: Text2SemanticDecoder) -> None:
    assert generate_batch(model, [], GREEDY) == []


def test_bad_input_is_refused_in_words(tiny: Text2SemanticDecoder) -> None:
    with pytest.raises(InputError, match="non-empty"):
        generate(tiny, torch.zeros(0, dtype=torch.long))
    with pytest.raises(InputError, match="phone ids must lie in 0 to 19; got 3 to 700"):
        generate(tiny, torch.tensor([3, 700]))
    with pytest.raises(InputError, match="prompt codes must lie in 0 to 64"):
        generate(tiny, torch.tensor([3]), prompt=torch.tensor([65]))
    with pytest.raises(ConfigError, match="training mode"):
        generate(tiny.train(), torch.tensor([3]))


def test_bert_features_must_fit(model: Text2SemanticDecoder) -> None:
    with pytest.raises(InputError, match=r"must be \[1024, 2\]; got \(1024, 3\)"):
        generate(model, torch.tensor([3, 4]), torch.zeros(1024, 3))
