"""The closed list of names whose meaning in a model file is known; every other one is recorded or refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import torch

from gpt_sovits.core.foreign.arrays import array, is_whole, number
from gpt_sovits.core.foreign.storage import DTYPES, Mapped, Storage
from gpt_sovits.core.foreign.tree import Global, Inert, Refused

_RENAMED = {
    "__builtin__": "builtins",
    "copy_reg": "copyreg",
    "numpy._core.multiarray": "numpy.core.multiarray",
    "numpy._core.numeric": "numpy.core.numeric",
}
_SAFE_BUILTIN = re.compile(
    r"builtins\.(set|frozenset|list|dict|tuple|bytearray|bytes|int|float|str|bool|complex|object|range|slice|Ellipsis|"
    r"NotImplemented)"
)
_HARMFUL = re.compile(
    r"(builtins|os|posix|nt|pty|sys|subprocess|multiprocessing|concurrent|socket|socketserver|http|urllib|ftplib|smtplib|"
    r"ssl|asyncio|threading|_thread|signal|runpy|importlib|imp|pkgutil|zipimport|code|codeop|pdb|bdb|cProfile|profile|"
    r"trace|timeit|doctest|ctypes|cffi|mmap|shutil|tempfile|glob|fileinput|io|_io|pickle|_pickle|cPickle|shelve|marshal|"
    r"dill|cloudpickle|joblib|types|inspect|gc|site|sysconfig|distutils|setuptools|pip|pydoc|webbrowser|antigravity|"
    r"idlelib|tkinter|ensurepip|venv|functools|operator|_operator|itertools|platform|commands|popen2|linecache|logging)\."
    r"|torch\.(load|hub|jit|utils\.cpp_extension|utils\.data\.datapipes|_inductor|_dynamo|distributed|package|ops|"
    r"serialization(?!\._get_layout)|classes|multiprocessing|testing)\b"
    r"|numpy\.(load|save|fromfile|memmap|loadtxt|genfromtxt|f2py|distutils|testing|ctypeslib|lib)\b"
    r"|pathlib\.(?!(Pure)?(Posix|Windows)?Path$)|codecs\.(open|register)"
)
_PATHS = tuple(f"pathlib.{kind}Path" for kind in ("", "Posix", "Windows", "Pure", "PurePosix", "PureWindows"))
_LONGEST_NAME = 200
MOST_COPIED = 64 << 20


class TorchMeaning:
    """Names of torch, numpy and the standard library, as data over the storages of one file."""

    def __init__(self, storages: Mapped) -> None:
        self.storages = storages
        self.allowance = MOST_COPIED

    def charge(self, *sources: Any) -> None:
        """Account for copies: a short file could otherwise ask for a great many of one large value.

        Raises:
            Refused: more than any model needs.
        """
        self.allowance -= sum(len(s) if isinstance(s, (bytes, str)) else 16 * len(s) + 16 for s in sources)
        if self.allowance < 0:
            raise Refused("repeats itself far too often: do not use it")

    def name(self, module: str, name: str) -> Global:
        """A name, unless it stands for something that acts.

        Raises:
            Refused: a function or module that could run a program, read or write files or reach the network.
        """
        full = f"{_RENAMED.get(module, module)}.{name}"
        if len(full) > _LONGEST_NAME or not full.isprintable():
            raise Refused("mentions a class by a name that cannot be one: do not use it")
        if _HARMFUL.match(full) and not _SAFE_BUILTIN.fullmatch(full):
            raise Refused(f"asks for {full}, which could run a program; nothing was run: delete the file")
        return Global(full)

    def call(self, target: Global, args: tuple[Any, ...]) -> Any:
        """The value of a known constructor; of any other, a record of the call."""
        known = _CALLS.get(target.name)
        if known is not None:
            return known(self, args)
        return Inert(target.name, args)

    def restore(self, value: Any, state: Any) -> Any:
        """Keep the state of an instance; a state dict's own (`_metadata`) is not needed."""
        if isinstance(value, _Array):
            return value.filled(self, state)
        if isinstance(value, Global):
            raise Refused(f"wants to change {value.name} itself: do not use it")
        if isinstance(value, Inert):
            if value.name.startswith("omegaconf.") and isinstance(state, dict):
                state = {key: item for key, item in state.items() if key != "_parent"}
            value.state = state
        return value

    def reference(self, identity: Any) -> Storage:
        """The storage of a persistent id: ("storage", its class, key, device, count[, view]).

        Raises:
            Refused: anything else.
        """
        if not isinstance(identity, tuple) or len(identity) not in (5, 6) or identity[0] != "storage":
            raise Refused("refers to something outside it that is not a tensor: save its state_dict() and use that")
        kind, key, count = identity[1], identity[2], identity[4]
        view = identity[5] if len(identity) == 6 else None
        if not isinstance(kind, Global) or not isinstance(key, str) or not is_whole(count):
            raise Refused("refers to its tensors in an unknown way: download it again")
        if view is None:
            return self.storages.storage(key, kind.name, count)
        if not isinstance(view, tuple) or len(view) != 3 or not is_whole(view[1], view[2]):
            raise Refused("refers to its tensors in an unknown way: download it again")
        root = self.storages.storage(key, kind.name, count)
        if min(view[1:]) < 0 or view[1] + view[2] > root.count:
            raise Refused(f"has a tensor that reaches outside its storage {key!r}: download it again")
        return Storage(key, root.dtype, view[2], view[1])


class _Array(Inert):
    """A numpy array that waits for its content."""

    def filled(self, meaning: TorchMeaning, state: Any) -> Any:
        if not isinstance(state, tuple) or len(state) != 5:
            raise Refused("holds a numpy array of an unknown form: download it again")
        _, shape, dtype, fortran, data = state
        found = array(_bytes(meaning, (data, "latin1")), dtype, shape, bool(fortran)) if _is_raw(data) else None
        return Inert("numpy.ndarray", self.args, state) if found is None else found


def _is_raw(data: Any) -> bool:
    return isinstance(data, (bytes, str))


def _from_buffer(meaning: TorchMeaning, args: tuple[Any, ...]) -> Any:
    """An array as numpy writes it since pickle protocol 5: bytes, dtype, shape, order."""
    if len(args) != 4 or not _is_raw(args[0]):
        return Inert("numpy.ndarray", args)
    meaning.charge(args[0])
    found = array(args[0], args[1], args[2], args[3] == "F")
    return Inert("numpy.ndarray", args) if found is None else found


def _scalar(meaning: TorchMeaning, args: tuple[Any, ...]) -> Any:
    raw = len(args) == 2 and _is_raw(args[1])
    found = number(_bytes(meaning, (args[1], "latin1")), args[0]) if raw else None
    return Inert("numpy.core.multiarray.scalar", args) if found is None else found


def _tensor(meaning: TorchMeaning, args: tuple[Any, ...], dtype: torch.dtype | None = None) -> Any:
    storage, offset, shape, stride = args[:4]
    if not isinstance(storage, Storage) or not isinstance(shape, tuple) or not isinstance(stride, tuple):
        raise Refused("describes a tensor in an unknown way: download it again")
    if not is_whole(offset, *shape, *stride):
        raise Refused("describes a tensor whose shape is not whole numbers: download it again")
    return meaning.storages.tensor(storage, offset, shape, stride, dtype)


def _tensor_of_kind(meaning: TorchMeaning, args: tuple[Any, ...]) -> Any:
    dtype = DTYPES.get(args[6].name) if len(args) > 6 and isinstance(args[6], Global) else None
    if dtype is None:
        raise Refused("holds a tensor of a number format that is not supported: save it again as float32")
    return _tensor(meaning, args, dtype)


def _instance(meaning: TorchMeaning, args: tuple[Any, ...]) -> Any:
    """What `copyreg` makes: an instance of the class given first."""
    if not args or not isinstance(args[0], Global):
        raise Refused("makes an object without naming its class: do not use it")
    meaning.charge(args)
    base = args[1].name if len(args) > 1 and isinstance(args[1], Global) else None
    rest = args[2:] if base is not None else args[1:]
    return Inert(args[0].name, tuple(item for item in rest if item is not None))


def _table(meaning: TorchMeaning, args: tuple[Any, ...]) -> dict[Any, Any]:
    source = args[-1] if args else ()
    if isinstance(source, Global):  # the default of a defaultdict
        return {}
    if not isinstance(source, (dict, list, tuple)):
        raise Refused("fills a table with what is not one: do not use it")
    meaning.charge(source)
    pairs = source.items() if isinstance(source, dict) else source
    found: dict[Any, Any] = {}
    for key, value in pairs:
        if not isinstance(key, (str, int, float, bytes)):
            raise Refused("has a table with a key that is neither text nor a number: do not use it")
        found[key] = value
    return found


def _collected(kind: Callable[[Any], Any]) -> Callable[[TorchMeaning, tuple[Any, ...]], Any]:
    def make(meaning: TorchMeaning, args: tuple[Any, ...]) -> Any:
        source = args[0] if args else ()
        if not isinstance(source, (list, tuple, set, frozenset)):
            raise Refused("fills a list with what is not one: do not use it")
        meaning.charge(source)
        if kind in (set, frozenset) and not all(isinstance(item, (str, int, float, bytes, Inert)) for item in source):
            raise Refused("has a set of something that is neither text nor a number: do not use it")
        return kind(source)

    return make


def _bytes(meaning: TorchMeaning, args: tuple[Any, ...]) -> bytes:
    """Bytes as Python writes them for older readers: text and the name of its encoding."""
    source = args[0] if args else b""
    if isinstance(source, bytes):
        return source
    if not isinstance(source, str) or len(args) > 2 or args[1:] not in (("latin1",), ("latin-1",)):
        raise Refused("holds bytes in an unknown form: download it again")
    meaning.charge(source)
    return source.encode("latin1")


def _text(meaning: TorchMeaning, args: tuple[Any, ...]) -> Any:
    if len(args) < 100 and all(isinstance(item, str) for item in args):
        meaning.charge(*args)
        return "/".join(args).replace("//", "/") or "."
    return Inert("pathlib.Path", args)


def _device(_: TorchMeaning, args: tuple[Any, ...]) -> Any:
    if not args or not isinstance(args[0], str) or len(args[0]) > 20:
        raise Refused("names a device in an unknown way: download it again")
    return args[0]


def _refuse(reason: str) -> Callable[[TorchMeaning, tuple[Any, ...]], Any]:
    def refuse(_: TorchMeaning, __: tuple[Any, ...]) -> Any:
        raise Refused(reason)

    return refuse


_ODD_TENSOR = "holds a sparse, quantised or otherwise special tensor: save it again with plain float tensors"
_CALLS: dict[str, Callable[[TorchMeaning, tuple[Any, ...]], Any]] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_of_kind,
    "torch._utils._rebuild_parameter": lambda _, args: args[0],
    "torch._utils._rebuild_parameter_with_state": lambda _, args: args[0],
    "torch._utils._rebuild_sparse_tensor": _refuse(_ODD_TENSOR),
    "torch.serialization._get_layout": _refuse(_ODD_TENSOR),
    "torch._utils._rebuild_qtensor": _refuse(_ODD_TENSOR),
    "torch._utils._rebuild_nested_tensor": _refuse(_ODD_TENSOR),
    "torch._utils._rebuild_wrapper_subclass": _refuse(_ODD_TENSOR),
    "torch._utils._rebuild_device_tensor_from_numpy": _refuse(_ODD_TENSOR),
    "torch._tensor._rebuild_from_type_v2": _refuse(_ODD_TENSOR),
    "torch.Size": _collected(tuple),
    "torch.device": _device,
    "collections.OrderedDict": _table,
    "collections.defaultdict": _table,
    "collections.Counter": _table,
    "collections.deque": _collected(list),
    "builtins.dict": _table,
    "builtins.list": _collected(list),
    "builtins.tuple": _collected(tuple),
    "builtins.set": _collected(set),
    "builtins.frozenset": _collected(frozenset),
    "builtins.bytes": _bytes,
    "builtins.bytearray": _bytes,
    "_codecs.encode": _bytes,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy.core.numeric._frombuffer": _from_buffer,
    "numpy.core.multiarray._reconstruct": lambda _, args: _Array("numpy.ndarray", args),
    "copyreg._reconstructor": _instance,
    "copyreg.__newobj__": _instance,
    "copyreg.__newobj_ex__": _instance,
    **dict.fromkeys(_PATHS, _text),
}
