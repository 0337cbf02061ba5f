"""Hugging Face folders: one file or several, and nothing from outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from gpt_sovits.core.errors import CheckpointError
from gpt_sovits.core.foreign import read_folder, read_folder_config

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "b.bias": torch.ones(2), "c.weight": torch.zeros(3)}
KINDS = ("model.safetensors", "pytorch_model.bin", "model.safetensors.index.json", "pytorch_model.bin.index.json")


def save(path: Path, state: dict[str, Tensor]) -> None:
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)


def write(folder: Path, kind: str) -> Path:
    folder.mkdir(exist_ok=True)
    if not kind.endswith(".json"):
        save(folder / kind, STATE)
        return folder
    stem, suffix = kind.removesuffix(".index.json").rsplit(".", 1)
    shards = [f"{stem}-0000{i}-of-00002.{suffix}" for i in (1, 2)]
    save(folder / shards[0], {"a.weight": STATE["a.weight"], "b.bias": STATE["b.bias"]})
    save(folder / shards[1], {"c.weight": STATE["c.weight"]})
    table = {"a.weight": shards[0], "b.bias": shards[0], "c.weight": shards[1]}
    (folder / kind).write_text(json.dumps({"metadata": {"total_size": 44}, "weight_map": table}))
    return folder


@pytest.mark.parametrize("tensors", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_weights_in_one_file_or_several(tmp_path: Path, kind: str, tensors: bool) -> None:
    found = read_folder(write(tmp_path / "model", kind), tensors=tensors)
    assert {name: t.shape for name, t in found.items()} == {name: t.shape for name, t in STATE.items()}
    assert all(torch.equal(found[name], STATE[name]) for name in STATE if tensors)


def test_safetensors_are_preferred(tmp_path: Path) -> None:
    folder = write(tmp_path / "model", "model.safetensors")
    (folder / "pytorch_model.bin").write_bytes(b"not read")
    assert read_folder(folder).keys() == STATE.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_links_out_of_the_folder_are_refused(tmp_path: Path, kind: str) -> None:
    outside, folder = write(tmp_path / "outside", kind), tmp_path / "model"
    folder.mkdir()
    for path in outside.iterdir():
        (folder / path.name).symlink_to(path)
    with pytest.raises(CheckpointError, match="is a link that leads out of its folder"):
        read_folder(folder)


@pytest.mark.parametrize("below", [".", "chinese-hubert-base"])
def test_links_of_the_hugging_face_cache_are_followed(tmp_path: Path, below: str) -> None:
    blobs, folder = tmp_path / "models--x" / "blobs", tmp_path / "models--x" / "snapshots" / "123" / below
    blobs.mkdir(parents=True)
    folder.mkdir(parents=True)
    save_file(STATE, blobs / "abc")
    (blobs / "def").write_text('{"model_type": "bert"}')
    (folder / "model.safetensors").symlink_to(blobs / "abc")
    (folder / "config.json").symlink_to(blobs / "def")
    assert read_folder(folder).keys() == STATE.keys()
    assert read_folder_config(folder, "bert") == {"model_type": "bert"}


def test_a_linked_folder_is_one(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(write(tmp_path / "model", KINDS[2]))
    assert read_folder(tmp_path / "link").keys() == STATE.keys()


@pytest.mark.parametrize(
    ("shard", "words"),
    [
        ("../outside/model.safetensors", "lies outside it"),
        ("/etc/passwd", "lies outside it"),
        ("..", "lies outside it"),
        ("sub/model.safetensors", "lies outside it"),
        ("..\\x.safetensors", "lies outside it"),
        ("absent.safetensors", "absent.safetensors is missing"),
        ("pipe.txt", "is a text file"),
    ],
)
def test_shards_anywhere_else(tmp_path: Path, shard: str, words: str) -> None:
    write(tmp_path / "outside", "model.safetensors")
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "pipe.txt").write_text("hello")
    (folder / KINDS[2]).write_text(json.dumps({"weight_map": {"a.weight": shard}}))
    with pytest.raises(CheckpointError, match=words):
        read_folder(folder)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not valid JSON"),
        ("[1]", "does not say which tensor is in which file"),
        ('{"weight_map": {}}', "does not say which tensor"),
        ('{"weight_map": {"a": 3}}', "does not say which tensor"),
        ("[" * 100_000, "is not valid JSON"),
        ('{"weight_map": {"z.weight": "model-00001-of-00002.safetensors"}}', "lacks z.weight"),
        (json.dumps({"weight_map": {str(i): f"{i}.bin" for i in range(2000)}}), "2000 files, far too many"),
    ],
)
def test_indexes_that_are_none(tmp_path: Path, text: str, words: str) -> None:
    folder = write(tmp_path / "model", KINDS[2])
    (folder / KINDS[2]).write_text(text)
    with pytest.raises(CheckpointError, match=words):
        read_folder(folder)


def test_folders_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"holds no weights: put model\.safetensors"):
        read_folder(tmp_path)
    with pytest.raises(CheckpointError, match=r"no readable config\.json"):
        read_folder_config(tmp_path, "bert")
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(CheckpointError, match="of type 'gpt2', not 'bert'"):
        read_folder_config(tmp_path, "bert")
    (tmp_path / "model.safetensors").symlink_to(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match="is missing"):
        read_folder(tmp_path)
