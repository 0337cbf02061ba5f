"""Keys and values of the positions already computed, at addresses that stay where they are."""

from __future__ import annotations

import torch
from torch import Tensor

from ar.config import Text2SemanticConfig

GROWTH = 256


class KeyValueCache:
    """Static slots for every layer, with the state of a running decode on the device.

    Slots fill from 0 upwards, the same slot for all rows; `allowed` says per row which filled slots hold something
    real, so texts and prompts of different lengths share one batch. Attention sees the first `window` slots. With
    `bucket` 1 that is exactly the filled part; a larger bucket keeps shapes constant for many steps (as graph capture
    needs) and leaves the empty slots to the mask.

    Attributes:
        keys: [layers, b, h, s, d].
        values: [layers, b, h, s, d].
        allowed: [b, s], True where a new position may attend.
        end: [1], the slot the next position is written to.
        position: [b], the code position of the next token of each row.
    """

    def __init__(
        self,
        config: Text2SemanticConfig,
        rows: int,
        capacity: int,
        like: Tensor,
        bucket: int = 1,
    ) -> None:
        slots = -(-capacity // bucket) * bucket
        shape = (config.layers, rows, config.heads, slots, config.head_width)
        self.keys = torch.zeros(shape, dtype=like.dtype, device=like.device)
        self.values = torch.zeros_like(self.keys)
        self.allowed = torch.zeros(rows, slots, dtype=torch.bool, device=like.device)
        self.end = torch.zeros(1, dtype=torch.long, device=like.device)
        self.position = torch.zeros(rows, dtype=torch.long, device=like.device)
        self.bucket = bucket
        self.filled = 0
        self.window = 0
        self.slots = self.end

    @property
    def capacity(self) -> int:
        return self.keys.shape[3]

    def reserve(self, count: int) -> None:
        """Make room for `count` further positions and open the window over them; host work only, once a step."""
        self.filled += count
        self.window = -(-self.filled // self.bucket) * self.bucket
        if self.window > self.capacity:
            self._grow(max(self.window, self.capacity + max(GROWTH, self.capacity // 2)))
        self.slots = self.end if count == 1 else self.end + torch.arange(count, device=self.end.device)

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Write new positions [b, h, t, d] of one layer and return all in the window, [b, h, s, d]."""
        all_keys, all_values = self.keys[layer], self.values[layer]
        # Under autocast they may come in another number format.
        all_keys.index_copy_(2, self.slots, keys.to(all_keys.dtype))
        all_values.index_copy_(2, self.slots, values.to(all_values.dtype))
        return all_keys[:, :, : self.window], all_values[:, :, : self.window]

    def select(self, rows: Tensor) -> None:
        """Keep only some rows (long indices); the others have finished."""
        self.keys, self.values = self.keys[:, rows], self.values[:, rows]
        self.allowed, self.position = self.allowed[rows], self.position[rows]

    def _grow(self, slots: int) -> None:
        more = -(-slots // self.bucket) * self.bucket - self.capacity
        self.keys = torch.nn.functional.pad(self.keys, (0, 0, 0, more))
        self.values = torch.nn.functional.pad(self.values, (0, 0, 0, more))
        self.allowed = torch.nn.functional.pad(self.allowed, (0, more))
