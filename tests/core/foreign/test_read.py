"""Good files of every container come out as what was put in, and stay on the disk until they are used."""

from __future__ import annotations

import argparse
import io
import json
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from gpt_sovits.core.errors import CheckpointError
from gpt_sovits.core.foreign import Inert, as_dict, plain, read_foreign, state_dict
from tests.core.foreign import material


def read(tmp_path: Path, data: bytes, **options: Any) -> Any:
    path = tmp_path / "file.pth"
    path.write_bytes(data)
    return read_foreign(path, **options)


def same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype and torch.equal(found[name], tensor), name


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("legacy", [False, True])
def test_a_release_file(tmp_path: Path, legacy: bool, protocol: int) -> None:
    file = read(tmp_path, material.saved(material.model_file(), legacy, protocol))
    assert file.container == ("legacy" if legacy else "zip")
    tree = file.tree
    same(tree["weight"], material.weights())
    assert tree["config"].name == "utils.HParams" and isinstance(tree["config"], Inert)
    assert as_dict(tree["config"]) == {
        "train": {"segment_size": 20480},
        "model": {"gin_channels": 1024, "version": "v2Pro"},
    }
    assert tree["config"]["model"]["version"] == "v2Pro" and "data" not in tree["config"]
    assert as_dict(tree["args"]) == {"layers": 12, "path": "a/b"}
    assert tree["best"] == 0.25 and type(tree["best"]) is float
    assert tree["history"].tolist() == [[0, 1, 2], [3, 4, 5]] and tree["history"].dtype == torch.int32
    assert tree["bytes"] == b"\x00\xff" and tree["seen"] == {1, 2} and tree["size"] == (2, 3)
    assert tree["info"] == "8epoch_96iteration" and tree["device"] == "cpu"


@pytest.mark.parametrize("head", [b"PK", b"00", b"01", b"02", b"03", b"04", b"05", b"06"])
def test_a_tag_in_place_of_the_first_two_bytes(tmp_path: Path, head: bytes) -> None:
    file = read(tmp_path, material.saved(material.model_file(), head=head))
    assert (file.head, file.container) == (head, "zip")
    same(file.tree["weight"], material.weights())


@pytest.mark.parametrize("legacy", [False, True])
def test_tied_and_transposed_tensors_share_their_storage(tmp_path: Path, legacy: bool) -> None:
    weight = read(tmp_path, material.saved({"weight": material.weights()}, legacy)).tree["weight"]
    weight["enc_p.proj.weight"][1, 0] = 77
    assert weight["dec.tied.weight"][0, 0] == 77
    assert weight["dec.brain.weight"].stride() == (1, 3)


def test_writing_to_a_tensor_leaves_the_file_alone(tmp_path: Path) -> None:
    data = material.saved({"weight": material.weights()})
    state_dict(read(tmp_path, data).tree)["enc_p.proj.bias"].zero_()
    assert (tmp_path / "file.pth").read_bytes() == data


@pytest.mark.parametrize("legacy", [False, True])
def test_structure_alone(tmp_path: Path, legacy: bool) -> None:
    tree = read(tmp_path, material.saved(material.model_file(), legacy), tensors=False).tree
    found = state_dict(tree)
    expected = {name: (t.shape, t.dtype, "meta") for name, t in material.weights().items()}
    assert {name: (t.shape, t.dtype, t.device.type) for name, t in found.items()} == expected


@pytest.mark.parametrize("tensors", [True, False])
def test_safetensors(tmp_path: Path, tensors: bool) -> None:
    state = {"a.weight": torch.rand(2, 3).half(), "b": torch.tensor([1, 2])}
    save_file(state, tmp_path / "x.bin", {"note": "hi"})
    file = read_foreign(tmp_path / "x.bin", tensors=tensors)
    assert file.container == "safetensors" and file.metadata == {"note": "hi"}
    found = state_dict(file.tree)
    assert {name: (t.shape, t.dtype) for name, t in found.items()} == {n: (t.shape, t.dtype) for n, t in state.items()}
    if tensors:
        same(found, state)


@pytest.mark.parametrize("place", [None, "weight", "model", "generator", "state_dict"])
def test_weights_are_found_wherever_they_are(tmp_path: Path, place: str | None) -> None:
    state = material.weights()
    value = state if place is None else {place: state, "iteration": 3}
    same(state_dict(read(tmp_path, material.saved(value)).tree), state)


@pytest.mark.parametrize("legacy", [False, True])
def test_whole_training_states(tmp_path: Path, legacy: bool) -> None:
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    optimizer = torch.optim.AdamW(network.parameters())
    network(torch.rand(2, 3)).sum().backward()
    optimizer.step()
    value = {"model": network.state_dict(), "optimizer": optimizer.state_dict(), "iteration": 3, "learning_rate": 1e-4}
    tree = read(tmp_path, material.saved(value, legacy)).tree
    same(tree["model"], dict(network.state_dict()))
    assert tree["optimizer"]["param_groups"] == optimizer.state_dict()["param_groups"]
    for index, state in optimizer.state_dict()["state"].items():
        same(tree["optimizer"]["state"][index], state)


def test_parameters_and_untyped_storages(tmp_path: Path) -> None:
    value = {
        "p": nn.Parameter(torch.arange(3.0)),
        "u": torch.tensor([0, 1, 2], dtype=torch.uint16),
        "e": torch.empty(0, 4),
    }
    value["p"].extra = 1
    tree = read(tmp_path, material.saved(value)).tree
    assert tree["p"].tolist() == [0, 1, 2] and not tree["p"].requires_grad and tree["e"].shape == (0, 4)
    assert tree["u"].tolist() == [0, 1, 2]


def test_old_tensors_that_view_a_storage(tmp_path: Path) -> None:
    """A reference may say which part of a root storage it means; files of 2017 did."""
    view = b"(X\x01\x00\x00\x00vK\x01K\x02t"
    storage = (
        b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04" + view + b"tQ"
    )
    description = b"\x80\x02ctorch._utils\n_rebuild_tensor\n(" + storage + b"K\x00K\x02\x85K\x01\x85tR."
    numbers = np.arange(4, dtype=np.float32).tobytes()
    assert read(tmp_path, material.older(description, {"0": numbers})).tree.tolist() == [1, 2]


def test_containers_of_the_standard_library(tmp_path: Path) -> None:
    from collections import Counter, defaultdict, deque

    value = {
        "default": defaultdict(list, {"a": [1]}),
        "ordered": OrderedDict([("x", 1), ("y", (2, None))]),
        "count": Counter("aab"),
        "queue": deque([1, 2]),
        "frozen": frozenset({3}),
        "complex": 1 + 2j,
        "long": 2**80,
        "nested": [{"a": [1.5, True]}, "日本"],
        "array": bytearray(b"xy"),
    }
    for protocol in (2, 4, 5):
        tree = read(tmp_path, material.saved(value, protocol=protocol)).tree
        assert tree["default"] == {"a": [1]} and tree["ordered"] == {"x": 1, "y": (2, None)}
        assert tree["count"] == {"a": 2, "b": 1} and tree["queue"] == [1, 2] and tree["frozen"] == frozenset({3})
        assert tree["long"] == 2**80 and tree["nested"] == [{"a": [1.5, True]}, "日本"] and tree["array"] == b"xy"
        assert plain(tree["complex"]) in (1 + 2j, [1.0, 2.0])


def test_every_protocol_of_a_bare_pickle(tmp_path: Path) -> None:
    value = {"a": [1, -70000, 2**40, 1.5, "é\n", b"\xff", None, True, (1,), (1, 2, 3, 4)], 5: {"x": {1, 2}}}
    for protocol in range(6):
        tree = read(tmp_path, material.zipped(pickle.dumps(value, protocol=protocol))).tree
        assert tree == value, protocol


def test_numpy_in_every_layout(tmp_path: Path) -> None:
    arrays = {
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "big": np.arange(4, dtype=">i2"),
        "scalar": np.array(3.0),
        "empty": np.zeros((0, 2), dtype=np.float32),
        "bool": np.array([True, False]),
    }
    tree = read(tmp_path, material.saved(arrays)).tree
    for name, array in arrays.items():
        assert tree[name].shape == array.shape and tree[name].tolist() == array.tolist(), name
    texts = read(tmp_path, material.saved({"t": np.array(["a"], dtype=object), "u": np.str_("x")})).tree
    assert isinstance(texts["t"], Inert)


class DictConfig:
    """Shaped like the containers of omegaconf: nodes that hold their content, a type, and their parent."""

    def __init__(self, content: Any, parent: Any = None) -> None:
        self.__dict__.update(_metadata=AnyNode(None), _parent=parent, _flags_cache=None)
        nested = {key: _node(value, self) for key, value in content.items()}
        self.__dict__["_content"] = nested


class ListConfig:
    def __init__(self, content: Any, parent: Any = None) -> None:
        self.__dict__.update(_metadata=AnyNode(None), _parent=parent)
        self.__dict__["_content"] = [_node(value, self) for value in content]


class AnyNode:
    def __init__(self, value: Any, parent: Any = None) -> None:
        self.__dict__.update(_val=value, _parent=parent)


def _node(value: Any, parent: Any) -> Any:
    kind = DictConfig if isinstance(value, dict) else ListConfig if isinstance(value, list) else AnyNode
    return kind(value, parent)


@pytest.mark.parametrize("legacy", [False, True])
def test_omegaconf_containers(tmp_path: Path, legacy: bool) -> None:
    content = {"model": {"layers": 2, "sizes": [1, [2, "x"]], "none": None}, "task": "hubert"}
    kinds = (DictConfig, ListConfig, AnyNode)
    names = [(kind.__module__, kind.__qualname__) for kind in kinds]
    with material.stand_in("omegaconf.nodes", **{kind.__name__: kind for kind in kinds}):
        data = material.saved({"cfg": DictConfig(content), "model": material.weights()}, legacy)
    for kind, (module, name) in zip(kinds, names, strict=True):
        kind.__module__, kind.__qualname__ = module, name
    tree = read(tmp_path, data).tree
    assert tree["cfg"].name == "omegaconf.nodes.DictConfig"
    assert as_dict(tree["cfg"]) == content
    assert tree["cfg"].get("task") == "hubert" and tree["cfg"]["model"]["layers"] == 2


def test_instances_of_any_class_are_data(tmp_path: Path) -> None:
    class Holder(dict):  # type: ignore[type-arg]
        pass

    class Row(list):  # type: ignore[type-arg]
        pass

    holder, row = Holder(a=1), Row([1, 2])
    holder.note = "x"  # type: ignore[attr-defined]
    with material.stand_in("some.program", Holder=Holder, Row=Row):
        tree = read(tmp_path, material.saved({"h": holder, "r": row})).tree
    assert tree["h"].name == "some.program.Holder" and as_dict(tree["h"]) == {"note": "x", "a": 1}
    assert tree["r"].elements == [1, 2] and plain(tree["r"]) == [1, 2]
    json.dumps(plain(tree))


def test_reading_is_not_copying(tmp_path: Path) -> None:
    """The tensors of a file of 200 MB are there at once, and only what is touched is read."""
    import resource

    path = tmp_path / "big.pth"
    buffer = io.BytesIO()
    torch.save({"weight": {str(i): torch.zeros(1 << 20) for i in range(50)}}, buffer)
    path.write_bytes(buffer.getvalue())
    del buffer
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    weight = read_foreign(path).tree["weight"]
    assert float(weight["7"].sum()) == 0
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert len(weight) == 50 and grown < 60 * 1024


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_numbers_that_are_none_are_refused(tmp_path: Path, value: float, dtype: torch.dtype) -> None:
    state = {"a.weight": torch.ones(5, dtype=dtype), "b.weight": torch.tensor([1, value], dtype=dtype)}
    tree = read(tmp_path, material.saved({"weight": state})).tree
    with pytest.raises(CheckpointError, match=r"model.pth holds NaN or infinity in b.weight"):
        state_dict(tree, "model.pth")


def test_what_is_no_state_dict_is_refused(tmp_path: Path) -> None:
    cases = {
        "whole numbers": ({"a.weight": torch.ones(2, dtype=torch.int64)}, "weights are floats"),
        "complex": ({"a.weight": torch.ones(2, dtype=torch.complex64)}, "save it again as float16"),
        "names": ({"a\n.weight": torch.ones(2)}, "which cannot be"),
        "numbers for names": ({3: torch.ones(2)}, "which cannot be"),
        "nothing": ({}, "holds no weights"),
        "settings": ({"config": {"a": 1}}, "holds no weights .found: config"),
        "list": ([1, 2], "holds no weights .found: list"),
        "arguments": (argparse.Namespace(a=1), "holds no weights"),
    }
    for name, (value, words) in cases.items():
        with pytest.raises(CheckpointError, match=words):
            state_dict(read(tmp_path, material.saved(value)).tree, name)
