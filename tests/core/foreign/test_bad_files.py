"""What is wrong with a file is said in one sentence, with what to do; nothing else comes of it."""

from __future__ import annotations

import io
import json
import os
import pickle
import re
import struct
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from gpt_sovits.core.errors import CheckpointError
from gpt_sovits.core.foreign import read_foreign, state_dict
from tests.core.foreign import material

SAVED = material.saved({"weight": material.weights()})
OLD = material.saved({"weight": material.weights()}, legacy=True)


def archive(members: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, content in members:
            file.writestr(name, content)
    return buffer.getvalue()


def described(description: bytes, **storages: bytes) -> bytes:
    return material.zipped(description, {key.removeprefix("_"): value for key, value in storages.items()})


EMPTY = pickle.dumps({}, protocol=2)
FOUR = bytes(16)
WIDE = 2**40
FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", r"is empty \(0 bytes\)"),
    "web page": (b"\n<!doctype html><html>", "is a web page"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    "text": (b"epoch 1\n", "is a text file"),
    "json": (b'{"a": 1}', "is a text file"),
    "zeros": (bytes(5000), "never finished"),
    "noise": (os.urandom(1) + b"\xff\x00\x01" + bytes(range(256)), "neither a torch nor a safetensors file"),
    "one byte": (b"P", "is a text file"),
    "gzip": (b"\x1f\x8b\x08" + bytes(50), "unpack it first"),
    "fastText": (b"\xba\x16\x4f\x2f\x0c\x00" + bytes(50), "a language detector of fastText"),
    "tar": (b"x" * 257 + b"ustar" + bytes(100), "tar archive"),
    "bare pickle": (pickle.dumps([1]), "is a Python pickle but no torch file"),
    "bare zip": (archive([("readme.txt", b"x")]), r"no torch file \(it holds readme.txt\)"),
    "script": (archive([("m/data.pkl", EMPTY), ("m/code/x.py", b""), ("m/constants.pkl", b"")]), "TorchScript"),
    "two models": (archive([("a/data.pkl", EMPTY), ("b/data.pkl", EMPTY)]), "no torch file"),
    "compressed": (archive([("a/data.pkl", EMPTY * 99)], zipfile.ZIP_DEFLATED), "is compressed"),
    "zip bomb": (archive([("a/data.pkl", EMPTY), ("a/data/0", bytes(9**8))], zipfile.ZIP_DEFLATED), "is compressed"),
    "path upwards": (archive([("a/data.pkl", EMPTY), ("a/../../x", b"")]), "leads outside"),
    "path from the root": (archive([("/data.pkl", EMPTY)]), "leads outside"),
    "drive": (archive([("c:\\data.pkl", EMPTY)]), "leads outside|no torch file"),
    "big endian": (archive([("a/data.pkl", EMPTY), ("a/byteorder", b"big")]), "big-endian"),
    "cut at the end": (SAVED[:-30], "is incomplete"),
    "cut in the middle": (SAVED[: len(SAVED) // 2], "is incomplete"),
    "cut at the start": (SAVED[100:], "damaged"),
    "cut safetensors": (save({"a": torch.ones(9)})[:-5], "not a readable safetensors file"),
    "old, cut": (OLD[:-1], "is incomplete"),
    "old, cut in the middle": (OLD[:400], "damaged|incomplete|ends in the middle"),
    "old, only the start": (material.MAGIC, "ends in the middle|damaged"),
    "old, other protocol": (material.MAGIC + pickle.dumps(9) + pickle.dumps({}), "unknown torch format"),
    "old, too few tensors": (material.older(material.tensor_pickle((4,), (1,))), "lists other tensors"),
    "old, too many tensors": (material.older(EMPTY, {"0": FOUR}), "lists other tensors"),
    "old, other size": (material.older(material.tensor_pickle((4,), (1,)), {"0": bytes(12)}), "at its storage '0'"),
    "no storage": (described(material.tensor_pickle((4,), (1,))), "lacks its storage '0'"),
    "short storage": (described(material.tensor_pickle((4,), (1,)), _0=bytes(15)), "15 bytes in its storage '0'"),
    "long storage": (described(material.tensor_pickle((4,), (1,)), _0=bytes(17)), "17 bytes in its storage '0'"),
    "shape too large": (described(material.tensor_pickle((5,), (1,)), _0=FOUR), "in a storage of 4"),
    "stride too large": (described(material.tensor_pickle((2,), (4,)), _0=FOUR), "in a storage of 4"),
    "offset too large": (described(material.tensor_pickle((1,), (1,), 4), _0=FOUR), "in a storage of 4"),
    "negative offset": (described(material.tensor_pickle((1,), (1,), -1), _0=FOUR), "which cannot be"),
    "negative stride": (described(material.tensor_pickle((2,), (-1,), 1), _0=FOUR), "which cannot be"),
    "negative shape": (described(material.tensor_pickle((-1,), (1,)), _0=FOUR), "which cannot be"),
    "endless shape": (described(material.tensor_pickle((WIDE, WIDE), (0, 0)), _0=FOUR), "in a storage of 4"),
    "huge shape": (described(material.tensor_pickle((2**70,), (1,)), _0=FOUR), "which cannot be"),
    "many axes": (described(material.tensor_pickle((1,) * 99, (1,) * 99), _0=FOUR), "which cannot be"),
    "repeated": (described(material.tensor_pickle((1000,), (0,)), _0=FOUR), "in a storage of 4"),
    "axes do not agree": (described(material.tensor_pickle((2, 2), (1,)), _0=FOUR), "which cannot be"),
    "huge storage": (described(material.tensor_pickle((4,), (1,), count=WIDE), _0=FOUR), "16 bytes in its storage"),
    "negative storage": (described(material.tensor_pickle((0,), (1,), count=-4), _0=FOUR), "holds -4 numbers"),
    "sparse": (material.saved({"a": torch.ones(3).to_sparse()}), "sparse"),
    "quantised": (
        described(b"\x80\x02ctorch\nQInt8Storage\nctorch._utils\n_rebuild_qtensor\n)R\x86."),
        "sparse, quantised",
    ),
    "whole module": (material.saved({"m": torch.nn.Linear(2, 2)}), ""),
    "no end": (material.zipped(EMPTY[:-1]), "damaged|ends in the middle"),
    "unknown instruction": (material.zipped(b"\x80\x02\xff."), "damaged"),
    "later protocol": (material.zipped(b"\x80\x09\xa0."), "damaged"),
    "empty stack": (material.zipped(b"\x80\x020."), "damaged"),
    "unknown memory": (material.zipped(b"\x80\x02h\x05."), "damaged"),
}


@pytest.mark.parametrize("name", [name for name, (_, words) in FILES.items() if words])
@pytest.mark.parametrize("tensors", [True, False])
def test_bad_files_are_named_with_the_reason(tmp_path: Path, name: str, tensors: bool) -> None:
    data, words = FILES[name]
    path = tmp_path / "voice.pth"
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=words) as caught:
        read_foreign(path, tensors=tensors)
    said = str(caught.value)
    assert said.startswith(str(path)) and "\n" not in said and len(said) < 600
    assert re.search(r": .{4,}", said.removeprefix(str(path))), "what to do is missing"


def test_places_that_are_no_files(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, words in {
        tmp_path: "is a folder",
        tmp_path / "absent.pth": "does not exist",
        tmp_path / "absent" / "x.pth": "does not exist",
        pipe: "is a device or a pipe",
        Path(os.devnull): "is a device or a pipe",
    }.items():
        with pytest.raises(CheckpointError, match=words):
            read_foreign(path)


def changed(data: bytes, old: bytes, new: bytes, last: bool = False) -> bytes:
    place = data.rfind(old) if last else data.find(old)
    assert place >= 0
    return data[:place] + new + data[place + len(old) :]


def test_damaged_archives(tmp_path: Path) -> None:
    """Tables of contents that contradict the archive."""
    first, second = ("a/data.pkl", EMPTY), ("a/data/0", FOUR)
    with pytest.warns(UserWarning, match="Duplicate"):
        twice = archive([first, second, second])
    plain = archive([first, second])
    directory = plain.rfind(b"PK\x01\x02")  # the entry of the second member
    overlapping = plain[: directory + 42] + struct.pack("<I", 0) + plain[directory + 46 :]
    beyond = plain[: directory + 42] + struct.pack("<I", 2**31) + plain[directory + 46 :]
    longer = plain[: directory + 20] + struct.pack("<2I", 2**31, 2**31) + plain[directory + 28 :]
    locked = plain[: directory + 8] + b"\x01\x00" + plain[directory + 10 :]
    unsigned = changed(plain, b"PK\x03\x04", b"XX\x03\x04", last=True)
    for data, words in (
        (twice, "two members named"),
        (overlapping, "overlap"),
        (beyond, "is incomplete"),
        (longer, "is incomplete"),
        (locked, "is encrypted"),
        (unsigned, "damaged member"),
    ):
        path = tmp_path / "voice.pth"
        path.write_bytes(data)
        with pytest.raises(CheckpointError, match=words):
            read_foreign(path)


@pytest.mark.parametrize("place", ["the description", "a tensor"])
def test_one_changed_bit(tmp_path: Path, place: str) -> None:
    """Found by the check sums; where the writer left those out, what still makes sense is taken."""
    path, data = tmp_path / "m.pth", bytearray(SAVED)
    value = material.weights()["enc_p.proj.bias"].numpy().tobytes()
    data[data.index(b"enc_p.proj.weight") if place == "the description" else data.index(value)] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"is damaged \(check sum of its member"):
        read_foreign(path)
    path.write_bytes(material.without_sums(bytes(data)))
    assert read_foreign(path).tree


def test_names_that_break_a_line_do_not_break_the_sentence(tmp_path: Path) -> None:
    """Found by damaging files at random."""
    path = tmp_path / "m.pth"
    path.write_bytes(material.saved({"wei\nht": material.weights(), "x" * 5000: 1}))
    with pytest.raises(CheckpointError, match=r"holds no weights \(found: 'wei\\nht', x{40}\)") as caught:
        state_dict(read_foreign(path).tree, str(path))
    assert "\n" not in str(caught.value)


def test_a_very_long_table_of_contents(tmp_path: Path) -> None:
    path = tmp_path / "voice.pth"
    path.write_bytes(archive([("a/data.pkl", EMPTY), *((f"a/{'x' * 400}{i}", b"") for i in range(10_000))]))
    with pytest.raises(CheckpointError, match="far too long table of contents"):
        read_foreign(path)


def test_one_storage_used_by_very_many_tensors(tmp_path: Path) -> None:
    """Each view is in bounds, but whoever copies them all needs a thousand times the file."""
    base = torch.zeros(1 << 18)
    path = tmp_path / "voice.pth"
    torch.save({str(i): base.view(-1) for i in range(200)}, path)
    with pytest.raises(CheckpointError, match="over and over"):
        read_foreign(path)


def test_a_whole_module_is_data_without_its_class(tmp_path: Path) -> None:
    path = tmp_path / "voice.pth"
    path.write_bytes(FILES["whole module"][0])
    module = read_foreign(path).tree["m"]
    assert module.name == "torch.nn.modules.linear.Linear" and module["_parameters"]["weight"].shape == (2, 2)


def test_safetensors_headers_that_lie(tmp_path: Path) -> None:
    good = save({"a": torch.ones(4)})
    size = int.from_bytes(good[:8], "little")
    header = json.loads(good[8 : 8 + size])
    path = tmp_path / "voice.safetensors"
    for change in ({"shape": [5]}, {"shape": [-1]}, {"dtype": "F99"}, {"data_offsets": [0, 999]}, {"shape": [2**60]}):
        text = json.dumps({**header, "a": {**header["a"], **change}}).encode()
        path.write_bytes(len(text).to_bytes(8, "little") + text + good[8 + size :])
        with pytest.raises(CheckpointError, match="not a readable safetensors file"):
            read_foreign(path)
