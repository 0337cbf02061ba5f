"""Sentences to codes to waves.

By default a sentence sounds the same whatever it is spoken together with: its draws depend on the seed and its place in
the text only, and stage 2 decodes it by itself. `compat` repeats the public implementation instead.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ar import GenerateOptions, Item
from ar.compat import public_limit, public_panel
from ar.decoder import Decoder, Ticket
from ar.reader import CodeReader
from ar.reading import reading_costs
from gpt_sovits.core.device import generator
from gpt_sovits.pipeline.parts import Parts
from gpt_sovits.pipeline.prompt import Prompt, Voice
from gpt_sovits.pipeline.request import Sampling
from gpt_sovits.pipeline.text import Sentence
from sovits.together import Together

CODES_PER_PHONE = 12.5
"""Twice as slow as the slowest speech that stage 1 is trained on (3 phones a second at 25 codes a second)."""
SLACK = 50
"""Codes allowed beyond that, for pauses of short sentences."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """Codes [t] of one sentence; `fault` says in words what is wrong with them."""

    codes: Tensor
    fault: str | None = None


def derive(seed: int, *parts: object) -> int:
    """A seed of its own for each purpose: 63 bits of a hash."""
    text = "/".join(map(str, (seed, *parts)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


@torch.inference_mode()
def speak_codes(
    decoder: Decoder,
    prompt: Prompt,
    sentences: Mapping[int, Sentence],
    options: Sampling,
    seed: int,
    reader: CodeReader | None = None,
) -> dict[int, Spoken]:
    """Stage 1 for sentences side by side, by their place in the text; others may use the decoder meanwhile.

    One that comes out empty or never ends is drawn again with another seed.

    Args:
        reader: chooses among several draws of a sentence; None: stage 1 itself, where it can.
    """
    if options.compat:
        return _public_codes(decoder, prompt, sentences, options, seed)
    results: dict[int, Spoken] = {}
    waiting = dict(sentences)
    for attempt in range(options.retries + 1):
        for place, draws in _draw(decoder, prompt, waiting, options, (seed, attempt)).items():
            new = _choose(decoder, prompt, waiting[place], draws, options, reader)
            results[place] = _better(results.get(place), new)
            if results[place].fault is None:
                del waiting[place]
        if not waiting or options.top_k == 1:  # greedy: every draw is the same
            break
    return results


@torch.inference_mode()
def speak_waves(
    parts: Parts,
    voice: Voice,
    items: Mapping[int, tuple[Tensor, Tensor]],
    options: Sampling,
    seed: int,
    together: Together | None = None,
) -> dict[int, Tensor]:
    """Stage 2: (phones, codes) by place in the text -> waves [w].

    Args:
        together: decodes the sentences in one call; None: one after the other, which on a CPU is faster.
    """
    if not items:
        return {}
    if options.compat and options.speed == 1:
        phones, codes = zip(*items.values(), strict=True)
        whole = _decode(parts, voice, torch.cat(phones), torch.cat(codes), options, seed)
        per_code = whole.shape[-1] // sum(map(len, codes))
        return dict(zip(items, torch.split(whole, [len(c) * per_code for c in codes]), strict=True))
    if together is not None:
        sources = [generator(derive(seed, "wave", place)) for place in items]
        pairs = [(codes, phones) for phones, codes in items.values()]
        waves = together(pairs, voice.style, sources, options.noise_scale, options.speed)
        return {place: wave.cpu() for place, wave in zip(items, waves, strict=True)}
    return {
        place: _decode(parts, voice, phones, codes, options, derive(seed, "wave", place))
        for place, (phones, codes) in items.items()
    }


def _decode(parts: Parts, voice: Voice, phones: Tensor, codes: Tensor, options: Sampling, seed: int) -> Tensor:
    wave = parts.synthesizer.decode_batch(
        codes[None].to(parts.device),
        phones[None].to(parts.device),
        list(voice.spectrograms),
        speaker_embeddings=None if voice.speakers is None else list(voice.speakers),
        noise_scale=options.noise_scale,
        speed=options.speed,
        generator=generator(seed),
        style=voice.style,
    )
    return wave[0].float().cpu()


def _draw(
    decoder: Decoder, prompt: Prompt, sentences: Mapping[int, Sentence], options: Sampling, seeds: tuple[int, int]
) -> dict[int, list[Tensor]]:
    """The candidates of every sentence; the first is what is drawn where only one is asked for."""
    group = object()
    count = 1 if options.top_k == 1 else options.candidates
    tickets: dict[int, list[Ticket]] = {place: [] for place in sentences}
    try:
        for place, sentence in sentences.items():
            settings = stage_1_options(options, code_limit(sentence, options))
            item = stage_1_item(prompt, sentence, 0)
            for number in range(count):
                seed = derive(*seeds, "codes", place, *((number,) if number else ()))
                tickets[place].append(decoder.submit(replace(item, seed=seed), settings, group=group))
        return {place: [decoder.result(ticket) for ticket in each] for place, each in tickets.items()}
    finally:  # where one fails or the wait is broken off, the others are in nobody's interest
        for each in tickets.values():
            for ticket in each:
                decoder.cancel(ticket)


def _choose(
    decoder: Decoder,
    prompt: Prompt,
    sentence: Sentence,
    draws: list[Tensor],
    options: Sampling,
    reader: CodeReader | None,
) -> Spoken:
    """The faultless draw that reads the text best; where there is none, the first."""
    judged = [_judge(codes, code_limit(sentence, options)) for codes in draws]
    good = [spoken for spoken in judged if spoken.fault is None]
    if len(good) < 2:
        return good[0] if good else judged[0]
    if reader is not None:
        costs = reader.costs([spoken.codes for spoken in good], sentence.phones)
        return good[costs.index(min(costs))]
    said = prompt.before(sentence)
    read = 0 if said is None else len(said.sentence.phones)
    items = [stage_1_item(prompt, sentence, 0)] * len(good)
    costs = reading_costs(decoder.model, items, [spoken.codes for spoken in good], [read] * len(good))
    return good[costs.index(min(costs))]


def stage_1_item(prompt: Prompt, sentence: Sentence, seed: int) -> Item:
    said = prompt.before(sentence)
    if said is None:
        return Item(sentence.phones, sentence.bert, seed=seed)
    before, bert = said.sentence, None
    if sentence.bert is not None and before.bert is not None:
        bert = torch.cat([before.bert, sentence.bert], dim=1)
    return Item(torch.cat([before.phones, sentence.phones]), bert, said.codes, seed)


def code_limit(sentence: Sentence, options: Sampling) -> int:
    return min(options.max_codes, math.ceil(len(sentence.phones) * CODES_PER_PHONE) + SLACK)


def _judge(codes: Tensor, limit: int) -> Spoken:
    if len(codes) == 0:
        return Spoken(codes, "came out empty")
    if len(codes) >= limit:
        return Spoken(codes[:limit], f"did not end within {limit} codes")
    return Spoken(codes)


def _better(old: Spoken | None, new: Spoken) -> Spoken:
    """A faultless draw before a faulty one, any sound before none, the earlier before the later."""
    if old is None or new.fault is None or len(old.codes) == 0:
        return new
    return old


def _public_codes(
    decoder: Decoder, prompt: Prompt, sentences: Mapping[int, Sentence], options: Sampling, seed: int
) -> dict[int, Spoken]:
    """As the public implementation, which takes as many codes from the end as its loop counted."""
    items = [stage_1_item(prompt, sentence, derive(seed, 0, "codes", place)) for place, sentence in sentences.items()]
    settings = stage_1_options(options, public_limit(options.max_codes))
    results = public_panel(decoder.model, items, settings, batched=options.batch_size > 1, decoder=decoder)
    return {place: Spoken(codes[-index:]) for place, (codes, index) in zip(sentences, results, strict=True)}


def stage_1_options(options: Sampling, limit: int) -> GenerateOptions:
    return GenerateOptions(
        top_k=options.top_k,
        top_p=options.top_p,
        temperature=options.temperature,
        repetition_penalty=options.repetition_penalty,
        repeat_window=options.repeat_window,
        max_new_tokens=limit,
    )
