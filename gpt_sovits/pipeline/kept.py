"""Things worth keeping from one request to the next, as many as fit into so many bytes."""

from __future__ import annotations

import dataclasses
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

from torch import Tensor

V = TypeVar("V")


class Kept(Generic[V]):
    """The values used last, up to `limit` bytes of tensors; one that is larger by itself is not kept.

    Threads may share it: what one is making, the others wait for.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.bytes = 0
        self._values: OrderedDict[Hashable, V] = OrderedDict()
        self._making: dict[Hashable, Future[V]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        """The value kept under `key`, or a new one."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
            others = self._making.get(key)
            mine: Future[V] = self._making.setdefault(key, Future())
        if others is not None:
            return others.result()
        try:
            value = make()
        except BaseException as error:
            with self._lock:
                del self._making[key]
            mine.set_exception(error)
            raise
        with self._lock:
            del self._making[key]
            self._keep(key, value)
        mine.set_result(value)
        return value

    def _keep(self, key: Hashable, value: V) -> None:
        size = tensor_bytes(value)
        if size <= self.limit:
            self._values[key] = value
            self.bytes += size
            while self.bytes > self.limit:
                _, old = self._values.popitem(last=False)
                self.bytes -= tensor_bytes(old)


def tensor_bytes(value: object) -> int:
    """Bytes of all tensors in a tensor, a sequence or a dataclass."""
    if isinstance(value, Tensor):
        return value.numel() * value.element_size()
    if isinstance(value, tuple | list):
        return sum(map(tensor_bytes, value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return sum(tensor_bytes(getattr(value, field.name)) for field in dataclasses.fields(value))
    return 0
