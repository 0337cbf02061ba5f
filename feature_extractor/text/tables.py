"""Big tables that stay on disk: sorted tab-separated text, mapped into memory, searched in place."""

from __future__ import annotations

import mmap
from bisect import bisect_left, bisect_right
from pathlib import Path

_BLOCK = 1024
_NO_VALUE = "\t"  # which no column can hold


class SortedTable:
    """A two-column table whose rows are sorted by the bytes of their keys.

    Only every thousandth byte is indexed, so opening takes milliseconds and next to no memory; a look-up takes some
    microseconds. The pages of the file belong to the operating system, and processes share them.
    """

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._starts: list[int] = []
        self._keys: list[bytes] = []
        data, size, start = self._data, len(self._data), 0
        while start < size:
            self._starts.append(start)
            self._keys.append(data[start : data.find(b"\t", start)])
            start = data.find(b"\n", start + _BLOCK) + 1 or size
        self._starts.append(size)

    def get(self, key: str, default: str = "") -> str:
        """The second column of the row with this key."""
        wanted = key.encode("utf8", "surrogatepass")  # Half of a character is in no table.
        block = bisect_right(self._keys, wanted) - 1
        if block < 0:
            return default
        start, end = self._starts[block], self._starts[block + 1]
        if self._keys[block] != wanted:
            start = self._data.find(b"\n" + wanted + b"\t", start, end) + 1
            if not start:
                return default
        start += len(wanted) + 1
        return self._data[start : self._data.find(b"\n", start)].decode("utf8")

    def beginning(self, prefix: str) -> dict[str, str]:
        """All rows whose key begins with a prefix: the rest of the key, and the second column."""
        wanted = prefix.encode("utf8", "surrogatepass")
        first = max(bisect_left(self._keys, wanted) - 1, 0)
        last = bisect_left(self._keys, wanted + b"\xff")
        lines = self._data[self._starts[first] : self._starts[last]].split(b"\n")
        rows = (line[len(wanted) :].decode("utf8").partition("\t") for line in lines if line.startswith(wanted))
        return {rest: value for rest, _, value in rows}

    def __getitem__(self, key: str) -> str:
        value = self.get(key, _NO_VALUE)
        if value is _NO_VALUE:
            raise KeyError(key)
        return value

    def __contains__(self, key: str) -> bool:
        return self.get(key, _NO_VALUE) is not _NO_VALUE
