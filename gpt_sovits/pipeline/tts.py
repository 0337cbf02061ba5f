"""The pipeline's front door."""

from __future__ import annotations

import hashlib
import logging
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ar.decoder import BusyError, Decoder
from ar.kernels.native import Precision
from feature_extractor.text import user_dictionary
from gpt_sovits.core.errors import AudioError, InputError, TextError
from gpt_sovits.core.graph import device_recorder
from gpt_sovits.pipeline.audio import Audio
from gpt_sovits.pipeline.batching import group
from gpt_sovits.pipeline.kept import Kept
from gpt_sovits.pipeline.parts import Parts, load_parts
from gpt_sovits.pipeline.postprocess import join, without_leading_silence
from gpt_sovits.pipeline.prompt import Prompt, Said, Voice, read_voice
from gpt_sovits.pipeline.request import Request, parse_request
from gpt_sovits.pipeline.streaming import cutting_rule, stream_waves
from gpt_sovits.pipeline.synthesis import Spoken, speak_codes, speak_waves
from gpt_sovits.pipeline.text import Sentence, end_marked, read_sentence, read_text
from gpt_sovits.pipeline.voices import switch_voice
from sovits.together import Together

log = logging.getLogger(__name__)
ROWS, QUEUE = 16, 64
KEPT_BYTES = 256 * 2**20


class TTS:
    """A loaded voice model that speaks.

        from gpt_sovits import TTS
        TTS("tiny").speak("Hello there.", reference="voice.wav").save("hello.wav")

    The object keeps the voices it heard last, by the content of their files, and the sentences they say, up to a number
    of bytes; nothing else outlives a request.

    Threads may share it. Requests are then decoded side by side, rows of stage 1 being shared out evenly, and each
    says exactly what it says alone.
    """

    def __init__(
        self,
        model: str | Path | Parts = "tiny",
        device: str = "auto",
        *,
        s1: str | Path | None = None,
        s2: str | Path | None = None,
        precision: Precision = "float32",
        rows: int = ROWS,
        queue: int = QUEUE,
    ) -> None:
        """Load a model by name or folder; `s1` and `s2` replace its stages by other weights files.

        Args:
            precision: how exactly a CPU computes, see `load_parts`.
            rows: sentences, of all requests, that stage 1 decodes side by side.
            queue: requests that may be under way at a time; further ones are refused.
        """
        if isinstance(model, Parts):
            self.parts = model
        else:
            first, second = (None if path is None else Path(path) for path in (s1, s2))
            self.parts = load_parts(model, device, first, second, precision=precision)
        self._voices: Kept[Voice] = Kept(KEPT_BYTES)
        self._sentences: Kept[Sentence] = Kept(KEPT_BYTES)
        recorder = device_recorder(self.parts.device)
        self._decoder = Decoder(self.parts.text2semantic, rows, queue, recorder=recorder)
        self._together = None if recorder is None else Together(self.parts.synthesizer, recorder)
        self._reading, self._sounding, self._counting = threading.Lock(), threading.Lock(), threading.Condition()
        self._queue, self._under_way, self._changing = queue, 0, False

    @property
    def rate(self) -> int:
        """Samples per second of what is spoken."""
        return self.parts.synthesizer.config.spectrogram.rate

    def switch(self, voice: str | Path) -> None:
        """Speak in another voice over the same weights from now on, by its adapters; nothing large is read again.

        It waits for the requests under way, and those that come meanwhile wait for it.

        Args:
            voice: name or folder of a model that `finetune --lora` made of the loaded one, or of the loaded one itself.

        Raises:
            CheckpointError: it has weights of its own, or adapters of another model.
        """
        with self._counting:
            self._counting.wait_for(lambda: not self._changing)
            self._changing = True
            self._counting.wait_for(lambda: self._under_way == 0)
            try:
                self.parts = switch_voice(self.parts, voice)
            finally:
                self._changing = False
                self._counting.notify_all()

    def speak(self, text: str, *, reference: str | Path, **options: Any) -> Audio:
        """Say `text` in the voice of `reference`; options are the fields of `Request`.

        Raises:
            InputError: the text, the reference or an option cannot be used.
            BusyError: as many requests as may be are under way.
        """
        return self.run(parse_request({"text": text, "reference": reference, **options}))

    def run(self, request: Request) -> Audio:
        """Speak one request."""
        with self._taken():
            return self._run(self._advised(request))

    def fragments(self, request: Request) -> Iterator[NDArray[np.float32]]:
        """Speak one request batch by batch, in the order of the text; together the fragments are what `run` says."""
        with self._taken():
            request = self._advised(request)
            task = self._prepare(request, Clock())
            count = len(task.sentences)
            for batch in group([0] * count, request.batch_size, by_length=False):
                spoken, waves = self._batch(task, batch)
                self._report(task, spoken)
                yield join([waves[i] for i in sorted(waves)], self.rate, request.pause, request.silence).numpy()

    def stream(self, request: Request, length: int = 16, at_silence: bool = True) -> Iterator[NDArray[np.float32]]:
        """Speak one request while its codes are being drawn: sound starts after `length` codes of 40 ms.

        What is heard resembles what `run` says but is not the same samples, since the end of a piece is decoded
        before what follows is known. No sentence is drawn again; of silences, `silence` shortens those before one.

        Args:
            at_silence: cut pieces at the next silence after `length` codes instead of at once.
        """
        with self._taken():
            request = self._advised(request)
            task = self._prepare(request, Clock())
            rule = cutting_rule(self.parts, length, at_silence)
            for place, sentence in enumerate(task.sentences):
                pieces = stream_waves(self.parts, self._decoder, task.prompt, sentence, place, rule, request, task.seed)
                with closing(pieces):
                    for wave in pieces if request.silence is None else without_leading_silence(pieces, self.rate):
                        yield wave.clamp(-1, 1).numpy()
                if request.pause:
                    yield join([torch.zeros(0)], self.rate, request.pause).numpy()

    def _run(self, request: Request) -> Audio:
        clock = Clock()
        task = self._prepare(request, clock)
        spoken: dict[int, Spoken] = {}
        waves: dict[int, Tensor] = {}
        # the public implementation groups by length only at normal speed
        by_length = request.speed == 1 or not request.compat
        lengths = [len(sentence.normalised) for sentence in task.sentences]
        for batch in group(lengths, request.batch_size, request.batch_threshold, by_length):
            codes, sound = self._batch(task, batch)
            spoken.update(codes)
            waves.update(sound)
        warnings = self._report(task, spoken)
        if not waves:
            raise TextError(f"the model found nothing to say for {request.text!r}: use another seed or reference")
        return Audio(
            samples=join([waves[i] for i in sorted(waves)], self.rate, request.pause, request.silence).numpy(),
            rate=self.rate,
            seed=task.seed,
            timings=clock.finish(),
            warnings=tuple(warnings),
            codes=tuple(tuple(spoken[i].codes.tolist()) for i in sorted(spoken)),
        )

    @contextmanager
    def _taken(self) -> Iterator[None]:
        """One of the places for requests; when the last leaves, so does the memory that only decoding needs."""
        with self._counting:
            self._counting.wait_for(lambda: not self._changing)
            if self._under_way >= self._queue:
                raise BusyError(self._under_way)
            self._under_way += 1
        try:
            yield
        finally:
            with self._counting:
                self._under_way -= 1
                last = self._under_way == 0
                self._counting.notify_all()
            if last:
                self._decoder.rest()

    def _advised(self, request: Request) -> Request:
        return request.advised(self.parts.sampling, self.parts.name)

    def _prepare(self, request: Request, clock: Clock) -> Task:
        with clock("text"):
            words = None if request.dictionary is None else user_dictionary(request.dictionary)
            with self._reading:  # front ends share dictionaries and caches
                sentences, warnings = read_text(
                    self.parts,
                    request.text,
                    request.language,
                    request.cutting,
                    request.compat,
                    words,
                    request.cut_length,
                )
                said = self._said(request)
                own = self._own(request, sentences)
        with clock("reference"):
            continued = said is not None and any(sentence.language not in own for sentence in sentences)
            prompt = Prompt(self._voice(request.reference, request.aux_references, continued), said, own)
        seed = secrets.randbelow(2**31) if request.seed < 0 else request.seed
        for warning in warnings:
            log.warning(warning)
        return Task(request, sentences, prompt, seed, warnings, clock)

    def _batch(self, task: Task, batch: Sequence[int]) -> tuple[dict[int, Spoken], dict[int, Tensor]]:
        """Codes and waves of the sentences at these places."""
        with task.clock("codes"):
            chosen = {i: task.sentences[i] for i in batch}
            spoken = speak_codes(self._decoder, task.prompt, chosen, task.request, task.seed, self.parts.reader)
        with task.clock("wave"), self._sounding:  # one at a time: it needs much memory, and all threads
            voiced = {i: (chosen[i].phones, spoken[i].codes) for i in batch if len(spoken[i].codes)}
            waves = speak_waves(self.parts, task.prompt.voice, voiced, task.request, task.seed, self._together)
        return spoken, waves

    def _report(self, task: Task, spoken: dict[int, Spoken]) -> list[str]:
        """Everything that went wrong so far; what went wrong in `spoken` is logged."""
        faults = [
            f"sentence {place + 1} {spoken[place].fault}: {task.sentences[place].text.strip()!r}"
            for place in sorted(spoken)
            if spoken[place].fault is not None
        ]
        for fault in faults:
            log.warning(fault)
        return [*task.warnings, *faults]

    def _said(self, request: Request) -> Sentence | None:
        language = request.reference_language or request.language
        text = end_marked(request.reference_text or "", language)
        words = None if request.dictionary is None else user_dictionary(request.dictionary)
        if not text:
            return None
        if words is not None:
            return read_sentence(self.parts, text, language, request.compat, words)
        return self._read(text, language, request.compat)

    def _own(self, request: Request, sentences: Sequence[Sentence]) -> dict[str, Said]:
        """What the model continues by itself, in the languages of these sentences."""
        if request.manner == "reference" or request.compat:
            return {}
        prompts = self.parts.prompts
        if not prompts:
            raise InputError(f"{self.parts.name} brings no prompt of its own: ask for the manner of the reference")
        return {
            language: Said(
                self._read(prompts[language].text, language, False),
                torch.tensor(prompts[language].codes, device=self.parts.device),
            )
            for language in dict.fromkeys(sentence.language for sentence in sentences)
            if language in prompts
        }

    def _read(self, text: str, language: str, compat: bool) -> Sentence:
        key = (self.parts.fingerprint, text, language, compat)
        return self._sentences.get(key, lambda: read_sentence(self.parts, text, language, compat))

    def _voice(self, reference: Path, others: Sequence[Path], codes: bool = True) -> Voice:
        key = (self.parts.fingerprint, codes, *(_digest(path) for path in (reference, *others)))
        return self._voices.get(key, lambda: read_voice(self.parts, reference, others, codes))


@dataclass(frozen=True, slots=True)
class Task:
    """A request, read and heard."""

    request: Request
    sentences: list[Sentence]
    prompt: Prompt
    seed: int
    warnings: list[str]
    clock: Clock


class Clock:
    """Seconds spent by stage."""

    def __init__(self) -> None:
        self.start = time.perf_counter()
        self.stages: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        begin = time.perf_counter()
        try:
            yield
        finally:
            if torch.cuda.is_available():
                torch.cuda.current_stream().synchronize()  # not the device: another thread may be recording a graph
            self.stages[stage] = self.stages.get(stage, 0.0) + time.perf_counter() - begin

    def finish(self) -> dict[str, float]:
        return {**self.stages, "total": time.perf_counter() - self.start}


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise AudioError(f"the reference {path} cannot be read: {error.strerror or error}") from error
