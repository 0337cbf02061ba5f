"""The decode step on a GPU in five kernels a layer; `TritonStep` is the model's `step` for a decoder's CUDA graph.

The post-norm layer is cut where every output needs a whole row: a product normalises its input as it reads it, and a
residual is normalised as it is added, so that no launch only normalises. Products accumulate in float32 over tiles of
16 rows whose shape never changes, and attention of a row covers exactly its own slots: a row's values depend on no
other row and on nothing beyond its end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import triton
import triton.language as tl
from torch import Tensor, nn

from ar.attention import Layer
from ar.cache import KeyValueCache
from ar.kernels.triton_draw import draw

if TYPE_CHECKING:
    from ar.model import Prefix, Text2SemanticDecoder
    from ar.rows import Rows

ROWS = 16
"""Smallest tile of rows that tensor cores multiply."""


@triton.jit
def _product(  # type: ignore[no-untyped-def]
    x, weight, bias, out, rows, n, k,
    x_gain, x_shift, added, added_gain, added_shift,
    TILE: tl.constexpr, OUTPUTS: tl.constexpr, INPUTS: tl.constexpr, NORM: tl.constexpr, BIAS: tl.constexpr,
    RELU: tl.constexpr, ADD: tl.constexpr, ADD_NORM: tl.constexpr, WHOLE: tl.constexpr,
):  # fmt: skip
    """out[rows, n] = x W^T + bias, then ReLU, then plus `added`; `x` and `added` are normalised first where asked.

    WHOLE is the width of a normalised row, rounded up to a power of two.
    """
    row = tl.program_id(0) * TILE + tl.arange(0, TILE)
    col = tl.program_id(1) * OUTPUTS + tl.arange(0, OUTPUTS)
    here = row < rows
    total = tl.zeros((TILE, OUTPUTS), tl.float32)
    mean = tl.zeros((TILE,), tl.float32)
    scale = tl.zeros((TILE,), tl.float32)
    if NORM:
        place = tl.arange(0, WHOLE)
        values = tl.load(x + row[:, None] * k + place[None, :], mask=here[:, None] & (place < k)[None, :], other=0.0)
        mean = tl.sum(values, 1) / k
        centred = tl.where((place < k)[None, :], values - mean[:, None], 0.0)
        scale = 1.0 / tl.sqrt(tl.sum(centred * centred, 1) / k + 1e-5)
    for start in range(0, k, INPUTS):
        place = start + tl.arange(0, INPUTS)
        inside = place < k
        a = tl.load(x + row[:, None] * k + place[None, :], mask=here[:, None] & inside[None, :], other=0.0)
        if NORM:
            gain = tl.load(x_gain + place, mask=inside, other=0.0).to(tl.float32)
            shift = tl.load(x_shift + place, mask=inside, other=0.0).to(tl.float32)
            a = (a - mean[:, None]) * scale[:, None] * gain[None, :] + shift[None, :]
        w = tl.load(weight + col[None, :] * k + place[:, None], mask=(col < n)[None, :] & inside[:, None], other=0.0)
        total += tl.dot(a.to(w.dtype), w, input_precision="ieee")
    if BIAS:
        total += tl.load(bias + col, mask=col < n, other=0.0).to(tl.float32)[None, :]
    if RELU:
        total = tl.maximum(total, 0.0)
    if ADD:
        extra = tl.load(added + row[:, None] * n + col[None, :], mask=here[:, None] & (col < n)[None, :], other=0.0)
        if ADD_NORM:
            place = tl.arange(0, WHOLE)
            mask = here[:, None] & (place < n)[None, :]
            values = tl.load(added + row[:, None] * n + place[None, :], mask=mask, other=0.0)
            middle = tl.sum(values, 1) / n
            centred = tl.where((place < n)[None, :], values - middle[:, None], 0.0)
            size = 1.0 / tl.sqrt(tl.sum(centred * centred, 1) / n + 1e-5)
            gain = tl.load(added_gain + col, mask=col < n, other=0.0).to(tl.float32)
            shift = tl.load(added_shift + col, mask=col < n, other=0.0).to(tl.float32)
            extra = (extra - middle[:, None]) * size[:, None] * gain[None, :] + shift[None, :]
        total += extra
    tl.store(out + row[:, None] * n + col[None, :], total, mask=here[:, None] & (col < n)[None, :])


@triton.jit
def _attend(  # type: ignore[no-untyped-def]
    qkv, keys, values, end, out, width, row_stride, head_stride, scale,
    HEAD: tl.constexpr, PADDED: tl.constexpr, SLOTS: tl.constexpr,
):  # fmt: skip
    """Write the new key and value of one head of one row, then attend to the row's slots 0 to its end."""
    row, head = tl.program_id(0), tl.program_id(1)
    lane = tl.arange(0, PADDED)
    real = lane < HEAD
    last = tl.load(end + row)
    source = qkv + row * 3 * width + head * HEAD + lane
    q = tl.load(source, mask=real, other=0.0)
    k = tl.load(source + width, mask=real, other=0.0).to(keys.dtype.element_ty)
    v = tl.load(source + 2 * width, mask=real, other=0.0).to(values.dtype.element_ty)
    base = row * row_stride + head * head_stride
    tl.store(keys + base + last * HEAD + lane, k, mask=real)
    tl.store(values + base + last * HEAD + lane, v, mask=real)
    # the new position is taken from registers: what was just stored need not be visible yet
    top = tl.sum(q * k.to(tl.float32), 0) * scale
    share = top * 0.0 + 1.0
    mixed = v.to(tl.float32)
    for start in range(0, last, SLOTS):
        slot = start + tl.arange(0, SLOTS)
        mask = (slot < last)[:, None] & real[None, :]
        at = base + slot[:, None] * HEAD + lane[None, :]
        old = tl.load(keys + at, mask=mask, other=0.0).to(tl.float32)
        scores = tl.where(slot < last, tl.sum(old * q[None, :], 1) * scale, float("-inf"))
        best = tl.maximum(top, tl.max(scores, 0))
        weights = tl.exp(scores - best)
        fade = tl.exp(top - best)
        old = tl.load(values + at, mask=mask, other=0.0).to(tl.float32)
        mixed = mixed * fade + tl.sum(old * weights[:, None], 0)
        share = share * fade + tl.sum(weights, 0)
        top = best
    tl.store(out + row * width + head * HEAD + lane, mixed / share, mask=real)


class TritonStep:
    """Steps all rows of a cache, as `Text2SemanticDecoder.step` does; weights stay where they are."""

    counts_noise = True

    def __init__(self, model: Text2SemanticDecoder) -> None:
        self.model = model
        self.cache_dtype = model.head.weight.dtype

    def prefill(self, prefix: Prefix, cache: KeyValueCache | None = None) -> tuple[Tensor, KeyValueCache]:
        return self.model.prefill(prefix, cache=cache)

    def draw(self, rows: Rows) -> None:
        draw(rows)

    def current(self, model: Text2SemanticDecoder) -> bool:
        return model is self.model

    def whole(self, tokens: Tensor, cache: KeyValueCache) -> Tensor:
        """[b] codes -> logits [b, v]; ends and positions move on."""
        model, config = self.model, self.model.config
        cache.allowed.scatter_(1, cache.end[:, None], True)
        embedded = model.embed_codes(tokens[:, None], cache.position[:, None])[:, 0].float().contiguous()
        stream, norm = embedded, None
        for index, layer in enumerate(model.layers):
            assert isinstance(layer, Layer)
            qkv = _linear(stream, layer.attention.input, norm)
            mixed = torch.empty_like(embedded)
            _attend[(len(tokens), config.heads)](
                qkv, cache.keys[index], cache.values[index], cache.end, mixed,
                config.width, cache.keys.stride(1), cache.keys.stride(2), config.head_width**-0.5,
                HEAD=config.head_width, PADDED=triton.next_power_of_2(config.head_width), SLOTS=64,
            )  # fmt: skip
            stream = _linear(mixed, layer.attention.output, None, added=stream, added_norm=norm)
            wide = _linear(stream, layer.feed_in, layer.attention_norm, relu=True)
            stream = _linear(wide, layer.feed_out, None, added=stream, added_norm=layer.attention_norm)
            norm = layer.feed_norm
        cache.end.add_(1)
        cache.position.add_(1)
        return _linear(stream, model.head, norm)


def _linear(
    x: Tensor,
    linear: nn.Linear,
    norm: nn.LayerNorm | None,
    relu: bool = False,
    added: Tensor | None = None,
    added_norm: nn.LayerNorm | None = None,
) -> Tensor:
    """[r, k] -> [r, n] in float32, see `_product`."""
    (rows, k), n = x.shape, linear.weight.shape[0]
    out = torch.empty(rows, n, dtype=torch.float32, device=x.device)
    inputs = min(256, max(16, triton.next_power_of_2(k)))

    def pair(of: nn.LayerNorm | None) -> tuple[Any, Any]:
        return (x, x) if of is None else (of.weight, of.bias)  # a pointer that is never read

    _product[(triton.cdiv(rows, ROWS), triton.cdiv(n, 16))](
        x, linear.weight, linear.weight if linear.bias is None else linear.bias, out, rows, n, k,
        *pair(norm), x if added is None else added, *pair(added_norm),
        TILE=ROWS, OUTPUTS=16, INPUTS=inputs, NORM=norm is not None, BIAS=linear.bias is not None, RELU=relu,
        ADD=added is not None, ADD_NORM=added_norm is not None,
        WHOLE=triton.next_power_of_2(k if norm is not None else n),
    )  # fmt: skip
    return out
