"""The decode step on a CPU as one call of compiled code for all layers; see `step.c`."""

from __future__ import annotations

import ctypes
import statistics
import time
from collections.abc import Sequence
from ctypes import POINTER, Structure, c_float, c_int64, c_void_p
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from ar.attention import Layer
from ar.cache import KeyValueCache
from ar.config import Text2SemanticConfig
from ar.kernels.half import halved
from gpt_sovits.core.compiled import library
from gpt_sovits.core.device import multiplies_bfloat16

if TYPE_CHECKING:
    from ar.model import Prefix, Text2SemanticDecoder

Precision = Literal["float32", "bfloat16", "int8"]
SOURCE = Path(__file__).with_name("step.c")
KINDS: dict[Precision, int] = {"float32": 0, "bfloat16": 1, "int8": 2}


class _Matrix(Structure):
    _fields_ = (
        *((name, c_int64) for name in ("n", "k", "kind")),
        *((name, c_void_p) for name in ("weight", "scale", "sum", "bias")),
    )


class _Layer(Structure):
    _fields_ = (
        *((name, _Matrix) for name in ("qkv", "out", "feed_in", "feed_out")),
        *((name, c_void_p) for name in ("norm1", "bias1", "norm2", "bias2")),
    )


class _Net(Structure):
    _fields_ = (
        *((name, c_int64) for name in ("width", "heads", "hidden", "layers", "codes", "half")),
        *((name, c_float) for name in ("eps", "alpha")),
        ("head", _Matrix),
        *((name, c_void_p) for name in ("embedding", "table")),
        ("layer", POINTER(_Layer)),
    )


class _Call(Structure):
    _fields_ = (
        *((name, c_int64) for name in ("rows", "layer", "row", "head")),
        *((name, c_void_p) for name in ("token", "index", "end", "position", "twin", "alike")),
        *((name, c_void_p) for name in ("keys", "values", "logits", "scratch")),
    )


class NativeStep:
    """Weights packed for the compiled step.

    A row gets bit for bit the logits it gets alone, whatever the other rows are. `cache_dtype` is how keys and values
    are kept: in full with float32 weights, else in bfloat16.
    """

    def __init__(self, model: Text2SemanticDecoder, precision: Precision = "float32", threads: int | None = None):
        """Args: threads: None: as many as a short measurement finds fastest.

        Raises:
            NotAvailable: there is no compiler, or the model's sizes do not fit.
        """
        config = model.config
        built = library(SOURCE)
        if built is None:
            raise NotAvailable("there is no C compiler to build the decode step with")
        if config.width % 4 or config.feed_forward % 4:
            raise NotAvailable(f"widths {config.width} and {config.feed_forward} must divide by 4")
        if config.head_width > 512:
            raise NotAvailable(f"heads are {config.head_width} wide; at most 512 are provided for")
        self._library = built
        for function in ("scratch_size", "lanes", "panels"):
            getattr(built, function).restype = c_int64
        self.precision = precision
        self.cache_dtype = torch.float32 if precision == "float32" else torch.bfloat16
        self.codes = config.codes
        self._keep: list[Tensor] = []
        self._layers = (_Layer * config.layers)(*(self._layer(layer) for layer in model.layers))
        self._net = _Net(
            config.width,
            config.heads,
            config.feed_forward,
            config.layers,
            config.codes,
            int(precision != "float32"),
            model.layers[0].attention_norm.eps,  # type: ignore[arg-type, union-attr]
            float(model.code_position.alpha.detach()),
            self._matrix(model.head, "float32"),
            self._hold(model.code_embedding.weight),
            self._hold(model.code_position.table),
            self._layers,
        )
        self._marks = _marks(model)
        half = precision != "float32" and multiplies_bfloat16()
        self._prefilling = halved(model) if half else model
        self.threads = threads or self._fastest(config)

    def __call__(self, tokens: Tensor, rows: Sequence[int], cache: KeyValueCache, filled: Sequence[int]) -> Tensor:
        """Append `tokens` [r] to `rows` of the cache, which hold `filled` slots, and return logits [r, v]."""
        index, end = torch.tensor(rows), torch.tensor(filled)
        position = cache.position[index]
        twin, alike = (torch.tensor([each[row] for row in rows]) for each in (cache.twin, cache.alike))
        logits = torch.empty(len(rows), self.codes)
        slots = cache.capacity
        size = self._library.scratch_size(
            ctypes.byref(self._net), c_int64(len(rows)), c_int64(slots), c_int64(self.threads)
        )
        scratch = torch.empty(size)  # not kept: threads may share this object
        layer, row, head = cache.keys.stride()[:3]
        state = (tokens.contiguous(), index, end, position, twin, alike)
        tensors = (*state, cache.keys, cache.values, logits, scratch)
        call = _Call(len(rows), layer, row, head, *(tensor.data_ptr() for tensor in tensors))
        self._library.decode_step(ctypes.byref(self._net), ctypes.byref(call), c_int64(slots), c_int64(self.threads))
        return logits

    def prefill(self, prefix: Prefix, cache: KeyValueCache | None = None) -> tuple[Tensor, KeyValueCache]:
        """By PyTorch; with rounded weights in bfloat16, too, where the processor is faster in it."""
        return self._prefilling.prefill(prefix, cache=cache)

    def current(self, model: Text2SemanticDecoder) -> bool:
        """Whether the model's weights are still those that were packed."""
        return self._marks == _marks(model)

    def _hold(self, tensor: Tensor | None) -> int | None:
        """Address of a copy in full precision that lives as long as this object."""
        if tensor is None:
            return None
        copy = tensor.detach().to("cpu", torch.float32, copy=True).contiguous()
        return self._address(copy)

    def _address(self, tensor: Tensor) -> int:
        self._keep.append(tensor)
        return tensor.data_ptr()

    def _layer(self, layer: nn.Module) -> _Layer:
        assert isinstance(layer, Layer)
        attention = layer.attention
        matrices = (attention.input, attention.output, layer.feed_in, layer.feed_out)
        norms = (layer.attention_norm, layer.feed_norm)
        return _Layer(
            *(self._matrix(linear, self.precision) for linear in matrices),
            *(self._hold(value) for norm in norms for value in (norm.weight, norm.bias)),
        )

    def _matrix(self, linear: nn.Linear, precision: Precision) -> _Matrix:
        n, k = linear.weight.shape
        lanes, at_once = self._library.lanes(), self._library.lanes() * self._library.panels()
        padded = -(-n // at_once) * at_once
        weight = torch.zeros(padded, k)
        weight[:n] = linear.weight.detach().float().cpu()
        bias = None
        if linear.bias is not None:
            bias = nn.functional.pad(linear.bias.detach().float().cpu(), (0, padded - n))
        scale = total = None
        if precision == "int8":
            weight, scale = quantise(weight)
            total = weight.sum(1, dtype=torch.int32)
        group = {"float32": 1, "bfloat16": 2, "int8": 4}[precision]
        panels = weight.view(padded // lanes, lanes, k // group, group).transpose(1, 2)
        stored = panels.to(torch.bfloat16) if precision == "bfloat16" else panels
        address = self._address(stored.contiguous())
        others = (None if value is None else self._address(value) for value in (scale, total, bias))
        return _Matrix(n, k, KINDS[precision], address, *others)

    def _fastest(self, config: Text2SemanticConfig) -> int:
        """The thread count whose median step is shortest; more threads must win by a tenth."""
        cache = KeyValueCache(config, 1, 64, self.cache_dtype)
        best, shortest = 1, float("inf")
        for threads in range(1, torch.get_num_threads() + 1):
            self.threads = threads
            times = []
            for _ in range(5):
                start = time.perf_counter()
                self(torch.zeros(1, dtype=torch.long), [0], cache, [32])
                times.append(time.perf_counter() - start)
            if statistics.median(times) < 0.9 * shortest:
                best, shortest = threads, statistics.median(times)
        return best


class NotAvailable(Exception):
    """The compiled step cannot be used here; its text says why."""


def _marks(model: Text2SemanticDecoder) -> list[tuple[int, int]]:
    """Changes when a weight is replaced or written to."""
    return [(p.data_ptr(), 0 if p.is_inference() else p._version) for p in model.parameters()]


def quantise(weight: Tensor) -> tuple[Tensor, Tensor]:
    """[n, k] -> int8 [n, k] and the scale [n] of each output."""
    scale = weight.abs().amax(1).clamp(min=1e-12) / 127
    return (weight / scale[:, None]).round().to(torch.int8), scale
