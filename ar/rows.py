"""The state of every row of a running decode, on the device."""

from __future__ import annotations

import secrets

import torch
from torch import Tensor

from ar.rng import exponential
from ar.sampling import GenerateOptions, RowOptions, sample_rows

NOISE_STEPS = 32
"""Noise is made for so many steps at a time; the numbers are the same for any size."""
RECENT = 64


class Rows:
    """What drawing needs to know of each row, at fixed addresses; a row's values never depend on another row.

    Attributes:
        logits: [b, v] of the next code.
        tokens: [b], the codes drawn last.
        ended: [b], whether that draw ended the row.
        seeds: [b], of the noise.
        age: [b], codes drawn so far.
    """

    def __init__(self, count: int, codes: int, eos: int, device: torch.device) -> None:
        self.eos = eos
        self.codes = codes
        self.device = device
        self.logits = torch.zeros(count, codes, device=device)
        self.tokens = torch.zeros(count, dtype=torch.long, device=device)
        self.ended = torch.zeros(count, dtype=torch.bool, device=device)
        self.age = torch.zeros(count, dtype=torch.long, device=device)
        self.seen = torch.zeros(count, codes, dtype=torch.bool, device=device)
        self.recent = torch.zeros(count, RECENT, dtype=torch.long, device=device)
        self.noise = torch.ones(1, count, NOISE_STEPS, codes, device=device)
        self._every = torch.arange(count, device=device)
        self._given = [GenerateOptions(top_k=1)] * count
        self._seeds = [0] * count
        self.seeds = torch.zeros(count, dtype=torch.long, device=device)
        self.options = RowOptions.of(self._given, codes, device)

    def start(self, row: int, options: GenerateOptions, seed: int | None, prompt: Tensor, logits: Tensor) -> None:
        """Take a request into a row: its options, the codes [t] it continues and the first logits [v]."""
        self._given[row] = options
        self._seeds[row] = secrets.randbits(63) if seed is None else seed
        self.seeds[row] = self._seeds[row]
        self.logits[row] = logits
        self.age[row] = 0
        self.seen[row] = False
        self.seen[row, prompt.to(self.device)] = True
        self._new_options()

    def stop(self, row: int) -> None:
        """Give a row back."""
        self._given[row] = GenerateOptions(top_k=1)
        self._new_options()

    def need_noise(self, row: int, age: int) -> None:
        """Make the noise of a row for the steps from `age` on, when they begin a new block."""
        options = self._given[row]
        if age % NOISE_STEPS or options.greedy:
            return
        for stream in range(2 if options.repeat_window else 1):
            values = exponential(self._seeds[row], age, NOISE_STEPS, self.codes, stream, self.device)
            self.noise[stream, row] = values

    def draw(self) -> None:
        """Draw the next code of every row from its logits, without asking the host."""
        noise = self.noise[:, self._every, self.age % NOISE_STEPS] if self.options.any_noise else self.noise[:, :, 0]
        drawn = sample_rows(self.logits, self.seen, self.recent, self.age, self.options, noise, self.eos)
        self.tokens.copy_(drawn.tokens)
        self.ended.copy_(drawn.ended)
        self.seen.scatter_(1, drawn.tokens[:, None], True)
        if self.options.any_window:
            self.recent.scatter_(1, self.age[:, None] % RECENT, drawn.tokens[:, None])
        self.age += 1

    def shape_key(self) -> tuple[int, bool, bool, bool, int]:
        """What decides which operations `draw` consists of."""
        options = self.options
        return options.most_k, options.any_p, options.any_noise, options.any_window, self.noise.data_ptr()

    def _new_options(self) -> None:
        new = RowOptions.of(self._given, self.codes, self.device)
        for name in ("penalty", "top_p", "temperature", "top_k", "eos_free", "greedy", "window", "share"):
            getattr(self.options, name).copy_(getattr(new, name))
        for name in ("most_k", "any_p", "any_noise", "any_window"):
            setattr(self.options, name, getattr(new, name))
        if new.any_window and len(self.noise) == 1:
            self.noise = torch.cat((self.noise, torch.ones_like(self.noise)))
