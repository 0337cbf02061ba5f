"""Damaging real containers in every way that comes to mind, and reading them under audit.

`python -m tests.core.foreign.fuzz --minutes N [--seed S]` goes on for N minutes and reports what it found. A finding is
kept as a file in the folder named by `--keep`.
"""

from __future__ import annotations

import argparse
import pickle
import random
import tempfile
import time
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import save

from tests.core.foreign import hostile, material
from tests.core.foreign.watch import warm_up, watch

KINDS = ("flip", "set", "number", "cut", "drop", "repeat", "insert", "swap", "splice", "name", "opcode")
NUMBERS = (0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1)
PIECES = (
    *(
        b"cos\nsystem\n",
        b"cbuiltins\neval\n",
        b"c__builtin__\nexec\n",
        b"ccollections\nOrderedDict\n",
        b"(",
        b"t",
        b"R",
    ),
    *(b"\x85R", b"\x81", b"b", b"Q", b"h\x00", b"q\x00", b"}", b"]", b"e", b"u", b"s", b"a", b"0", b"2", b"\x93", b"."),
    *(
        b"ctorch._utils\n_rebuild_tensor_v2\n",
        b"ctorch\nFloatStorage\n",
        b"\x8a\x08" + b"\xff" * 8,
        b"K\x00",
        b"M\xff\xff",
    ),
    *(b"cnumpy.core.multiarray\n_reconstruct\n", b"cbuiltins\nlist\n", b"\x97", b"\x82\x01", b"i", b"o", b"N", b"\x8f"),
    *(b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"PK\x06\x06", b"../", b"data.pkl", b'{"', b"\x00" * 8),
)


class Change(NamedTuple):
    """One damage: what kind, where (a share of the place it happens in), how much or which."""

    kind: str
    where: float
    value: int
    inside: bool
    """In the description of the model rather than anywhere in the file."""


class Base(NamedTuple):
    data: bytes
    start: int
    """Where the description begins, and how long it is."""
    size: int


@lru_cache(maxsize=1)
def bases() -> tuple[Base, ...]:
    """Small files of every container."""
    value = material.model_file()
    state = {
        "weight": material.weights(),
        "optimizer": torch.optim.AdamW(torch.nn.Linear(2, 2).parameters()).state_dict(),
    }
    plain = save({name: tensor.contiguous().clone() for name, tensor in material.weights().items()}, {"format": "pt"})
    files = [
        *(material.saved(content, False, protocol) for content in (value, state) for protocol in (2, 4, 5)),
        *(material.saved(content, True, protocol) for content in (value, state) for protocol in (2, 4)),
        material.saved(value, head=b"05"),
        material.zipped(pickle.dumps({"a": [1, "b", (2.5, None)]}, protocol=0)),
        plain,
    ]
    return tuple(_base(data) for data in files)


def _base(data: bytes) -> Base:
    if data[2:4] == b"\x03\x04":
        data = material.without_sums(data)  # or no damage would come further than they
        start = data.index(b"\x80") if b"\x80" in data[:200] else 64
        return Base(data, start, data.find(b"PK\x07\x08") - start if b"PK\x07\x08" in data else 200)
    return Base(data, 0, min(len(data), 700))


def damaged(base: Base, changes: list[Change], other: bytes) -> bytes:
    """A file with every change applied."""
    data = bytearray(base.data)
    for change in changes:
        start, size = (base.start, base.size) if change.inside else (0, len(data))
        place = min(start + int(change.where * max(1, size)), max(0, len(data) - 1))
        _apply(data, change, place, other)
    return bytes(data)


def _apply(data: bytearray, change: Change, place: int, other: bytes) -> None:
    value = change.value
    length = 1 + value % 64
    if not data:
        data += b"\x00"
    if change.kind == "flip":
        data[place] ^= 1 << value % 8
    elif change.kind == "set":
        data[place] = value % 256
    elif change.kind == "number":
        width = (1, 2, 4, 8)[value % 4]
        data[place : place + width] = (NUMBERS[value % len(NUMBERS)] % 256**width).to_bytes(width, "little")
    elif change.kind == "cut":
        del data[place:]
    elif change.kind == "drop":
        del data[place : place + length]
    elif change.kind == "repeat":
        data[place:place] = data[place : place + length] * (1 + value % 5)
    elif change.kind == "insert":
        data[place:place] = PIECES[value % len(PIECES)]
    elif change.kind == "swap":
        far = value % len(data)
        data[place : place + 8], data[far : far + 8] = data[far : far + 8], data[place : place + 8]
    elif change.kind == "splice":
        far = value % max(1, len(other))
        data[place : place + length] = other[far : far + length]
    elif change.kind == "name":
        piece = PIECES[value % len(PIECES)]
        data[place : place + len(piece)] = piece
    else:
        data[place] = ord(random.Random(value).choice("()tRbQhqceuslad0.2NKMJXBC\x80\x81\x85\x86\x87\x93\x8a"))


def fault(path: Path, data: bytes) -> str | None:
    """What is wrong with how a file was read, if anything is; a refusal in a sentence is not."""
    path.write_bytes(data)
    for tensors in (True, False):
        outcome, events = watch().read(path, tensors)
        if events:
            return f"events {events[:3]}"
        if outcome != "read" and ("\n" in outcome or len(outcome) > 900):
            return f"refusal {outcome[:200]!r}"
    return None


def prepare(folder: Path) -> None:
    """Read harmless files, so that what is imported at first use is there."""
    paths = []
    extra = [b"hello\n", b"", hostile.called("os system", "x", protocol=0)]
    samples = [*(base.data for base in bases()), *(material.zipped(data) for data in extra)]
    samples += [base.data[: len(base.data) // 2] for base in bases()]
    for number, data in enumerate(samples):
        path = folder / f"good{number}"
        path.write_bytes(data)
        paths.append(path)
    warm_up(paths)


def random_changes(rng: random.Random) -> list[Change]:
    count = rng.choice((1, 1, 2, 3, 6))
    return [Change(rng.choice(KINDS), rng.random(), rng.getrandbits(32), rng.random() < 0.7) for _ in range(count)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=None)
    options = parser.parse_args()
    rng, outcomes, findings, runs = random.Random(options.seed), Counter[str](), 0, 0
    end, slowest = time.monotonic() + 60 * options.minutes, 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        path = folder / "case.pth"
        while time.monotonic() < end:
            data = damaged(rng.choice(bases()), random_changes(rng), rng.choice(bases()).data)
            begun = time.process_time()
            try:
                found = fault(path, data)
            except Exception as error:
                found = f"{type(error).__name__}: {error}"
            slowest = max(slowest, time.process_time() - begun)
            runs += 1
            outcomes["fault" if found else "fine"] += 1
            if found:
                findings += 1
                print(f"run {runs}: {found}")
                if options.keep is not None:
                    options.keep.mkdir(parents=True, exist_ok=True)
                    (options.keep / f"{options.seed}-{runs}.pth").write_bytes(data)
    print(f"{runs} files read twice each, {findings} findings, slowest {slowest:.2f} s")


if __name__ == "__main__":
    main()
