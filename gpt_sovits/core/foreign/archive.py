"""The zip container that torch writes: members stored as they are, so that tensors can stay in the file."""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from typing import Any, NamedTuple

from gpt_sovits.core.foreign.storage import Storage
from gpt_sovits.core.foreign.tree import Refused

MOST_DIRECTORY = 4 << 20
"""Bytes of a table of contents; 2000 tensors take 0.2 MB."""
_LOCAL = struct.Struct("<4s5H3I2H")
_ENCRYPTED = 0x1
_CHUNK = 1 << 20
_NAME = re.compile(r"[^\x00-\x1f\\:]{1,500}")


class Member(NamedTuple):
    """Where the bytes of one member lie in the file."""

    start: int
    size: int
    crc: int
    """Their check sum; 0 where the writer left it out, as torch can be told to."""


class Archive:
    """The members of a zip, each checked to be a plain run of bytes of its own."""

    def __init__(self, data: Any) -> None:
        """Read the table of contents.

        Args:
            data: the mapped file.

        Raises:
            Refused: damaged, or made otherwise than torch makes it.
        """
        self.data = data
        try:
            with zipfile.ZipFile(_Window(data)) as found:  # type: ignore[arg-type]
                entries = found.infolist()
        except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
            raise Refused("is incomplete, its table of contents at the end is missing: download it again") from error
        members: dict[str, Member] = {}
        for entry in entries:
            if entry.filename in members:
                raise Refused(f"holds two members named {entry.filename!r}: do not use it")
            members[entry.filename] = self._member(entry)
        _check_apart(members)
        self.members = _without_folder(members)

    def storage(self, storage: Storage) -> int:
        """Where a storage begins.

        Raises:
            Refused: it is not there, or has another size.
        """
        member = self.members.get(f"data/{storage.key}")
        if member is None:
            raise Refused(f"lacks its storage {storage.key!r}: download it again")
        if member.size != storage.size:
            raise Refused(
                f"has {member.size} bytes in its storage {storage.key!r} in place of {storage.size}: download it again"
            )
        return member.start

    def check(self, storages: bool) -> None:
        """Compare every member with its check sum: one pass over the file, and no copy of it.

        Args:
            storages: whether those of the tensors too.

        Raises:
            Refused: a member is not what was written.
        """
        with memoryview(self.data) as view:
            for name, member in self.members.items():
                if member.crc and (storages or not name.startswith("data/")) and _crc(view, member) != member.crc:
                    raise Refused(f"is damaged (check sum of its member {name!r}): download or copy it again")

    def _member(self, entry: zipfile.ZipInfo) -> Member:
        name = entry.filename
        if name.startswith("/") or not _NAME.fullmatch(name) or ".." in name.split("/"):
            raise Refused(f"has a member with the path {name[:80]!r}, which leads outside: do not use it")
        if entry.flag_bits & _ENCRYPTED:
            raise Refused("is encrypted: save it without a password")
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise Refused(f"is compressed (member {name!r}): unpack it and use the model file inside, or save it again")
        place = entry.header_offset
        if not 0 <= place <= len(self.data) - _LOCAL.size:
            raise Refused("is incomplete: download it again")
        signature, *_, name_size, extra_size = _LOCAL.unpack_from(self.data, place)
        if signature[2:] != b"\x03\x04" or (place > 0 and signature[:2] != b"PK"):
            raise Refused(f"has a damaged member {name!r}: download it again")
        start = place + _LOCAL.size + name_size + extra_size
        if start + entry.file_size > len(self.data):
            raise Refused("is incomplete: download it again")
        return Member(start, entry.file_size, entry.CRC)


def _crc(view: memoryview, member: Member) -> int:
    found, end = 0, member.start + member.size
    for start in range(member.start, end, _CHUNK):
        found = zlib.crc32(view[start : min(start + _CHUNK, end)], found)
    return found


def _check_apart(members: dict[str, Member]) -> None:
    end = 0
    for member in sorted(members.values()):
        if member.start < end:
            raise Refused("has members that overlap: do not use it")
        end = member.start + member.size


def _without_folder(members: dict[str, Member]) -> dict[str, Member]:
    """Names below the one folder that torch puts everything in.

    Raises:
        Refused: a zip of something else.
    """
    tops = [name for name in members if name == "data.pkl" or name.endswith("/data.pkl")]
    if len(tops) != 1:
        holds = ", ".join(sorted(members)[:3])
        raise Refused(f"is a zip archive but no torch file (it holds {holds}): unpack it and use the model file inside")
    folder = tops[0].removesuffix("data.pkl")
    found = {name.removeprefix(folder): member for name, member in members.items() if name.startswith(folder)}
    if "constants.pkl" in found or any(name.startswith("code/") for name in found):
        raise Refused("is a compiled TorchScript program: use the file of plain weights")
    return found


class _Window:
    """A mapped file as `zipfile` wants it, of which no large piece is ever copied."""

    def __init__(self, data: Any) -> None:
        self.data, self.place = data, 0

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        place = offset + (0, self.place, len(self.data))[whence]
        if place < 0:
            raise OSError("before the start")
        self.place = place
        return place

    def tell(self) -> int:
        return self.place

    def read(self, count: int = -1) -> bytes:
        stop = len(self.data) if count < 0 else min(len(self.data), self.place + count)
        if stop - self.place > MOST_DIRECTORY:
            raise Refused("has a far too long table of contents: do not use it")
        found = bytes(self.data[self.place : stop])
        self.place = max(self.place, stop)
        return found
