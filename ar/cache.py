"""Keys and values of the positions already computed, at addresses that stay where they are."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ar.config import Text2SemanticConfig

GROWTH = 256


class KeyValueCache:
    """Static slots for every layer, with the state of a running decode on the device.

    Slots of a row fill from 0 upwards; `allowed` says which of them hold something real. Attention sees the first
    `window` slots. With `bucket` 1 that is exactly what the longest row has filled; a larger bucket keeps shapes
    constant for many steps, as graph capture needs, and leaves the empty slots to the mask, which is never optional.

    Attributes:
        keys: [layers, b, h, s, d].
        values: [layers, b, h, s, d].
        allowed: [b, s], True where a new position may attend.
        end: [b], the slot the next position of each row is written to.
        position: [b], the code position of the next token of each row.
        filled: slots the longest row uses, known to the host.
        twin: for each row one, maybe itself, whose first slots hold the same; known to the host, as are the next two.
        alike: how many of its slots do.
        begun: what each row was begun with, for rows to know each other by.
    """

    def __init__(
        self,
        config: Text2SemanticConfig,
        rows: int,
        capacity: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
        bucket: int = 1,
    ) -> None:
        slots = -(-capacity // bucket) * bucket
        shape = (config.layers, rows, config.heads, slots, config.head_width)
        self.keys = torch.zeros(shape, dtype=dtype, device=device)
        self.values = torch.zeros_like(self.keys)
        self.allowed = torch.zeros(rows, slots, dtype=torch.bool, device=device)
        self.end = torch.zeros(rows, dtype=torch.long, device=device)
        self.position = torch.zeros(rows, dtype=torch.long, device=device)
        self.bucket = bucket
        self.filled = 0
        self.window = 0
        self.slots = self.end
        self.twin, self.alike, self.begun = list(range(rows)), [0] * rows, [object() for _ in range(rows)]

    @property
    def capacity(self) -> int:
        return self.keys.shape[3]

    def reserve(self, count: int) -> None:
        """Make room for `count` further positions and open the window over them; host work only, once a step."""
        self.open(self.filled + count)
        self.slots = self.end if count == 1 else torch.arange(self.filled - count, self.filled, device=self.end.device)

    def open(self, filled: int) -> None:
        """Open the window over the first `filled` slots, growing when there are fewer."""
        self.filled = filled
        self.window = -(-filled // self.bucket) * self.bucket
        if self.window > self.capacity:
            self._grow(max(self.window, self.capacity + max(GROWTH, self.capacity // 2)))

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Write new positions [b, h, t, d] of one layer and return all in the window, [b, h, s, d].

        One position per row goes to the row's own end; several go to the same slots of all rows.
        """
        all_keys, all_values = self.keys[layer], self.values[layer]
        # Under autocast they may come in another number format.
        keys, values = keys.to(all_keys.dtype), values.to(all_values.dtype)
        if keys.shape[2] == 1:
            slots = self.end[:, None, None, None].expand_as(keys)
            all_keys.scatter_(2, slots, keys)
            all_values.scatter_(2, slots, values)
        else:
            all_keys.index_copy_(2, self.slots, keys)
            all_values.index_copy_(2, self.slots, values)
        return all_keys[:, :, : self.window], all_values[:, :, : self.window]

    def row(self, index: int, filled: int) -> KeyValueCache:
        """One row as a cache of its own over the same memory, which must not grow."""
        view = KeyValueCache.__new__(KeyValueCache)
        here = slice(index, index + 1)
        view.keys, view.values, view.allowed = self.keys[:, here], self.values[:, here], self.allowed[here]
        view.end, view.position = self.end[here], self.position[here]
        view.slots, view.bucket = view.end, 1
        view.open(filled)
        return view

    def put(
        self, index: int, other: KeyValueCache, parts: Sequence[slice] | None = None, mark: object | None = None
    ) -> None:
        """Start a row with what a cache of one row holds; rows are added when there are fewer.

        The row's other slots are cleared: a NaN left there by somebody else would get past the mask.

        Args:
            parts: the other's slots that hold something real, in order; None: all it has filled.
            mark: the same for rows that begin with the same; such a row may be read where another is.
        """
        parts = (slice(0, other.filled),) if parts is None else parts
        count = sum(part.stop - part.start for part in parts)
        rows = len(self.end)
        if count > self.capacity:
            self._grow(max(count, self.capacity + GROWTH))
        if index >= rows:
            self._grow(self.capacity, max(rows, index + 1 - rows))
        start = 0
        for part in parts:
            here = slice(start, start + part.stop - part.start)
            self.keys[:, index, :, here] = other.keys[:, 0, :, part].to(self.keys.dtype)
            self.values[:, index, :, here] = other.values[:, 0, :, part].to(self.values.dtype)
            start = here.stop
        self.keys[:, index, :, count:] = 0
        self.values[:, index, :, count:] = 0
        self.allowed[index] = torch.arange(self.capacity, device=self.end.device) < count
        self.end[index] = count
        self.position[index] = other.position[0]
        self._pair(index, count, object() if mark is None else mark)

    def _pair(self, index: int, count: int, mark: object) -> None:
        """Find a row that began like this one does now; those whose twin this row was get another."""
        left = [row for row, twin in enumerate(self.twin) if twin == index and row != index]
        for row in left:
            self.twin[row] = left[0]
        alike = (self.twin[row] for row, other in enumerate(self.begun) if other is mark and row != index)
        self.twin[index] = next(alike, index)
        self.begun[index], self.alike[index] = mark, count

    def clear(self) -> None:
        """Empty all rows, in place."""
        self.allowed.zero_()
        self.end.zero_()
        self.position.zero_()
        self.filled = self.window = 0
        self.alike = [0] * len(self.alike)

    def _grow(self, slots: int, rows: int = 0) -> None:
        """To so many slots, by so many rows."""
        more = -(-slots // self.bucket) * self.bucket - self.capacity
        self.keys = F.pad(self.keys, (0, 0, 0, more, 0, 0, 0, rows))
        self.values = F.pad(self.values, (0, 0, 0, more, 0, 0, 0, rows))
        self.allowed = F.pad(self.allowed, (0, more, 0, rows))
        self.end, self.position = F.pad(self.end, (0, rows)), F.pad(self.position, (0, rows))
        self.twin += range(len(self.twin), len(self.end))
        self.alike += [0] * rows
        self.begun += [object() for _ in range(rows)]
