"""The layout of a prepared dataset, written and read back."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gpt_sovits.core.errors import DatasetError
from gpt_sovits.core.store import FeatureStore, TextEntry, read_tensor, write_tensor

ENTRIES = [
    TextEntry("b.wav", ["n", "i3", "h", "ao3"], [2, 2], "你好"),
    TextEntry("a.wav", ["HH", "AH0"], None, "hi, \u2028there\x0b."),
    TextEntry("空 格.ogg", [",", "."], [1, 1], ",."),
]


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return FeatureStore(tmp_path / "exp")


def test_layout_is_the_public_one(store: FeatureStore) -> None:
    name = "a.wav"
    paths = [
        store.text_path,
        store.bert_path(name),
        store.hubert_path(name),
        store.wave_path(name),
        store.semantic_path,
        store.speaker_path(name),
    ]
    assert [path.relative_to(store.root).as_posix() for path in paths] == [
        "2-name2text.txt",
        "3-bert/a.wav.pt",
        "4-cnhubert/a.wav.pt",
        "5-wav32k/a.wav",
        "6-name2semantic.tsv",
        "7-sv_cn/a.wav.pt",
    ]


def test_texts_come_back_in_order(store: FeatureStore) -> None:
    store.write_text(ENTRIES)
    assert list(store.read_text().values()) == ENTRIES
    first = store.text_path.read_text(encoding="utf8").split("\n")[0]
    assert first == "b.wav\tn i3 h ao3\t[2, 2]\t你好"


def test_a_text_cannot_break_its_line(store: FeatureStore) -> None:
    store.write_text([TextEntry("a.wav", ["a"], None, "one\ttwo\r\nthree\n")])
    assert store.read_text()["a.wav"].text == "one two  three "


def test_lines_without_four_fields_are_passed_over(store: FeatureStore) -> None:
    store.write_text(ENTRIES[:1])
    with store.text_path.open("a", encoding="utf8") as file:
        file.write("\nonly\ttwo\nc.wav\tx\tNone\tx\textra\nd.wav\tx\tNone\td\n")
    assert list(store.read_text()) == ["b.wav", "d.wav"]


def test_codes_come_back_in_order(store: FeatureStore) -> None:
    codes = {"b.wav": [3, 1023, 0], "a.wav": [], "空 格.ogg": [7]}
    store.write_semantic(codes)
    assert list(store.read_semantic().items()) == list(codes.items())
    assert store.semantic_path.read_text(encoding="utf8").startswith("item_name\tsemantic_audio\nb.wav\t3 1023 0\n")


def test_windows_line_ends_are_read(store: FeatureStore) -> None:
    store.root.mkdir()
    store.semantic_path.write_bytes(b"item_name\tsemantic_audio\r\na.wav\t1 2\r\n")
    store.text_path.write_bytes(b"a.wav\tx\tNone\thi\r\n")
    assert store.read_semantic() == {"a.wav": [1, 2]}
    assert store.read_text()["a.wav"].text == "hi"


@pytest.mark.parametrize("line", ["a.wav 1 2", "a.wav\t1 x", "a.wav"])
def test_malformed_codes_are_named_by_line(store: FeatureStore, line: str) -> None:
    store.write_semantic({"b.wav": [1]})
    with store.semantic_path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(DatasetError, match="line 3 is not name<tab>codes"):
        store.read_semantic()


@pytest.mark.parametrize("counts", ["[1, 2", "[a]", "7", "['x']"])
def test_malformed_phone_counts_are_refused(store: FeatureStore, counts: str) -> None:
    store.root.mkdir()
    store.text_path.write_text(f"a.wav\tx\t{counts}\thi\n")
    with pytest.raises(DatasetError, match=r"2-name2text\.txt has malformed phone counts"):
        store.read_text()


def test_an_unprepared_folder_says_what_to_do(store: FeatureStore) -> None:
    with pytest.raises(DatasetError, match="prepare the folder"):
        store.read_text()
    with pytest.raises(DatasetError, match="prepare the folder"):
        store.read_semantic()


def test_other_encodings_are_refused(store: FeatureStore) -> None:
    store.root.mkdir()
    store.text_path.write_bytes("a.wav\tx\tNone\t你好\n".encode("gbk"))
    with pytest.raises(DatasetError, match="not UTF-8"):
        store.read_text()


def test_tensors_come_back_and_equal_ones_give_equal_bytes(store: FeatureStore) -> None:
    tensor = torch.randn(3, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float32).half()
    write_tensor(store.hubert_path("a.wav"), tensor[:, 1:3])
    write_tensor(store.hubert_path("b.wav"), tensor[:, 1:3].clone())
    assert torch.equal(read_tensor(store.hubert_path("a.wav")), tensor[:, 1:3])
    assert store.hubert_path("a.wav").read_bytes() == store.hubert_path("b.wav").read_bytes()
    assert store.hubert_path("a.wav").stat().st_size < 3000


def test_bad_feature_files_are_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "empty.pt").touch()
    (tmp_path / "text.pt").write_text("x")
    write_tensor(tmp_path / "cut.pt", torch.zeros(1000))
    (tmp_path / "cut.pt").write_bytes((tmp_path / "cut.pt").read_bytes()[:900])
    torch.save({"a": torch.zeros(1)}, tmp_path / "dict.pt")
    cases = {"absent.pt": "is missing", "empty.pt": "delete it", "text.pt": "delete it", "cut.pt": "delete it"}
    for name, words in {**cases, "dict.pt": "holds a dict, not a tensor"}.items():
        with pytest.raises(DatasetError, match=words) as caught:
            read_tensor(tmp_path / name)
        assert name in str(caught.value)
