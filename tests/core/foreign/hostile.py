"""Pickles that run something when Python's own unpickler reads them, or that ask it to."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

PROTOCOLS = range(6)


class Call:
    """Pickles as a call of a function that need not exist."""

    def __init__(self, name: str, *args: Any) -> None:
        self.name, self.args = name, args


def called(name: str, *args: Any, protocol: int = 2) -> bytes:
    """A pickle that calls `module name`, written by hand: the function is not looked up."""
    return _start(protocol) + _call(name, args, protocol) + b"."


def _start(protocol: int) -> bytes:
    return b"\x80" + bytes([protocol]) if protocol >= 2 else b""


def _call(name: str, args: tuple[Any, ...], protocol: int) -> bytes:
    return _name(name, protocol) + b"(" + b"".join(_value(arg, protocol) for arg in args) + b"tR"


def _name(name: str, protocol: int) -> bytes:
    module, _, attribute = name.rpartition(" ")
    if protocol >= 4:
        return _value(module, protocol) + _value(attribute, protocol) + b"\x93"
    return f"c{module}\n{attribute}\n".encode()


def _value(value: Any, protocol: int) -> bytes:
    if isinstance(value, Call):
        return _call(value.name, value.args, protocol)
    if isinstance(value, type(Ellipsis)):
        return _name("os system", protocol)
    if isinstance(value, str):
        data = value.encode()
        return b"X" + len(data).to_bytes(4, "little") + data if protocol else b"V" + data + b"\n"
    if isinstance(value, list):
        return b"(l" + b"".join(_value(item, protocol) + b"a" for item in value)
    if isinstance(value, tuple):
        return b"(" + b"".join(_value(item, protocol) for item in value) + b"t"
    return pickle.dumps(value, protocol=min(protocol, 2))[2 if protocol >= 2 else 0 : -1]


def calls(mark: str) -> dict[str, tuple[str, tuple[Any, ...]]]:
    """Name of the case to function and arguments; each would leave the file `mark` behind."""
    shell, code = f"touch {mark}", f"open({mark!r}, 'w')"
    imported = f"__import__('os').system({shell!r})"
    return {
        "os.system": ("os system", (shell,)),
        "posix.system": ("posix system", (shell,)),
        "nt.system": ("nt system", (shell,)),
        "eval": ("builtins eval", (imported,)),
        "exec": ("builtins exec", (code,)),
        "eval of Python 2": ("__builtin__ eval", (imported,)),
        "open": ("io open", (mark, "w")),
        "compile": ("builtins compile", (code, "x", "exec")),
        "import": ("builtins __import__", ("antigravity",)),
        "getattr": ("builtins getattr", (Call("builtins __import__", "os"), "system")),
        "runpy": ("runpy run_path", (mark,)),
        "runpy code": ("runpy _run_code", (code, {})),
        "popen": ("subprocess Popen", (["touch", mark],)),
        "check_output": ("subprocess check_output", (["touch", mark],)),
        "spawn": ("pty spawn", (["touch", mark],)),
        "partial": ("functools partial", (..., shell)),
        "methodcaller": ("operator methodcaller", ("system", shell)),
        "map": ("builtins map", (..., [shell])),
        "torch.load": ("torch load", (mark,)),
        "torch hub": ("torch.hub load", (mark, "x")),
        "torch legacy": ("torch.serialization _legacy_load", (mark,)),
        "torch jit": ("torch.jit load", (mark,)),
        "torch chain": ("torch._utils _rebuild_parameter", (Call("os system", shell), True, None)),
        "torch hooks": ("torch._utils _rebuild_tensor_v2", (Call("os system", shell), 0, (1,), (1,), False, None)),
        "torch type": ("torch._tensor _rebuild_from_type_v2", (..., (shell,), 0, {})),
        "torch datapipe": ("torch.utils.data.datapipes.utils.decoder basichandlers", ("pickle", mark)),
        "torch config": ("torch.utils._config_module ConfigModule.load_config", (b"x",)),
        "torch inductor": ("torch._inductor.codecache _reload_python_module", ("x", mark)),
        "numpy load": ("numpy load", (mark, None, True)),
        "numpy runstring": ("numpy.testing._private.utils runstring", (code, {})),
        "numpy f2py": ("numpy.f2py.crackfortran getlincoef", (imported, {})),
        "copyreg": ("copyreg _reconstructor", (..., Call("os system", shell), shell)),
        "copyreg new": ("copyreg __newobj__", (..., shell)),
        "copyreg extension": ("copyreg add_extension", ("os", "system", 1)),
        "encode": ("_codecs encode", (shell, "rot13")),
        "pickle": ("pickle loads", (called("os system", shell),)),
        "cloudpickle": ("cloudpickle.cloudpickle _make_function", (shell,)),
        "ctypes": ("ctypes CDLL", (mark,)),
        "socket": ("socket create_connection", (("127.0.0.1", 9),)),
        "urllib": ("urllib.request urlopen", ("http://127.0.0.1:9",)),
        "logging": ("logging.config fileConfig", (mark,)),
        "path": ("pathlib Path.write_text", (mark, "x")),
        "pip": ("pip main", (["install", mark],)),
        "unknown function": ("timm.models.helpers load_checkpoint", (mark,)),
        "unknown class": ("fairseq.data.dictionary Dictionary", (mark,)),
        "set of calls": ("builtins set", ([Call("os system", shell)],)),
        "table of calls": ("collections OrderedDict", ([(shell, Call("os system", shell))],)),
        "default": ("collections defaultdict", (..., {})),
    }


def instructions(mark: str) -> dict[str, bytes]:
    """Pickles made of rarer instructions."""
    shell = f"touch {mark}"
    line = shell.encode()
    text = b"X" + len(line).to_bytes(4, "little") + line
    system = b"cos\nsystem\n"
    return {
        "INST": b"(S'" + line + b"'\nios\nsystem\n.",
        "OBJ": b"(" + system + b"S'" + line + b"'\no.",
        "NEWOBJ": b"\x80\x02" + system + text + b"\x85\x81.",
        "NEWOBJ_EX": b"\x80\x04" + system + text + b"\x85}\x92.",
        "BUILD of a class": b"\x80\x02cargparse\nNamespace\n}X\x0c\x00\x00\x00__setstate__" + system + b"sb.",
        "BUILD of an instance": b"\x80\x02cfunctools\npartial\n" + system + b"\x85R(" + system + text + b"\x85}Ntb.",
        "BUILD calls": b"\x80\x02cargparse\nNamespace\n)\x81}X\x0c\x00\x00\x00__setstate__"
        + system
        + b"sb"
        + text
        + b"b.",
        "EXT1": b"\x80\x02\x82\x01" + text + b"\x85R.",
        "EXT2": b"\x80\x02\x83\x01\x00" + text + b"\x85R.",
        "EXT4": b"\x80\x02\x84\x01\x00\x00\x00" + text + b"\x85R.",
        "PERSID": b"Pstorage\n.",
        "persistent module": b"\x80\x02(X\x06\x00\x00\x00module" + system + text + text + b"tQ.",
        "persistent in persistent": b"\x80\x02((X\x07\x00\x00\x00storagetQtQ.",
        "persistent call": b"\x80\x02(X\x07\x00\x00\x00storage" + system + text + b"\x85R" + text + text + b"K\x01tQ.",
        "buffers": b"\x80\x05\x97\x98.",
        "dotted name": b"\x80\x04X\x05\x00\x00\x00torchX\x10\x00\x00\x00serialization.os\x93" + text + b"\x85R.",
        "call of a value": b"\x80\x02" + text + text + b"\x85R.",
        "call of a tensor's method": b"\x80\x02ctorch\nTensor.numpy\n)R.",
        "frame": b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f" + system + text + b"\x85R.",
        "long text": b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7fabc.",
        "long bytes": b"\x80\x05\x96\xff\xff\xff\xff\x00\x00\x00\x00abc.",
        "long number": b"\x80\x02\x8b\xff\xff\xff\x7fabc.",
        "second pickle": pickle.dumps({"weight": {}}, protocol=2) + b"\x80\x02" + system + text + b"\x85R.",
    }


def bombs() -> dict[str, bytes]:
    """Small pickles that would grow, nest or circle without end."""
    laughs = b"\x80\x02](K\x01K\x02eq\x00" + b"".join(
        b"](" + b"h" + bytes([i]) + b"h" + bytes([i]) + b"eq" + bytes([i + 1]) for i in range(100)
    )
    big = b"\x80\x02](" + b"K\x01" * 100_000 + b"eq\x00"
    copies = b"".join(b"cbuiltins\nlist\nh\x00\x85R" for _ in range(2000))
    tables = b"".join(b"ccollections\nOrderedDict\n}q\x01h\x00h\x00s\x85R" for _ in range(10))
    text = b"\x80\x02X\x00\x00\x40\x00" + b"a" * (4 << 20) + b"q\x00"
    encoded = b"".join(b"c_codecs\nencode\nh\x00X\x06\x00\x00\x00latin1\x86R" for _ in range(2000))
    named = b"\x80\x04}(" + b"".join(b"J" + i.to_bytes(4, "little") + b"N" for i in range(50_000)) + b"u\x94"
    grown = b"".join(b"cx\ny\n)h\x00\x92" for _ in range(2000))
    return {
        "laughs": laughs + b".",
        "copies": big + copies + b"t.",
        "copied tables": big + tables + b".",
        "encoded copies": text + encoded + b".",
        "named copies": named + grown + b".",
        "deep list": b"\x80\x02" + b"]" * 50_000 + b"a" * 49_999 + b".",
        "deep tuple": b"\x80\x02)" + b"\x85" * 300_000 + b".",
        "deep key": b"\x80\x02})" + b"\x85" * 300_000 + b"Ns.",
        "deep set": b"\x80\x02cbuiltins\nset\n])" + b"\x85" * 300_000 + b"a\x85R.",
        "circle": b"\x80\x02]q\x00h\x00a.",
        "circle of tables": b"\x80\x02}q\x00X\x06\x00\x00\x00weighth\x00s.",
        "many marks": b"\x80\x02" + b"(" * 900_000 + b".",
        "many instructions": b"\x80\x02" + b"N0" * 2_000_000 + b"N.",
        "many tables": b"\x80\x02" + b"}" * 999_000 + b".",
        "long line": b"L" + b"9" * 5_000_000 + b"L\n.",
        "wide key": b"\x80\x02}(" + b"N" * 200_000 + b"tNs.",
    }


def every(mark: str) -> Iterator[tuple[str, bytes]]:
    """All that would act, named."""
    for name, (function, args) in calls(mark).items():
        for protocol in PROTOCOLS:
            yield f"{name}, protocol {protocol}", called(function, *args, protocol=protocol)
    yield from instructions(mark).items()
