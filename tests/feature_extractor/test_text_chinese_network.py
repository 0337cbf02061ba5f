"""The optional network for Chinese readings, with a small ONNX file written here, byte by byte, and run by onnxruntime.

It scores a label by `phoneme_mask * table[position_ids]`: what it hears depends on where the character stands.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from feature_extractor.text.zh.front_end import read_chinese
from feature_extractor.text.zh.network import PolyphoneNetwork, load_polyphone_network, polyphone_network
from feature_extractor.text.zh.notation import pronounce
from gpt_sovits.core.errors import CheckpointError

LABELS = ["ㄏㄤ2", "ㄒㄧㄥ2", "ㄔㄤ2", "ㄓㄤ3"]  # sorted as the network sorts them in `TABLE` below
INT64, FLOAT = 7, 1


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def block(field: int, value: bytes | str) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(data)) + data


def described(name: str, kind: int, axes: list[str]) -> bytes:
    shape = b"".join(block(1, block(2, axis)) for axis in axes)
    return block(1, name) + block(2, block(1, number(1, kind) + block(2, shape)))


def onnx_file(table: np.ndarray, names: dict[str, str]) -> bytes:
    def node(operation: str, inputs: list[str], output: str) -> bytes:
        return block(1, b"".join(block(1, i) for i in inputs) + block(2, output) + block(4, operation))

    weights = b"".join(number(1, n) for n in table.shape) + number(2, FLOAT) + block(8, "table")
    weights += block(9, table.astype("<f4").tobytes())
    wide = ["batch", "tokens"]
    inputs = [described(names[n], INT64, wide) for n in ("input_ids", "token_type_ids", "attention_mask")]
    inputs += [described(names["phoneme_mask"], FLOAT, ["batch", "labels"])]
    inputs += [described(names[n], INT64, ["batch"]) for n in ("char_ids", "position_ids")]
    graph = node("Gather", ["table", names["position_ids"]], "row")
    graph += node("Mul", ["row", names["phoneme_mask"]], "probs") + block(2, "tiny") + block(5, weights)
    graph += b"".join(block(11, item) for item in inputs) + block(12, described("probs", FLOAT, ["batch", "labels"]))
    return number(1, 8) + block(7, graph) + block(8, block(1, "") + number(2, 13))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "shared" / "G2PWModel", plural=False)


def make_folder(folder: Path, plural: bool) -> Path:
    folder.mkdir(parents=True)
    plain = ("input_ids", "token_type_ids", "attention_mask", "phoneme_mask", "char_ids", "position_ids")
    names = {name: f"{name}s" if plural and name.endswith("mask") else name for name in plain}
    labels = sorted(LABELS)
    table = np.ones((40, 4), dtype=np.float32)
    table[1, labels.index("ㄏㄤ2")] = 5  # first place: hang2, elsewhere xing2
    table[2:, labels.index("ㄒㄧㄥ2")] = 5
    table[:, labels.index("ㄓㄤ3")] = 9
    (folder / "g2pW.onnx").write_bytes(onnx_file(table, names))
    pairs = [("行", "ㄏㄤ2"), ("行", "ㄒㄧㄥ2"), ("長", "ㄔㄤ2"), ("長", "ㄓㄤ3")]
    (folder / "POLYPHONIC_CHARS.txt").write_text("".join(f"{c}\t{r}\n" for c, r in pairs), encoding="utf8")
    (folder / "MONOPHONIC_CHARS.txt").write_text("一\tㄧ1\n", encoding="utf8")
    (folder / "char_bopomofo_dict.json").write_text("{}", encoding="utf8")
    spellings = {"ㄏㄤ": "hang", "ㄒㄧㄥ": "xing", "ㄔㄤ": "chang", "ㄓㄤ": "zhang"}
    (folder / "bopomofo_to_pinyin_wo_tune_dict.json").write_text(json.dumps(spellings), encoding="utf8")
    (folder / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n行\n長\n", encoding="utf8")
    return folder


@pytest.mark.parametrize("plural", [False, True])
def test_readings_depend_on_the_place_and_stay_legal(tmp_path: Path, plural: bool) -> None:
    network = load_polyphone_network(make_folder(tmp_path / "G2PW", plural))
    assert network.read("行不行，长") == ["hang2", None, "xing2", None, "zhang3"]
    assert network.read("你好") == [None, None]


def test_a_window_around_the_character_is_shown(folder: Path) -> None:
    network = load_polyphone_network(folder)
    text = "你" * 50 + "行" + "你" * 50
    seen = {}
    session = network.session

    class Recorder:
        def get_inputs(self) -> list[object]:
            return list(session.get_inputs())

        def run(self, outputs: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
            seen.update(inputs)
            return list(session.run(outputs, inputs))

    watched = PolyphoneNetwork(Recorder(), network.syllables, network.readings, network.characters, network.tokens)
    assert watched.read(text)[50] == "xing2"
    assert seen["input_ids"].shape == (1, 34)
    assert seen["input_ids"][0, seen["position_ids"][0]] == network.tokens["行"]
    assert seen["attention_mask"].sum() == 34


def test_the_front_end_hears_words_of_one_character(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = read_chinese("行了，银行行。", "v2", compat=False).phones
    monkeypatch.setenv("GPT_SOVITS_MODELS", str(folder.parents[1]))
    polyphone_network.cache_clear()
    try:
        default = read_chinese("行了，银行行。", "v2", compat=False).phones
        public = read_chinese("行了，银行行。", "v2", compat=True).phones
        oldest = read_chinese("行了，银行行。", "v1", compat=True).phones
    finally:
        polyphone_network.cache_clear()
    assert before[:2] == pronounce("xing2")
    assert default[:2] == pronounce("hang2")
    assert default[5:] == [*pronounce("yin2 hang2 xing2"), "."]
    assert public[:2] == pronounce("hang2")
    assert public[7:11] == pronounce("xing2 xing2")
    assert oldest[:2] == pronounce("xing2")


def test_a_folder_without_a_vocabulary_is_refused(folder: Path) -> None:
    (folder / "vocab.txt").unlink()
    with pytest.raises(CheckpointError, match=r"has no vocab\.txt"):
        load_polyphone_network(folder)


def test_a_damaged_network_is_refused(folder: Path) -> None:
    (folder / "g2pW.onnx").write_bytes(b"\x08\x08garbage")
    with pytest.raises(CheckpointError, match=r"g2pW\.onnx cannot be used"):
        load_polyphone_network(folder)
