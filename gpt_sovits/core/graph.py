"""Replaying work on a GPU instead of launching its kernels one by one."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar

import torch

KEPT = 32
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recording(Protocol):
    """A captured function."""

    def replay(self) -> None: ...


Recorder = Callable[[Callable[[], None]], Recording]


class LastUsed(Generic[K, V]):
    """What was made for the keys used last."""

    def __init__(self, make: Callable[[K], V], most: int = KEPT) -> None:
        self._make, self._most = make, most
        self._values: OrderedDict[K, V] = OrderedDict()

    def __call__(self, key: K) -> V:
        if key not in self._values:
            self._values[key] = self._make(key)
        self._values.move_to_end(key)
        while len(self._values) > self._most:
            self._values.popitem(last=False)
        return self._values[key]


class Graphed:
    """A function without arguments or results that works on tensors at fixed addresses.

    The first call with a key runs the function as it is, which also warms up the libraries it uses. The second one
    records it, which computes nothing, and replays the recording, as do all later ones. The key names all that the
    function takes from the host: shapes, addresses and branches. Without a recorder, as off a GPU, every call is the
    plain one.
    """

    def __init__(self, function: Callable[[], None], recorder: Recorder | None = None, kept: int = KEPT) -> None:
        self._function = function
        self._record = recorder
        self._kept = kept
        self._known: OrderedDict[Hashable, Recording | None] = OrderedDict()

    def __call__(self, key: Hashable) -> None:
        if self._record is None:
            self._function()
            return
        if key not in self._known:
            self._known[key] = None
            self._function()
        else:
            recording = self._known[key]
            if recording is None:
                recording = self._known[key] = self._record(self._function)
            recording.replay()
        self._known.move_to_end(key)
        while len(self._known) > self._kept:
            self._known.popitem(last=False)

    def forget(self) -> None:
        """Drop all recordings: an address they hold is about to change."""
        self._known.clear()


def device_recorder(device: torch.device) -> Recorder | None:
    """How to record on a device; None: there one cannot."""
    return cuda_recorder() if device.type == "cuda" else None


def cuda_recorder() -> Recorder:
    """Records into CUDA graphs, all of one memory pool, so that all must run on one stream, as they do by default.

    Threads may share a recorder, and may work on while one records, but for waiting for the whole device.
    """
    pool, lock = torch.cuda.graph_pool_handle(), threading.Lock()

    def record(function: Callable[[], None]) -> Recording:
        graph = torch.cuda.CUDAGraph()
        with lock, torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
            function()
        return graph

    return record
