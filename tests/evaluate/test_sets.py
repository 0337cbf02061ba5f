"""Sets as files: ours, other projects' lists, a user's corpora; what is wrong with a line is said."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import soundfile

from gpt_sovits.core.errors import ManifestError
from gpt_sovits.evaluate.item import Item, read_sound
from gpt_sovits.evaluate.normalise import normalise
from gpt_sovits.evaluate.sets import load_set, read_recordings


def table(path: Path, *lines: str) -> Path:
    path.write_text("".join(line + "\n" for line in lines), encoding="utf8")
    return path


@pytest.mark.parametrize(("name", "count"), [("smoke", 12), ("hard", 61)])
def test_shipped_sets_can_be_spoken(name: str, count: int) -> None:
    chosen = load_set(name)
    assert len(chosen.items) == count
    assert {item.language for item in chosen.items} == {"en", "zh"}
    for item in chosen.items:
        assert normalise(item.text, item.language)
        assert item.reference is not None and item.reference_text
    for reference in {item.reference for item in chosen.items}:
        assert reference is not None and 3 <= read_sound(reference).seconds <= 10


def test_hash_is_of_the_content(tmp_path: Path, clips: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        shutil.copy(clips / "ada_en_1.ogg", tmp_path / folder / "voice.ogg")
    line = "1\ten\tHello there.\tvoice.ogg"
    sets = [load_set(str(table(tmp_path / f / "s.tsv", "id\tlanguage\ttext\treference", line))) for f in ("a", "b")]
    assert sets[0].hash == sets[1].hash
    shutil.copy(clips / "ben_en_1.ogg", tmp_path / "b" / "voice.ogg")
    assert sets[0].hash != sets[1].hash
    other = load_set(str(table(tmp_path / "a" / "t.tsv", "id\tlanguage\ttext\treference", line + "x")))
    assert other.hash != sets[0].hash


def test_listing_gives_each_recording_another_of_its_voice(spoken: list[Item]) -> None:
    by_id = {item.id: item for item in spoken}
    assert by_id["ada_en_1"].reference == by_id["ada_en_2"].wav
    assert by_id["ada_en_3"].reference == by_id["ada_en_1"].wav
    assert by_id["ada_en_3"].reference_text == by_id["ada_en_1"].text
    assert by_id["ben_zh_1"].reference == by_id["ben_zh_2"].wav


def test_seed_tts_list(tmp_path: Path) -> None:
    path = table(
        tmp_path / "meta.lst", "u1|I said this.|prompt-wavs/p1.wav|Say that.", "u2|这是。|p2.wav|那是。|real/2.wav"
    )
    items = load_set(f"seed-tts-en:{path}").items
    assert items[0].reference == tmp_path / "prompt-wavs" / "p1.wav"
    assert (items[0].reference_text, items[0].text, items[0].language) == ("I said this.", "Say that.", "en")
    assert items[1].recording == tmp_path / "real" / "2.wav"


def test_corpora(tmp_path: Path) -> None:
    chapter = tmp_path / "libri" / "84" / "1"
    chapter.mkdir(parents=True)
    table(chapter / "84-1.trans.txt", "84-1-0000 GO AND SEE", "84-1-0001 SHE LAUGHED")
    items = load_set(f"libri:{tmp_path / 'libri'}").items
    assert [(i.id, i.speaker, i.text) for i in items] == [
        ("84-1-0000", "84", "go and see"),
        ("84-1-0001", "84", "she laughed"),
    ]
    part = tmp_path / "aishell3"
    (part / "wav").mkdir(parents=True)
    soundfile.write(part / "wav" / "SSB00050001.wav", [0.0] * 100, 16000)
    table(part / "content.txt", "SSB00050001.wav\t广 guang3 州 zhou1")
    (item,) = load_set(f"aishell:{part}").items
    assert (item.text, item.speaker) == ("广州", "SSB0005")
    with pytest.raises(ManifestError, match="holds no transcripts"):
        load_set(f"libri:{part}")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["id\ttext", "1\thello"], "lacks language"),
        (["id\tlanguage\ttext", "1\ten"], "line 2 .* has 2 columns, the first line names 3"),
        (["id\tlanguage\ttext", "1\ten\ta", "1\ten\tb"], "'1' stands twice"),
        (["id\tlanguage\ttext"], "holds no items"),
        (["id\tlanguage\ttext", "1\ten\t"], "line 2 .*: text"),
    ],
)
def test_bad_tables(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        load_set(str(table(tmp_path / "set.tsv", *lines)))


def test_unknown_sets_and_folders_without_a_table(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no set 'huge': use hard, smoke"):
        load_set("huge")
    with pytest.raises(ManifestError, match="holds no table"):
        read_recordings(tmp_path)
    with pytest.raises(ManifestError, match="cannot be read"):
        load_set(str(tmp_path / "none.tsv"))


def test_a_smaller_set_sees_every_voice_and_language() -> None:
    chosen = load_set("smoke").first(3)
    assert {(i.language, i.speaker) for i in chosen.items} == {("en", "demo"), ("en", "en_b"), ("zh", "zh_a")}
