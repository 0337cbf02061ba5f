"""Many requests through one model: each is taken in, decoded side by side with the others, and let go when it ends."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Hashable
from typing import cast

import torch
from torch import Tensor

from ar.cache import GROWTH, KeyValueCache
from ar.items import Item, check
from ar.model import Text2SemanticDecoder
from ar.prefill import Prefill
from ar.rows import Rows
from ar.sampling import GenerateOptions
from ar.steps import PlainStep, RowStep, Step, WholeStep
from ar.ticket import BusyError, State, Ticket
from gpt_sovits.core.errors import GPTSoVITSError
from gpt_sovits.core.graph import Graphed, Recorder, device_recorder

__all__ = ["BusyError", "Decoder", "State", "Ticket"]

LOOK_EVERY = 8
"""Steps between two looks of the host, on a GPU."""


class Decoder:
    """Decodes requests side by side, giving each exactly the codes it would get alone.

        decoder = Decoder(model, rows=16)
        tickets = [decoder.submit(item, options) for item in items]
        codes = [decoder.result(ticket) for ticket in tickets]

    Threads may share a decoder: whoever waits for a result drives it for all, one thread at a time. Requests enter one
    per step, so that those already running are not held up: first those of the group that holds the fewest rows, among
    equals in the order they came.

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
        recorder: Recorder | None = None,
    ) -> None:
        """Args:
        queue: groups that may have requests waiting.
        recorder: records steps over all rows for replay; None: CUDA's on a GPU, and none elsewhere.
        """
        config, device = model.config, model.head.weight.device
        recorder = recorder or device_recorder(device)
        self.model = model
        self.rows = Rows(rows, config.codes, config.eos, device)
        self.whole = recorder is not None
        self.look = look or (LOOK_EVERY if self.whole else 1)
        self.queue_size = queue
        self.bucket = bucket
        self._given, self._plain, self._recorder = step, PlainStep(model), recorder
        self._take(self._best())
        self._running: list[Ticket | None] = [None] * rows
        self._filled = [0] * rows
        self._ages = [0] * rows
        self._waiting: list[Ticket] = []
        # Guards who drives, the queue and how tickets end. The rest is the driver's own.
        self._meet = threading.Condition()
        self._driven = False

    @property
    def busy(self) -> bool:
        """Whether anything is waiting or running."""
        return bool(self._waiting) or self.free < len(self._running)

    @property
    def free(self) -> int:
        """Rows nobody uses."""
        return sum(ticket is None or ticket.done for ticket in self._running)

    def submit(
        self,
        item: Item,
        options: GenerateOptions | None = None,
        on_tokens: Callable[[list[int]], None] | None = None,
        group: Hashable = None,
    ) -> Ticket:
        """Queue a request; it never waits for a step.

        Args:
            on_tokens: see Ticket.
            group: what belongs together, such as the sentences of a text; None: this request alone.

        Raises:
            BusyError: the queue is full.
            InputError: no phones, or an id, a code or a shape the model does not have.
            ConfigError: the model is in training mode.
        """
        check(self.model, item)
        options = options or GenerateOptions()
        room = self.model.config.max_positions - (0 if item.prompt is None else len(item.prompt))
        ticket = Ticket(item, options, on_tokens, group, limit=max(1, min(options.limit, room)))
        if group is None:
            ticket.group = ticket
        with self._meet:
            groups = {waiting.group for waiting in self._waiting}
            if len(groups) >= self.queue_size and ticket.group not in groups:
                raise BusyError(len(groups))
            self._waiting.append(ticket)
        return ticket

    def cancel(self, ticket: Ticket) -> None:
        """Forget a request; its row is free at once. One that is done stays as it is."""
        with self._meet:
            if ticket.done:
                return
            if ticket.state is State.WAITING:
                self._waiting.remove(ticket)
            ticket.state = State.CANCELLED
            if not self._driven:
                self._let_go()

    def result(self, ticket: Ticket) -> Tensor:
        """Work until this request is done, and return its codes [t] on the CPU.

        Raises:
            Exception: what went wrong with it.
        """
        self.drive(lambda: ticket.done)
        if ticket.error is not None:
            raise ticket.error
        return torch.tensor(ticket.codes, dtype=torch.long)

    def drive(self, ready: Callable[[], bool]) -> None:
        """Work until `ready`, which is asked after each step, whoever took it."""
        while not ready():
            self.pump(ready)

    def pump(self, ready: Callable[[], bool] = lambda: False) -> None:
        """Admit and take one step, or on a GPU one look's worth of them; nothing if `ready` while others work."""
        with self._meet:
            self._meet.wait_for(lambda: ready() or not self._driven)
            if ready():
                return
            self._driven = True
        try:
            self._work()
        except BaseException as error:
            self._fail(error if isinstance(error, Exception) else GPTSoVITSError("decoding was interrupted"))
            raise
        finally:
            with self._meet:
                self._let_go()
                self._driven = False
                self._meet.notify_all()

    def rest(self) -> None:
        """Give back the memory of the cache when nothing is going on; on a GPU its graphs need it where it is."""
        with self._meet:
            if not (self._driven or self.busy or self.whole):
                self.cache = self._new_cache()

    @torch.inference_mode()
    def _work(self) -> None:
        self._let_go()
        self._admit()
        if self.free == len(self._running):
            return
        if self.whole:
            self._step_all()
        else:
            self._make_noise()
            self.rows.draw()
            self._age()
            self._collect([(self.rows.tokens.tolist(), self.rows.ended.tolist())])
            self._step()

    def _best(self) -> Step:
        """The step to use: that of the model, unless its weights have changed since."""
        fast = self.model.fast
        return self._given or (fast if fast is not None and fast.current(self.model) else self._plain)

    def _take(self, step: Step) -> None:
        self.step = step
        self.cache = self._new_cache()
        self._prefill = Prefill(self.model, step, self._recorder)
        self._advance = Graphed(self._draw_and_step, self._recorder)

    def _new_cache(self) -> KeyValueCache:
        """Rows are added as they are needed, but where addresses must stay."""
        rows = len(self.rows.tokens) if self.whole else 1
        device = self.model.head.weight.device
        return KeyValueCache(self.model.config, rows, self.bucket, self.step.cache_dtype, device, self.bucket)

    def _next(self) -> Ticket | None:
        with self._meet:
            if not self._waiting:
                return None
            held = Counter(ticket.group for ticket in self._running if ticket is not None)
            ticket = min(self._waiting, key=lambda waiting: held[waiting.group])
            self._waiting.remove(ticket)
            ticket.state = State.RUNNING
            return ticket

    def _admit(self) -> None:
        """Take in one waiting request; all that fit when nothing is running yet."""
        idle = not any(self._running)
        if idle and self._waiting and (best := self._best()) is not self.step:
            self._take(best)
        while None in self._running and (ticket := self._next()) is not None:
            try:
                self._start(ticket, self._running.index(None))
            except GPTSoVITSError as error:
                ticket.error = error
                self._close(ticket, State.FAILED)
            except Exception as error:
                ticket.error = error
                self._close(ticket, State.FAILED)
                raise
            if not idle:
                return

    def _start(self, ticket: Ticket, row: int) -> None:
        with self._meet:
            waiting = [other.item for other in self._waiting]
        ready = self._prefill(ticket.item, waiting)
        before = self.cache.keys.data_ptr()
        self.cache.put(row, ready.cache, ready.parts, ready.mark)
        if self.cache.keys.data_ptr() != before:
            self._advance.forget()
        seed = ticket.options.seed if ticket.item.seed is None else ticket.item.seed
        prompt = torch.zeros(0, dtype=torch.long) if ticket.item.prompt is None else ticket.item.prompt.long()
        self.rows.start(row, ticket.options, seed, prompt, ready.logits)
        self._filled[row] = sum(part.stop - part.start for part in ready.parts)
        self._ages[row] = 0
        self._running[row] = ticket

    def _close(self, ticket: Ticket, state: State) -> None:
        with self._meet:
            if not ticket.done:
                ticket.state = state

    def _fail(self, error: Exception) -> None:
        """A step that breaks down breaks it for all who take part in it."""
        for ticket in self._running:
            if ticket is not None and not ticket.done:
                ticket.error = error
                self._close(ticket, State.FAILED)

    @torch.inference_mode()
    def _let_go(self) -> None:
        """Free the rows of requests that are done."""
        for row, ticket in enumerate(self._running):
            if ticket is not None and ticket.done:
                self._running[row] = None
                self.rows.stop(row)
                self.cache.end[row] = 0  # an unused row that is computed all the same reads little

    def _make_noise(self) -> None:
        for row, ticket in enumerate(self._running):
            if ticket is not None:
                self.rows.need_noise(row, self._ages[row])

    def _age(self) -> None:
        self._ages = [age + 1 for age in self._ages]

    def _step(self) -> None:
        """Compute the logits that follow the drawn codes, for the rows still running."""
        active = [row for row, ticket in enumerate(self._running) if ticket is not None and not ticket.done]
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

    def _step_all(self) -> None:
        seen = []
        for _ in range(self.look):
            if not cast(WholeStep, self.step).counts_noise:
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
        step = cast(WholeStep, self.step)
        step.draw(self.rows)
        self.cache.end.clamp_(max=self.cache.window - 1)
        self.cache.position.clamp_(max=self.model.config.max_positions - 1)
        self.rows.logits.copy_(step.whole(self.rows.tokens, self.cache))

    def _collect(self, steps: list[tuple[list[int], list[bool]]]) -> None:
        """Hand out what was drawn, and close what has ended; draws after an end are dropped."""
        for row, ticket in enumerate(self._running):
            if ticket is None or ticket.done:
                continue
            new: list[int] = []
            state = State.RUNNING
            for tokens, ended in steps:
                if ended[row]:
                    state = State.ENDED
                    break
                new.append(tokens[row])
                if len(ticket.codes) + len(new) >= ticket.limit:
                    state = State.FULL
                    break
            ticket.codes += new
            if new and ticket.on_tokens is not None:
                ticket.on_tokens(new)
            if state is not State.RUNNING:
                self._close(ticket, state)
