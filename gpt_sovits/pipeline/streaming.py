"""Speaking while still thinking: waves of a sentence whose codes are not all there yet.

Every piece is decoded with all the codes so far as context, of which only the last are turned into sound. Where two
pieces meet, stage 2 fades features into each other and the waves are joined where they fit best.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ar import stream
from ar.chunks import ChunkRule, chunks, silence_similarity
from ar.compat import public_limit
from ar.decoder import Decoder
from gpt_sovits.core.device import generator
from gpt_sovits.pipeline.parts import Parts
from gpt_sovits.pipeline.postprocess import join_at_best_fit
from gpt_sovits.pipeline.prompt import Prompt
from gpt_sovits.pipeline.request import Sampling
from gpt_sovits.pipeline.synthesis import code_limit, derive, stage_1_item, stage_1_options
from gpt_sovits.pipeline.text import Sentence

OVERLAP = 2
"""Codes that two pieces have in common."""
FEWEST = 10
"""A piece with fewer new codes is decoded from further back, for the generator to get under way."""
SILENT_FROM = 0.0
"""Similarity with the silent code from which a code counts as a place to cut (public GPT-SoVITS)."""


def cutting_rule(parts: Parts, length: int, at_silence: bool) -> ChunkRule:
    """Cut after at least `length` codes, at once or at the next silence."""
    similarity = silence_similarity(parts.text2semantic) if at_silence else None
    return ChunkRule(length, None if similarity is None else similarity.cpu(), SILENT_FROM)


@torch.inference_mode()
def stream_waves(
    parts: Parts,
    decoder: Decoder,
    prompt: Prompt,
    sentence: Sentence,
    place: int,
    rule: ChunkRule,
    options: Sampling,
    seed: int,
) -> Generator[Tensor, None, None]:
    """Waves [w] of one sentence, one after the other without gaps; `place` is its number in the text."""
    longest = public_limit(options.max_codes) if options.compat else code_limit(sentence, options)
    spoken = stage_1_item(prompt, sentence, derive(seed, 0, "codes", place))
    codes: list[int] = []

    def noted() -> Iterator[int]:
        for emission in stream(parts.text2semantic, [spoken], stage_1_options(options, longest), decoder):
            if emission.token is not None:
                codes.append(emission.token)
                yield emission.token

    mouth = _Mouth(parts, prompt, sentence, options)
    # Pieces cut at a silence repeat codes; what has been drawn so far is told apart by its number instead.
    for number, (_, final) in enumerate(chunks(noted(), rule)):
        wave = mouth.say(torch.tensor(codes), final, derive(seed, "wave", place, number))
        if wave.numel():
            yield wave


@dataclass
class _Mouth:
    """What the next piece needs to know of the last one."""

    parts: Parts
    prompt: Prompt
    sentence: Sentence
    options: Sampling
    done: int = 0
    """Codes decoded so far."""
    features: Tensor | None = None
    tail: Tensor = field(default_factory=lambda: torch.zeros(0))
    """The last samples, held back to be joined with the next piece."""

    def say(self, codes: Tensor, final: bool, seed: int) -> Tensor:
        new = len(codes) - self.done
        if new == 0:
            return self.tail if final else torch.zeros(0)
        first = self.features is None
        back = OVERLAP if first else OVERLAP + max(0, FEWEST - new)
        wave = self._decode(codes, None if first else new + back, back, seed)
        per_code = wave.shape[-1] / (len(codes) if first else new + back)
        if not first:
            wave = wave[-round((new + OVERLAP) * per_code) :]
            if not (final and self.options.compat):  # the public implementation butts the last piece on
                wave = join_at_best_fit(self.tail, wave)
        self.done = len(codes)
        if final:
            return wave
        held = round(OVERLAP * per_code)
        self.tail = wave[-held:]
        return wave[:-held]

    def _decode(self, codes: Tensor, length: int | None, back: int, seed: int) -> Tensor:
        parts, voice = self.parts, self.prompt.voice
        previous = None if self.features is None else self.features[..., -2 * back :]
        wave, self.features = parts.synthesizer.decode_streaming(
            codes[None].to(parts.device),
            self.sentence.phones[None].to(parts.device),
            list(voice.spectrograms),
            speaker_embeddings=None if voice.speakers is None else list(voice.speakers),
            noise_scale=self.options.noise_scale,
            speed=self.options.speed,
            generator=generator(seed),
            result_length=length,
            overlap=previous,
            style=voice.style,
        )
        return wave[0].float().cpu()
