"""`Rows.draw` as one kernel, a program per row: no host round trip, and no noise made ahead.

A row's noise is counted from its own seed and its own age as in `ar.rng`, so that a replayed graph draws on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import triton
import triton.language as tl

if TYPE_CHECKING:
    from ar.rows import Rows


@triton.jit
def _exponential(seed, step, stream, code):  # type: ignore[no-untyped-def]
    """What `ar.rng.exponential` has at each `code` of one step."""
    step = step.to(tl.uint32)
    zero = (code * 0).to(tl.uint32)
    a, b, c, d = tl.philox(seed, (code // 4).to(tl.uint32), zero + step, zero + stream, zero)
    word = tl.where(code % 4 == 0, a, tl.where(code % 4 == 1, b, tl.where(code % 4 == 2, c, d)))
    return -tl.log(((word >> 9).to(tl.float32) + 0.5) * 1.1920928955078125e-07)


@triton.jit
def _race(x, noise):  # type: ignore[no-untyped-def]
    """A draw from the softmax of x."""
    weights = tl.exp(x - tl.max(x, 0))
    return tl.argmax(weights / tl.sum(weights, 0) / noise, 0)


@triton.jit
def _ordered(x):  # type: ignore[no-untyped-def]
    """The bits of x as integers that order as the numbers do."""
    bits = x.to(tl.int32, bitcast=True)
    return tl.where(bits >= 0, bits, bits ^ 0x7FFFFFFF).to(tl.int64)


@triton.jit
def _keep_top_p(x, top_p):  # type: ignore[no-untyped-def]
    """The lowest logit down to which the mass is at most `top_p` is found by bisecting its bits, without a sort."""
    place, top = _ordered(x), tl.max(x, 0)
    weights = tl.exp(x - top)
    weights = weights / tl.sum(weights, 0)
    low, high = tl.min(place, 0), tl.max(place, 0) + 1
    for _ in range(32):
        middle = (low + high) >> 1
        fits = tl.sum(tl.where(place >= middle, weights, 0.0), 0) <= top_p
        high = tl.where(fits, middle, high)
        low = tl.where(fits, low, tl.minimum(middle + 1, high))
    return tl.where((place >= high) | (x == top), x, float("-inf"))


@triton.jit
def _keep_top_k(x, top_k):  # type: ignore[no-untyped-def]
    """The k-th logit is found in the same way."""
    place = _ordered(x)
    low, high = tl.min(place, 0), tl.max(place, 0)
    for _ in range(32):
        middle = (low + high + 1) >> 1
        enough = tl.sum((place >= middle).to(tl.int32), 0) >= top_k
        low = tl.where(enough, middle, low)
        high = tl.where(enough, high, tl.maximum(middle - 1, low))
    return tl.where(place >= low, x, float("-inf"))


@triton.jit
def _draw_row(  # type: ignore[no-untyped-def]
    logits, seen, recent, age, seeds, tokens, ended,
    penalty, top_p, temperature, top_k, eos_free, greedy, window, share,
    codes, eos, SIZE: tl.constexpr, RECENT: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0)
    code = tl.arange(0, SIZE)
    real = code < codes
    step, seed, heat = tl.load(age + row), tl.load(seeds + row), tl.load(temperature + row)
    x = tl.load(logits + row * codes + code, mask=real, other=float("-inf"))
    x = tl.where((code == eos) & (step < tl.load(eos_free + row)), float("-inf"), x)
    said = tl.load(seen + row * codes + code, mask=real, other=0) != 0
    factor = tl.load(penalty + row)
    x = tl.where(said, tl.where(x < 0, x * factor, x / factor), x)
    likeliest = tl.argmax(x, 0)
    token = likeliest
    if tl.load(greedy + row) == 0:
        kept, most, mass = x, tl.load(top_k + row), tl.load(top_p + row)
        if mass < 1:
            kept = _keep_top_p(kept, mass)
        kept = kept / heat
        if most > 0:
            kept = _keep_top_k(kept, most)
        token = _race(kept, _exponential(seed, step, 0, code))
        width = tl.load(window + row)
        if width > 0:  # repetition-aware: what has been said too often lately is drawn again from everything
            place = tl.arange(0, RECENT)
            back = ((step - 1 - place) & (RECENT - 1)) + 1
            lately = (back <= width) & (back <= step) & (tl.load(recent + row * RECENT + place) == token)
            again = _race(x / heat, _exponential(seed, step, 1, code))
            often = tl.sum(lately.to(tl.int32), 0).to(tl.float32) > tl.load(share + row) * width.to(tl.float32)
            token = tl.where(often, again, token)
    tl.store(tokens + row, token.to(tl.int64))
    tl.store(ended + row, ((token == eos) | (likeliest == eos)).to(tl.uint8))
    tl.store(seen + row * codes + token, 1)
    tl.store(recent + row * RECENT + (step & (RECENT - 1)), token.to(tl.int64))
    tl.store(age + row, step + 1)


def draw(rows: Rows) -> None:
    """Draw the next code of every row."""
    options, flags = rows.options, (rows.seen, rows.ended, rows.options.greedy)
    seen, ended, greedy = (flag.view(torch.uint8) for flag in flags)
    _draw_row[(len(rows.tokens),)](
        rows.logits, seen, rows.recent, rows.age, rows.seeds, rows.tokens, ended,
        options.penalty, options.top_p, options.temperature, options.top_k, options.eos_free, greedy,
        options.window, options.share,
        rows.codes, rows.eos, SIZE=triton.next_power_of_2(rows.codes), RECENT=rows.recent.shape[1],
    )  # fmt: skip
