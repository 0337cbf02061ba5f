"""Compiling a C source of ours for the processor at hand with the system's C compiler, once per machine."""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

log = logging.getLogger(__name__)

# No option here may let the compiler reorder sums: a row's value must not depend on how many rows are computed.
FLAGS = ("-O3", "-march=native", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC")
OPTIONAL = (("-mprefer-vector-width=512", "-fopenmp"), ("-fopenmp",), ())


def compiler() -> str | None:
    """Path of a C compiler, or None."""
    return next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)


def library(source: Path) -> ctypes.CDLL | None:
    """The compiled source, built on first use; None where it cannot be built, such as without a compiler."""
    program = compiler()
    if program is None:
        return None
    folder = _folder()
    target = folder / f"{source.stem}-{_key(source, program)}.so"
    if not target.exists() and not _build(program, source, target):
        return None
    try:
        return ctypes.CDLL(str(target))
    except OSError as error:
        log.warning("the compiled %s cannot be loaded (%s): the plain form is used", source.name, error)
        return None


def _folder() -> Path:
    """A folder only this user can write to: what lies in it is executed."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gpt-sovits" / "kernels"
    try:
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.access(cache, os.W_OK) and _private(cache):
            return cache
    except OSError:
        pass
    return _own_folder()


@cache
def _own_folder() -> Path:
    """For this process alone."""
    return Path(tempfile.mkdtemp(prefix="gpt-sovits-"))


def _private(folder: Path) -> bool:
    state = folder.stat()
    return state.st_uid == os.getuid() and not state.st_mode & 0o022


def _key(source: Path, program: str) -> str:
    """Changes with the source, the flags, the compiler and the processor."""
    state = Path(program).resolve().stat()
    parts = (source.read_bytes(), repr((FLAGS, OPTIONAL, program, state.st_size, state.st_mtime_ns)), _processor())
    return hashlib.sha256(b"".join(p if isinstance(p, bytes) else p.encode() for p in parts)).hexdigest()[:16]


def _described(keys: tuple[str, ...]) -> list[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf8").splitlines()
    except OSError:
        lines = []
    return [line for line in lines if line.startswith(keys)]


def _processor() -> str:
    names = _described(("model name", "flags", "Features"))
    return "\n".join((platform.machine(), platform.processor(), *sorted(set(names))))


def _build(program: str, source: Path, target: Path) -> bool:
    reason = ""
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        built = Path(folder) / target.name
        for extra in OPTIONAL:
            command = [program, *FLAGS, *extra, str(source), "-o", str(built), "-lm"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
            if done.returncode == 0:
                built.replace(target)  # in one move, as another process may be doing the same
                return True
            reason = (done.stderr.strip().splitlines() or ["no message"])[0]
    log.warning("%s cannot be compiled (%s): the plain form is used", source.name, reason)
    return False
