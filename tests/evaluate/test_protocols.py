"""Sets made from a corpus by rule: what everybody must get the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile

from gpt_sovits.core.errors import InputError
from gpt_sovits.evaluate.item import Item
from gpt_sovits.evaluate.protocols import few_shot, zero_shot
from gpt_sovits.evaluate.sets import load_set
from tests.cli.conftest import Run


def corpus(folder: Path, voices: dict[str, list[float]], language: str = "en") -> list[Item]:
    """Silent recordings of given lengths; what is in them does not matter here."""
    items = []
    for speaker, lengths in voices.items():
        for number, seconds in enumerate(lengths):
            path = folder / f"{speaker}_{number}.wav"
            soundfile.write(path, [0.0] * int(seconds * 1000), 1000)
            text = f"{speaker} says {number}"
            items.append(Item(id=path.stem, language=language, text=text, wav=path, speaker=speaker))
    return items


def test_a_text_is_said_in_its_own_voice_from_another_recording(tmp_path: Path) -> None:
    items = corpus(tmp_path, {"ada": [4, 5, 12, 2], "ben": [6, 3, 1]})
    made = zero_shot(items, most=6, seed=1)
    by_id = {item.id: item for item in items}
    assert [item.speaker for item in made].count("ada") == 3
    for item in made:
        said = by_id[item.id]
        assert (item.text, item.speaker, item.recording, item.wav) == (said.text, said.speaker, said.wav, None)
        assert item.reference != said.wav and item.reference is not None
        reference = by_id[item.reference.stem]
        assert reference.speaker == item.speaker and reference.text == item.reference_text
        assert 3 <= soundfile.info(item.reference).duration <= 10
    assert len(zero_shot(items, most=99)) == 7


def test_the_choice_follows_from_seed_and_ids_alone(tmp_path: Path) -> None:
    items = corpus(tmp_path, {"ada": [4.0] * 8, "ben": [4.0] * 8})
    made = [item.id for item in zero_shot(items, most=4, seed=1)]
    assert made == [item.id for item in zero_shot(items[::-1], most=4, seed=1)]
    assert made == ["ben_6", "ada_7", "ben_7", "ada_1"]
    assert made != [item.id for item in zero_shot(items, most=4, seed=2)]


def test_with_one_recording_a_voice_texts_change_voices(tmp_path: Path) -> None:
    items = corpus(tmp_path, {"a": [4], "b": [5], "c": [2], "d": [6]})
    made = zero_shot(items, most=4)
    assert sorted(item.text for item in made) == ["a says 0", "b says 0", "c says 0", "d says 0"]
    assert all(item.recording is None and not item.text.startswith(item.speaker or "") for item in made)
    assert {item.speaker for item in made} == {"a", "b", "d"}
    with pytest.raises(InputError, match="has no voice to be said in"):
        zero_shot(corpus(tmp_path, {"a": [4]}), most=1)
    with pytest.raises(InputError, match="no recording lasts 3 to 10 seconds"):
        zero_shot(corpus(tmp_path, {"a": [2, 11]}), most=1)


def test_few_shot_sizes_and_test(tmp_path: Path) -> None:
    items = corpus(tmp_path, {"ada": [2.0] + [6.0] * 79})
    made = few_shot(items)
    assert {minutes: len(part) for minutes, part in made.training.items()} == {1: 11, 3: 31}
    assert [item.id for item in made.test] == [item.id for item in items[-30:]]
    assert {item.reference for item in made.test} == {items[1].wav}  # the first of 3 to 10 seconds
    assert all(item.recording == tmp_path / f"{item.id}.wav" and item.wav is None for item in made.test)
    other = few_shot(items, test=items[:4])
    assert [item.id for item in other.test] == ["ada_0", "ada_1", "ada_2", "ada_3"]
    assert other.training[1][0].id == "ada_4"
    with pytest.raises(InputError, match="30 recordings do not suffice"):
        few_shot(items[:30])
    with pytest.raises(InputError, match="are of 2"):
        few_shot(corpus(tmp_path, {"ada": [4], "ben": [4]}))
    with pytest.raises(InputError, match="first minute holds no recording"):
        few_shot(corpus(tmp_path, {"ada": [2.0] * 80}))


def test_verbs_write_what_can_be_read(run: Run, tmp_path: Path, clips: Path) -> None:
    done = run("evaluate", "zero-shot", clips / "clips.list", "--items", "3", "--out", tmp_path / "sets" / "z.tsv")
    assert done.code == 0 and "3 sentences in 2 voices" in done.out, done.err
    items = load_set(str(tmp_path / "sets" / "z.tsv")).items
    assert len(items) == 3 and all(item.reference is not None and item.reference.is_file() for item in items)
    recordings = corpus(tmp_path, {"ada": [6.0] * 45})
    lines = [f"{i.wav}|ada|en|{i.text}" for i in recordings]
    (tmp_path / "ada.list").write_text("\n".join(lines) + "\n", encoding="utf8")
    done = run("evaluate", "few-shot", tmp_path / "ada.list", "--out", tmp_path / "few")
    assert done.code == 0 and [Path(line).name for line in done.out.split()] == ["train_1.list", "test.tsv"], done.err
    assert len(load_set(str(tmp_path / "few" / "test.tsv")).items) == 30
    assert len(load_set(str(tmp_path / "few" / "train_1.list")).items) == 10
    recordings[3].wav.write_bytes(b"no audio")  # type: ignore[union-attr]
    done = run("evaluate", "few-shot", tmp_path / "ada.list", "--out", tmp_path / "few")
    assert done.code == 1 and "ada_3.wav cannot be read as audio" in " ".join(done.err.split())
