"""Replaying a step instead of launching its kernels one by one."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Protocol

import torch

KEPT = 32


class Recording(Protocol):
    """A captured function."""

    def replay(self) -> None: ...


Recorder = Callable[[Callable[[], None]], Recording]


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


def cuda_recorder() -> Recorder:
    """Records into CUDA graphs, all of one memory pool: they never run at the same time."""
    pool = torch.cuda.graph_pool_handle()

    def record(function: Callable[[], None]) -> Recording:
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=pool):
            function()
        return graph

    return record
