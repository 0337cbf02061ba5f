"""Requests that come, go and are cancelled must not notice each other."""

from __future__ import annotations

import random
import resource
import threading
from dataclasses import replace
from typing import Any

import pytest
import torch

from ar import GenerateOptions, Item, Text2SemanticConfig, Text2SemanticDecoder, generate
from ar.decoder import BusyError, Decoder, State, Ticket
from ar.fast import prepare
from gpt_sovits.core.errors import InputError
from tests.ar.conftest import small_model

FORMS = ("plain", "float32", "bfloat16", "int8")


def debug_model(form: str) -> Text2SemanticDecoder:
    """Untrained, 32 wide, with an end mark that is drawn now and then."""
    torch.manual_seed(1)
    sizes = {"width": 32, "heads": 2, "layers": 3, "feed_forward": 64, "phones": 20, "codes": 65, "eos": 64}
    model = Text2SemanticDecoder(Text2SemanticConfig(**sizes, bert_width=8)).eval()
    with torch.no_grad():
        model.head.weight[64] += 0.1
    if form != "plain":
        prepare(model, form)  # type: ignore[arg-type]
        assert model.fast is not None
    return model


def random_request(source: random.Random) -> tuple[Item, GenerateOptions]:
    n = source.randint(1, 30)
    numbers = torch.Generator().manual_seed(source.getrandbits(40))
    bert = torch.randn(8, n, generator=numbers) if source.random() < 0.5 else None
    prompt = torch.randint(64, (source.randint(1, 25),), generator=numbers) if source.random() < 0.8 else None
    options = GenerateOptions(
        top_k=source.choice([None, 1, 3, 15, 400]),
        top_p=source.choice([1.0, 1.0, 0.9, 0.4]),
        temperature=source.choice([0.0, 0.5, 1.0, 1.3]),
        repetition_penalty=source.choice([1.0, 1.35, 2.0]),
        max_new_tokens=source.randint(1, 60),
        eos_free_steps=source.choice([0, 11]),
        repeat_window=source.choice([None, None, 10]),
        seed=source.getrandbits(50),
    )
    return Item(torch.randint(20, (n,), generator=numbers), bert, prompt), options


@pytest.mark.parametrize("form", FORMS)
def test_random_requests_with_churn_equal_one_by_one(form: str) -> None:
    """A hundred requests arrive at random, every seventh is cancelled midway."""
    model, source = debug_model(form), random.Random(form)
    requests = [random_request(source) for _ in range(100)]
    decoder = Decoder(model, rows=8, bucket=16)
    heard: dict[int, list[int]] = {place: [] for place in range(100)}
    tickets: list[Ticket] = []
    while len(tickets) < 100 or decoder.busy:
        for _ in range(source.choice([0, 0, 1, 3]) if len(tickets) < 100 else 0):
            if len(tickets) < 100:
                place = len(tickets)
                tickets.append(decoder.submit(*requests[place], heard[place].extend))
        running = [ticket for ticket in tickets if ticket.state is State.RUNNING]
        if running and source.random() < 0.05:
            decoder.cancel(source.choice(running))
        decoder.pump()
    states = [ticket.state for ticket in tickets]
    assert {State.ENDED, State.FULL, State.CANCELLED} <= set(states) and states.count(State.CANCELLED) < 40
    for place, (ticket, (item, options)) in enumerate(zip(tickets, requests, strict=True)):
        alone = generate(model, item.phones, item.bert, item.prompt, options).tolist()
        expected = alone[: len(ticket.codes)] if ticket.state is State.CANCELLED else alone
        assert ticket.codes == heard[place] == expected, f"request {place} with {options}"
    assert decoder.free == 8


def test_what_others_leave_in_a_row_does_not_show() -> None:
    model, source = debug_model("plain"), random.Random(0)
    for poison in (1e4, float("nan")):
        for bucket in (8, 64):
            decoder = Decoder(model, rows=2, bucket=bucket)
            decoder.cache.keys.fill_(poison)
            decoder.cache.values.fill_(poison)
            item, options = random_request(source)
            actual = decoder.result(decoder.submit(item, options))
            assert actual.tolist() == generate(model, item.phones, item.bert, item.prompt, options).tolist()


def test_two_running_requests_share_no_state() -> None:
    """Everything a row holds, bit for bit, is what it holds when the other request is another one."""

    def state(other: int) -> list[torch.Tensor]:
        decoder = Decoder(debug_model("plain"), rows=2, bucket=64)
        mine, theirs = random.Random(5), random.Random(other)
        long = {"max_new_tokens": 50, "eos_free_steps": 50}
        for item, options in (random_request(mine), random_request(theirs)):
            decoder.submit(item, options.model_copy(update=long))
        for _ in range(20):
            decoder.pump()
        rows, cache = decoder.rows, decoder.cache
        shared = (rows.logits, rows.seen, rows.recent * 0, rows.noise[0], rows.age, cache.end, cache.position)
        return [cache.keys[:, 0].clone(), cache.values[:, 0].clone(), *(value[0].clone() for value in shared)]

    for one, another in zip(state(11), state(12), strict=True):
        assert torch.equal(one, another)


def test_a_cancelled_row_is_free_at_once() -> None:
    decoder = Decoder(debug_model("plain"), rows=1)
    endless = GenerateOptions(max_new_tokens=60, eos_free_steps=60, seed=0)
    first, second = (decoder.submit(Item(torch.tensor([place])), endless) for place in (3, 4))
    decoder.pump()
    assert (first.state, second.state, decoder.free) == (State.RUNNING, State.WAITING, 0)
    decoder.cancel(first)
    assert (first.state, decoder.free) == (State.CANCELLED, 1)
    decoder.pump()
    assert second.state is State.RUNNING
    assert len(decoder.result(second)) == 60
    decoder.cancel(second)
    assert second.state is State.FULL


def test_a_waiting_request_can_be_cancelled() -> None:
    decoder = Decoder(debug_model("plain"), rows=1)
    tickets = [decoder.submit(Item(torch.tensor([3])), GenerateOptions(max_new_tokens=3, seed=0)) for _ in range(3)]
    decoder.cancel(tickets[1])
    assert decoder.result(tickets[2]).tolist() == decoder.result(tickets[0]).tolist()
    assert tickets[1].codes == [] and tickets[1].state is State.CANCELLED


def test_a_request_can_cancel_itself_while_it_is_heard() -> None:
    decoder = Decoder(debug_model("plain"), rows=2)
    options = GenerateOptions(max_new_tokens=60, eos_free_steps=60, seed=0)
    other = decoder.submit(Item(torch.tensor([5])), options)

    def enough(codes: list[int]) -> None:
        if len(ticket.codes) >= 7:
            decoder.cancel(ticket)

    ticket = decoder.submit(Item(torch.tensor([3])), options, enough)
    assert len(decoder.result(ticket)) == 7 and ticket.state is State.CANCELLED
    assert len(decoder.result(other)) == 60


def test_the_queue_is_bounded_and_first_come_is_first_served() -> None:
    decoder = Decoder(debug_model("plain"), rows=2, queue=6)
    options = GenerateOptions(max_new_tokens=5, eos_free_steps=5, seed=0)
    order: list[int] = []
    tickets = []
    for place in range(6):

        def note(codes: list[int], place: int = place) -> None:
            if place not in order:
                order.append(place)

        tickets.append(decoder.submit(Item(torch.tensor([place])), options, note))
    with pytest.raises(BusyError, match="6 requests are waiting already"):
        decoder.submit(Item(torch.tensor([3])), options)
    decoder.result(tickets[-1])
    assert order == list(range(6))


def test_running_requests_wait_for_one_prefill_per_step() -> None:
    decoder = Decoder(debug_model("plain"), rows=8)
    options = GenerateOptions(max_new_tokens=20, eos_free_steps=20, seed=0)
    decoder.submit(Item(torch.tensor([3])), options)
    decoder.pump()
    for _ in range(5):
        decoder.submit(Item(torch.tensor([4])), options)
    free = []
    for _ in range(6):
        decoder.pump()
        free.append(decoder.free)
    assert free == [6, 5, 4, 3, 2, 2]


def test_threads_share_a_decoder() -> None:
    model = debug_model("plain")
    decoder = Decoder(model, rows=4)
    requests = [random_request(random.Random(place)) for place in range(12)]
    results: dict[int, list[int]] = {}

    def work(place: int) -> None:
        results[place] = decoder.result(decoder.submit(*requests[place])).tolist()

    threads = [threading.Thread(target=work, args=(place,)) for place in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for place, (item, options) in enumerate(requests):
        assert results[place] == generate(model, item.phones, item.bert, item.prompt, options).tolist()


def test_rows_are_shared_out_evenly_among_groups() -> None:
    """Who asks for twenty sentences does not make another one wait for all of them."""
    decoder = Decoder(debug_model("plain"), rows=2)
    options = GenerateOptions(max_new_tokens=4, eos_free_steps=4, seed=0)
    order: list[str] = []

    def ask(name: str) -> None:
        def note(codes: list[int]) -> None:
            if ticket.codes == codes:
                order.append(name)

        ticket = decoder.submit(Item(torch.tensor([3])), options, note, group=name)

    for name in ("long",) * 6 + ("short",) * 2:
        ask(name)
    while decoder.busy:
        decoder.pump()
    assert order[:4].count("short") == 2 and order.count("long") == 6


def test_the_queue_counts_groups() -> None:
    decoder = Decoder(debug_model("plain"), rows=1, queue=2)
    for _ in range(5):
        decoder.submit(Item(torch.tensor([3])), group="one")
    decoder.submit(Item(torch.tensor([3])), group="other")
    with pytest.raises(BusyError, match="2 requests are waiting already"):
        decoder.submit(Item(torch.tensor([3])), group="third")


def test_nobody_waits_for_a_step_to_submit_or_cancel() -> None:
    """While one thread is in the middle of a step."""
    decoder = Decoder(debug_model("plain"), rows=2)
    options = GenerateOptions(max_new_tokens=9, eos_free_steps=9, seed=0)
    inside, leave = threading.Event(), threading.Event()

    def hold(codes: list[int]) -> None:
        inside.set()
        assert leave.wait(60)

    first = decoder.submit(Item(torch.tensor([3])), options, hold)
    worker = threading.Thread(target=lambda: decoder.result(first))
    worker.start()
    assert inside.wait(60)
    second, third = (decoder.submit(Item(torch.tensor([place])), options) for place in (4, 5))
    decoder.cancel(second)
    assert (second.state, third.state) == (State.CANCELLED, State.WAITING)
    decoder.cancel(first)
    assert first.state is State.CANCELLED and decoder.free == 2
    leave.set()
    worker.join(60)
    assert len(decoder.result(third)) == 9 and second.codes == [] and len(first.codes) == 1


def test_a_step_that_breaks_down_breaks_it_for_all_and_then_goes_on() -> None:
    model = debug_model("plain")
    decoder = Decoder(model, rows=2)
    options = GenerateOptions(max_new_tokens=5, eos_free_steps=5, seed=0)
    tickets = [decoder.submit(Item(torch.tensor([place])), options) for place in (3, 4)]
    head, model.head.weight.data = model.head.weight.data, torch.zeros(3, 3)
    for ticket in tickets:
        with pytest.raises(RuntimeError):
            decoder.result(ticket)
    model.head.weight.data = head
    assert len(decoder.result(decoder.submit(Item(torch.tensor([3])), options))) == 5


def test_the_cache_is_as_large_as_what_runs() -> None:
    decoder = Decoder(debug_model("plain"), rows=16, bucket=16)
    options = GenerateOptions(max_new_tokens=40, eos_free_steps=40, seed=0)
    for ticket in [decoder.submit(Item(torch.tensor([place])), options) for place in range(3)]:
        decoder.result(ticket)
    assert decoder.cache.keys.shape[1] == 4 and decoder.cache.capacity >= 41
    decoder.rest()
    assert decoder.cache.keys.shape[1] == 1 and decoder.cache.capacity == 16


def test_changed_weights_are_used_from_the_next_request_on() -> None:
    model = debug_model("float32")
    decoder, options = Decoder(model, rows=2), GenerateOptions(max_new_tokens=30, seed=0)
    item = Item(torch.tensor([3, 4]), None, torch.tensor([5]))
    before = decoder.result(decoder.submit(item, options)).tolist()
    with torch.no_grad():
        model.head.weight[:] = model.head.weight.flip(0)
    after = decoder.result(decoder.submit(item, options)).tolist()
    assert after == generate(model, item.phones, None, item.prompt, options).tolist() != before


def test_a_request_that_fails_leaves_the_others_alone() -> None:
    decoder = Decoder(debug_model("plain"), rows=2)
    options = GenerateOptions(max_new_tokens=5, eos_free_steps=5, seed=0)
    bad = decoder.submit(Item(torch.zeros(5000, dtype=torch.long)), options)
    good = decoder.submit(Item(torch.tensor([3])), options)
    assert len(decoder.result(good)) == 5
    with pytest.raises(InputError, match="longer than the model's 4000"):
        decoder.result(bad)
    with pytest.raises(InputError, match="phone ids must lie in 0 to 19"):
        decoder.submit(Item(torch.tensor([20])))


def test_limits() -> None:
    model = debug_model("plain")
    endless = GenerateOptions(eos_free_steps=1500, seed=0)
    phones = torch.tensor([3])
    assert len(generate(model, phones, options=endless.model_copy(update={"max_new_tokens": 30}))) == 30
    assert len(generate(model, phones, options=endless.model_copy(update={"max_seconds": 0.5}))) == 12


@pytest.mark.parametrize("form", FORMS[1:])
def test_golden_sequences_through_the_compiled_step(form: Any, items: list[Item], inference: dict[str, Any]) -> None:
    """The public greedy codes; with rounded weights they start alike."""
    model = small_model()
    prepare(model, form)
    decoder = Decoder(model, rows=2)
    options = GenerateOptions(top_k=1, max_new_tokens=61)
    for item, expected in zip(items, inference["naive_batched"]["y"], strict=True):
        assert item.prompt is not None
        codes = decoder.result(decoder.submit(item, options)).tolist()
        new = expected[len(item.prompt) :]
        assert codes == new if form == "float32" else codes[:5] == new[:5]


def test_repetition_aware_sampling_breaks_loops() -> None:
    """A model that would say one code for ever is made to choose among all."""
    model = debug_model("plain")
    with torch.no_grad():
        model.head.weight[7] = 0
        model.head.weight *= 0.01
        model.code_embedding.weight.zero_()
        model.head.weight[7] += 0.3 * torch.sign(model.layers[-1].feed_norm.bias + 1)
    plain = GenerateOptions(top_k=2, repetition_penalty=1.0, max_new_tokens=100, eos_free_steps=100, seed=1)
    aware = plain.model_copy(update={"repeat_window": 10, "repeat_share": 0.2})
    phones = torch.tensor([3, 4])
    loop, broken = (generate(model, phones, options=options).tolist() for options in (plain, aware))
    assert len(set(broken)) > len(set(loop))


def test_memory_does_not_grow_over_many_requests() -> None:
    decoder = Decoder(debug_model("float32"), rows=16, queue=10000, bucket=64)
    options = GenerateOptions(max_new_tokens=1, top_k=1)

    def many() -> int:
        tickets = [decoder.submit(Item(torch.tensor([3, 4]), None, torch.tensor([5])), options) for _ in range(200)]
        while decoder.busy:
            decoder.pump()
        assert all(ticket.codes for ticket in tickets)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    first = many()
    assert max(many() for _ in range(3)) < first + 20_000  # KiB


@pytest.mark.parametrize("form", FORMS)
def test_draws_of_one_sentence_are_prefilled_once(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two sentences by turns, one of which is cancelled, on fewer rows than draws; as if each were alone."""
    model = debug_model(form)
    decoder, options = Decoder(model, rows=3), GenerateOptions(top_k=10, max_new_tokens=12)
    sentences = [Item(torch.arange(33 + n) % 20, None, torch.arange(35 + n)) for n in range(3)]
    draws = [[replace(item, seed=10 * n + k) for k in range(4)] for n, item in enumerate(sentences)]
    alone = [[generate(model, i.phones, None, i.prompt, options.model_copy(update={"seed": i.seed})) for i in items]
             for items in draws]  # fmt: skip
    begun: list[int] = []
    plain = Text2SemanticDecoder.prefill

    def counted(self: Text2SemanticDecoder, prefix: Any, *args: Any, **options: Any) -> Any:
        begun.append(prefix.phones.shape[1])
        return plain(self, prefix, *args, **options)

    monkeypatch.setattr(Text2SemanticDecoder, "prefill", counted)
    tickets = [[decoder.submit(item, options, group=n) for item in items] for n, items in enumerate(draws)]
    codes = [[decoder.result(ticket).tolist() for ticket in tickets[n]] for n in range(2)]
    assert codes == [[drawn.tolist() for drawn in each] for each in alone[:2]]
    for ticket in tickets[2]:
        decoder.cancel(ticket)
    assert len({tuple(drawn) for each in codes for drawn in each}) > 2
    assert sorted(begun)[:2] == [33, 34] and len(begun) == len(set(begun))
    decoder.result(decoder.submit(replace(sentences[0], seed=99), options))
    assert not decoder._prefill._kept
