"""Lists as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpt_sovits.core.errors import ManifestError
from prep.manifest import read_manifest


def write(folder: Path, text: str, encoding: str = "utf8") -> Path:
    path = folder / "voice.list"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf8", "utf-8-sig"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_lines_are_read_with_or_without_mark_and_blank_lines(tmp_path: Path, encoding: str, newline: str) -> None:
    path = write(tmp_path, newline.join(["a.wav|ann|EN|Hello.", "", "  ", "b/c.flac|bob|zh|你好|吗。", ""]), encoding)
    manifest = read_manifest(path)
    assert not manifest.failures
    first, second = manifest.utterances
    assert (first.name, first.speaker, first.language, first.text, first.line) == ("a.wav", "ann", "en", "Hello.", 1)
    assert first.path == tmp_path / "a.wav"
    assert (second.name, second.text, second.line) == ("c.flac", "你好|吗。", 4)
    assert second.path == tmp_path / "b" / "c.flac"


@pytest.mark.parametrize(
    ("spelling", "key"),
    [
        *((s, "zh") for s in ("ZH", "zh", "Zh")),
        *((s, "ja") for s in ("JP", "jp", "JA", "ja")),
        *((s, "en") for s in ("EN", "en", "En")),
        *((s, "ko") for s in ("KO", "Ko", "ko")),
        *((s, "yue") for s in ("YUE", "Yue", "yue")),
    ],
)
def test_public_spellings_of_languages(tmp_path: Path, spelling: str, key: str) -> None:
    assert read_manifest(write(tmp_path, f"a.wav|x|{spelling}|text")).utterances[0].language == key


def test_malformed_lines_are_named_and_the_others_go_on(tmp_path: Path) -> None:
    text = "a.wav|x|en|One.\nb.wav|en|Two.\nc.wav|x|klingon|Three.\n|x|en|Four.\nd.wav|x|en|Five.\n"
    manifest = read_manifest(write(tmp_path, text))
    assert [u.name for u in manifest.utterances] == ["a.wav", "d.wav"]
    assert [(f.line, f.name, f.step) for f in manifest.failures] == [
        (2, "b.wav", "list"),
        (3, "c.wav", "list"),
        (4, "", "list"),
    ]
    assert "3 fields" in manifest.failures[0].reason
    assert "'klingon'; use one of zh, ja, jp, en, ko, yue" in manifest.failures[1].reason
    assert manifest.items == 5


def test_two_recordings_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"names a\.wav twice \(lines 1 and 3\)"):
        read_manifest(write(tmp_path, "one/a.wav|x|en|One.\nb.wav|x|en|Two.\ntwo/a.wav|x|en|Three.\n"))


def test_where_recordings_are_looked_for(tmp_path: Path) -> None:
    root = tmp_path / "audio"
    (root / "sub").mkdir(parents=True)
    for name in ("a.wav", "sub/b.wav"):
        (root / name).touch()
    text = "C:\\voices\\a.wav|x|en|One.\nsub/b.wav|x|en|Two.\n/elsewhere/c.wav|x|en|Three.\n"
    paths = [u.path for u in read_manifest(write(tmp_path, text), root).utterances]
    assert paths == [root / "a.wav", root / "sub" / "b.wav", Path("/elsewhere/c.wav")]


def test_lists_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="does not exist"):
        read_manifest(tmp_path / "missing.list")
    with pytest.raises(ManifestError, match="holds no lines"):
        read_manifest(write(tmp_path, "\n \n"))
    with pytest.raises(ManifestError, match="not UTF-8"):
        read_manifest(write(tmp_path, "a.wav|x|zh|你好", "gb18030"))
    with pytest.raises(ManifestError, match=r"the audio folder .* does not exist"):
        read_manifest(write(tmp_path, "a.wav|x|en|One."), tmp_path / "nowhere")


def test_two_signs_are_replaced_before_the_front_end(tmp_path: Path) -> None:
    utterance = read_manifest(write(tmp_path, "a.wav|x|zh|涨了5%，￥20。")).utterances[0]
    assert (utterance.text, utterance.spoken) == ("涨了5%，￥20。", "涨了5-，,20。")
