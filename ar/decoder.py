"""Many requests through one model: each is taken in, decoded side by side with the others, and let go when it ends."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol, cast

import torch
from torch import Tensor

from ar.cache import GROWTH, KeyValueCache
from ar.graph import Graphed, cuda_recorder
from ar.items import Item, check, collate
from ar.model import Text2SemanticDecoder
from ar.rows import Rows
from ar.sampling import GenerateOptions
from gpt_sovits.core.errors import GPTSoVITSError

LOOK_EVERY = 8
"""Steps between two looks of the host, on a GPU."""


class State(Enum):
    """Where a request stands."""

    WAITING = "waiting"
    RUNNING = "running"
    ENDED = "ended"
    """At its end mark."""
    FULL = "full"
    """At its limit."""
    CANCELLED = "cancelled"
    FAILED = "failed"


OPEN = (State.WAITING, State.RUNNING)


@dataclass(slots=True, eq=False)
class Ticket:
    """One request and what has come of it."""

    item: Item
    options: GenerateOptions
    on_tokens: Callable[[list[int]], None] | None = None
    """Called with the codes that are new; by whichever thread drives the decoder. Must not raise."""
    codes: list[int] = field(default_factory=list)
    state: State = State.WAITING
    error: GPTSoVITSError | None = None
    limit: int = 0
    row: int | None = None

    @property
    def done(self) -> bool:
        return self.state not in OPEN


class BusyError(GPTSoVITSError):
    """The queue is full."""

    def __init__(self, waiting: int) -> None:
        super().__init__(f"{waiting} requests are waiting already: try again later")


class Step(Protocol):
    """A decode step whose results for a row do not depend on the other rows."""

    cache_dtype: torch.dtype

    def current(self, model: Text2SemanticDecoder) -> bool:
        """Whether it computes with the model's present weights."""
        ...


class RowStep(Step, Protocol):
    """For a CPU: computes the rows it is asked for."""

    def __call__(self, tokens: Tensor, rows: Sequence[int], cache: KeyValueCache, filled: Sequence[int]) -> Tensor:
        """Append `tokens` [r] to `rows`, which hold `filled` slots -> logits [r, v]; ends are the caller's business."""
        ...


class WholeStep(Step, Protocol):
    """For a GPU: computes all rows."""

    def whole(self, tokens: Tensor, cache: KeyValueCache) -> Tensor:
        """Append `tokens` [b] to every row -> logits [b, v]; moves ends and positions on."""
        ...


class PlainStep:
    """The model's own step, row after row: a matrix product of several rows may round differently from one's."""

    def __init__(self, model: Text2SemanticDecoder) -> None:
        self.model = model
        self.cache_dtype = model.head.weight.dtype

    def __call__(self, tokens: Tensor, rows: Sequence[int], cache: KeyValueCache, filled: Sequence[int]) -> Tensor:
        logits = []
        for place, (row, count) in enumerate(zip(rows, filled, strict=True)):
            view = cache.row(row, count + 1)
            logits.append(self.model.step(tokens[place : place + 1], view))
            view.end.sub_(1)
            view.position.sub_(1)
        return torch.cat(logits)

    def whole(self, tokens: Tensor, cache: KeyValueCache) -> Tensor:
        return self.model.step(tokens, cache)

    def current(self, model: Text2SemanticDecoder) -> bool:
        return model is self.model


class Decoder:
    """Decodes requests side by side, giving each exactly the codes it would get alone.

        decoder = Decoder(model, rows=16)
        tickets = [decoder.submit(item, options) for item in items]
        codes = [decoder.result(ticket) for ticket in tickets]

    Requests enter in the order they came, one per step so that those already running are not held up. Threads may
    share a decoder: whoever waits for a result drives it for all.

    On a GPU every step computes all rows, in one CUDA graph with the draw, and the host looks at the codes every
    `look` steps; there a request alone means alone in a decoder of the same number of rows.
    """

    def __init__(
        self,
        model: Text2SemanticDecoder,
        rows: int = 16,
        queue: int = 256,
        step: Step | None = None,
        look: int | None = None,
        bucket: int = GROWTH,
    ) -> None:
        config, weight = model.config, model.head.weight
        self.model = model
        self.rows = Rows(rows, config.codes, config.eos, weight.device)
        self.on_gpu = weight.device.type == "cuda"
        self.look = look or (LOOK_EVERY if self.on_gpu else 1)
        self.queue_size = queue
        fast = model.fast if model.fast is not None and model.fast.current(model) else None
        self.step = step or fast or PlainStep(model)
        self.cache = KeyValueCache(config, rows, bucket, self.step.cache_dtype, weight.device, bucket)
        self._advance = Graphed(self._draw_and_step, cuda_recorder() if self.on_gpu else None)
        self._running: list[Ticket | None] = [None] * rows
        self._filled = [0] * rows
        self._ages = [0] * rows
        self._waiting: deque[Ticket] = deque()
        self._lock = threading.RLock()

    @property
    def busy(self) -> bool:
        """Whether anything is waiting or running."""
        return bool(self._waiting) or any(self._running)

    @property
    def free(self) -> int:
        """Rows nobody uses."""
        return self._running.count(None)

    def submit(
        self,
        item: Item,
        options: GenerateOptions | None = None,
        on_tokens: Callable[[list[int]], None] | None = None,
    ) -> Ticket:
        """Queue a request.

        Raises:
            BusyError: the queue is full.
            InputError: no phones, or an id, a code or a shape the model does not have.
            ConfigError: the model is in training mode.
        """
        check(self.model, item)
        options = options or GenerateOptions()
        room = self.model.config.max_positions - (0 if item.prompt is None else len(item.prompt))
        ticket = Ticket(item, options, on_tokens, limit=max(1, min(options.limit, room)))
        with self._lock:
            if len(self._waiting) >= self.queue_size:
                raise BusyError(len(self._waiting))
            self._waiting.append(ticket)
        return ticket

    def cancel(self, ticket: Ticket) -> None:
        """Forget a request; its row is free at once. One that is done stays as it is."""
        with self._lock:
            if ticket.state is State.WAITING:
                self._waiting.remove(ticket)
            if not ticket.done:
                self._close(ticket, State.CANCELLED)

    def result(self, ticket: Ticket) -> Tensor:
        """Work until this request is done, and return its codes [t] on the CPU.

        Raises:
            GPTSoVITSError: what went wrong with it.
        """
        while not ticket.done:
            with self._lock:
                if not ticket.done:
                    self.pump()
        if ticket.error is not None:
            raise ticket.error
        return torch.tensor(ticket.codes, dtype=torch.long)

    @torch.inference_mode()
    def pump(self) -> None:
        """Admit at most one request per free row and step, and take one step, or on a GPU one look's worth of them."""
        with self._lock:
            self._admit()
            if not any(self._running):
                return
            if self.on_gpu:
                self._pump_gpu()
            else:
                self._make_noise()
                self.rows.draw()
                self._age()
                self._collect([(self.rows.tokens.tolist(), self.rows.ended.tolist())])
                self._step()

    def _admit(self) -> None:
        """Take in one waiting request; all that fit when nothing is running yet."""
        idle = not any(self._running)
        while self._waiting and None in self._running:
            ticket = self._waiting.popleft()
            try:
                self._start(ticket, self._running.index(None))
            except GPTSoVITSError as error:
                ticket.error = error
                self._close(ticket, State.FAILED)
            if not idle:
                return

    def _start(self, ticket: Ticket, row: int) -> None:
        prefix = collate(self.model, [ticket.item])
        # Prefilled alone: in company it might round differently.
        logits, cache = self.model.prefill(prefix, 0)
        before = self.cache.keys.data_ptr()
        self.cache.put(row, cache)
        if self.cache.keys.data_ptr() != before:
            self._advance.forget()
        seed = ticket.options.seed if ticket.item.seed is None else ticket.item.seed
        self.rows.start(row, ticket.options, seed, prefix.codes[0], logits[0])
        self._filled[row] = cache.filled
        self._ages[row] = 0
        self._running[row] = ticket
        ticket.row, ticket.state = row, State.RUNNING

    def _close(self, ticket: Ticket, state: State) -> None:
        ticket.state = state
        if ticket.row is not None:
            self._running[ticket.row] = None
            self.rows.stop(ticket.row)
            ticket.row = None

    def _make_noise(self) -> None:
        for row, ticket in enumerate(self._running):
            if ticket is not None:
                self.rows.need_noise(row, self._ages[row])

    def _age(self) -> None:
        self._ages = [age + 1 for age in self._ages]

    def _step(self) -> None:
        """Compute the logits that follow the drawn codes, for the rows still running."""
        active = [row for row, ticket in enumerate(self._running) if ticket is not None]
        if not active:
            return
        filled = [self._filled[row] for row in active]
        self.cache.open(max(filled) + 1)
        index = torch.tensor(active)
        step = cast(RowStep, self.step)
        self.rows.logits[index] = step(self.rows.tokens[index], active, self.cache, filled).float()
        self.cache.end[index] += 1
        self.cache.position[index] += 1
        for row in active:
            self._filled[row] += 1

    def _pump_gpu(self) -> None:
        seen = []
        for _ in range(self.look):
            self._make_noise()
            before = self.cache.keys.data_ptr()
            used = [self._filled[row] for row, ticket in enumerate(self._running) if ticket is not None]
            self.cache.open(max(used) + 1)
            if self.cache.keys.data_ptr() != before:
                self._advance.forget()
            self._advance((self.cache.window, self.rows.shape_key()))
            seen.append(torch.stack((self.rows.tokens, self.rows.ended.long())))
            self._age()
            self._filled = [count + 1 for count in self._filled]
        looked: list[list[list[int]]] = torch.stack(seen).tolist()
        self._collect([(tokens, [bool(end) for end in ended]) for tokens, ended in looked])

    def _draw_and_step(self) -> None:
        """All rows, the unused ones too: the shapes stay. Unused rows stay within the cache."""
        self.rows.draw()
        self.cache.end.clamp_(max=self.cache.window - 1)
        self.cache.position.clamp_(max=self.model.config.max_positions - 1)
        self.rows.logits.copy_(cast(WholeStep, self.step).whole(self.rows.tokens, self.cache))

    def _collect(self, steps: list[tuple[list[int], list[bool]]]) -> None:
        """Hand out what was drawn, and let go of rows that have ended; draws after an end are dropped."""
        for row, ticket in enumerate(list(self._running)):
            if ticket is None or ticket.done:
                continue
            new: list[int] = []
            for tokens, ended in steps:
                if ended[row]:
                    self._close(ticket, State.ENDED)
                    break
                new.append(tokens[row])
                if len(ticket.codes) + len(new) >= ticket.limit:
                    self._close(ticket, State.FULL)
                    break
            ticket.codes += new
            if new and ticket.on_tokens is not None:
                ticket.on_tokens(new)
