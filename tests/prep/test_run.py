"""Whole runs on real files: layout, idle second runs, changes, single steps, several processes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from feature_extractor.bert import BertFeatures
from feature_extractor.hubert import load_hubert
from gpt_sovits.core.errors import CheckpointError, ConfigError, ManifestError, StorageError
from gpt_sovits.core.store import FeatureStore, read_tensor
from prep.run import exclusive, prepare
from sovits import load_sovits
from tests.prep.material import SPEAKER, make_list, make_model, snapshot, times, voice, write_wav

CHINESE = "今天天气很好，我们去公园。"


def visible(folder: Path) -> set[str]:
    return {name for name in snapshot(folder) if not name.startswith(".prep/")}


def test_the_layout_is_the_public_one(tmp_path: Path, model: Path) -> None:
    report = prepare(make_list(tmp_path, 3), tmp_path / "exp", model, device="cpu")
    assert report.ok and report.computed == 3
    assert report.ready == {"text": 3, "hubert": 3, "semantic": 3}
    names = [f"v{i}.wav" for i in range(3)]
    assert visible(tmp_path / "exp") == {
        "2-name2text.txt",
        "6-name2semantic.tsv",
        "prep_report.json",
        *(f"4-cnhubert/{name}.pt" for name in names),
        *(f"5-wav32k/{name}" for name in names),
    }
    lines = (tmp_path / "exp" / "2-name2text.txt").read_text(encoding="utf8").splitlines()
    assert [line.split("\t")[0] for line in lines] == names
    assert lines[0].split("\t")[1].startswith("DH AH0 M AO1 R")
    assert lines[0].split("\t")[2:] == ["None", "The morning train was almost empty."]
    rows = (tmp_path / "exp" / "6-name2semantic.tsv").read_text(encoding="utf8").splitlines()
    assert rows[0] == "item_name\tsemantic_audio"
    assert [row.split("\t")[0] for row in rows[1:]] == names


def test_the_values_are_those_of_the_networks(tmp_path: Path, model: Path) -> None:
    prepare(make_list(tmp_path, 2), tmp_path / "exp", model, device="cpu")
    store = FeatureStore(tmp_path / "exp")
    samples, rate = soundfile.read(store.wave_path("v0.wav"), dtype="int16")
    source, _ = soundfile.read(tmp_path / "wav" / "v0.wav", dtype="float32")
    peak = np.abs(source).max()
    assert (rate, samples.dtype, len(samples)) == (32000, np.int16, len(source))
    expected = source / peak * (0.95 * 0.5 * 32768) + 0.5 * 32768 * source
    assert np.abs(samples - expected).max() < 1.01  # truncated, not rounded
    features = read_tensor(store.hubert_path("v0.wav"))
    assert features.shape == (1, load_hubert(model / "hubert.safetensors").width, (len(source) // 2 - 400) // 320 + 1)
    assert features.dtype == torch.float32
    codes = load_sovits(model / "s2.safetensors").encode(features).flatten().tolist()
    assert store.read_semantic()["v0.wav"] == codes
    assert len(codes) == features.shape[-1] // 2


def test_a_name_keeps_its_suffix_and_the_content_is_wav(tmp_path: Path, model: Path) -> None:
    soundfile.write(tmp_path / "a.flac", voice(), 32000)
    (tmp_path / "voice.list").write_text(f"{tmp_path / 'a.flac'}|ann|EN|Good morning, friends.\n", encoding="utf8")
    assert prepare(tmp_path / "voice.list", tmp_path / "exp", model, device="cpu").ok
    assert (tmp_path / "exp" / "5-wav32k" / "a.flac").read_bytes()[:4] == b"RIFF"
    assert (tmp_path / "exp" / "4-cnhubert" / "a.flac.pt").is_file()


def test_bert_and_speaker_files_appear_where_the_model_reads_them(tmp_path: Path, full_model: Path) -> None:
    path = make_list(tmp_path, 1)
    write_wav(tmp_path / "wav" / "zh.wav", voice(seed=9))
    path.write_text(path.read_text() + f"wav/zh.wav|ann|ZH|{CHINESE}\n", encoding="utf8")
    report = prepare(path, tmp_path / "exp", full_model, device="cpu", half=True)
    assert report.ok, report.failures
    assert report.ready == {"text": 2, "bert": 1, "hubert": 2, "semantic": 2, "speaker": 2}
    store = FeatureStore(tmp_path / "exp")
    assert not store.bert_path("v0.wav").exists()
    entry = store.read_text()["zh.wav"]
    assert entry.word2ph is not None and sum(entry.word2ph) == len(entry.phones)
    bert = read_tensor(store.bert_path("zh.wav"))
    assert bert.shape == (16, len(entry.phones)) and bert.dtype == torch.float16
    speaker = read_tensor(store.speaker_path("zh.wav"))
    assert speaker.shape == (1, SPEAKER.embedding) and speaker.dtype == torch.float16
    assert read_tensor(store.hubert_path("zh.wav")).dtype == torch.float16


def test_a_second_run_does_nothing(tmp_path: Path, model: Path) -> None:
    path, out = make_list(tmp_path, 3), tmp_path / "exp"
    prepare(path, out, model, device="cpu")
    before = times(out)
    report = prepare(path, out, model, device="cpu")
    assert (report.computed, report.unchanged, report.ok) == (0, 3, True)
    assert times(out) == before


def test_only_what_changed_is_done_again(tmp_path: Path, model: Path) -> None:
    path, out = make_list(tmp_path, 3), tmp_path / "exp"
    prepare(path, out, model, device="cpu")
    before = times(out)
    write_wav(tmp_path / "wav" / "v1.wav", voice(0.9, seed=77))
    path.write_text(path.read_text().replace("The morning train", "The evening train"), encoding="utf8")
    (out / "4-cnhubert" / "v2.wav.pt").unlink()
    report = prepare(path, out, model, device="cpu")
    assert report.computed == 3 and report.ok
    after = times(out)
    same = {name for name in before if before[name] == after[name]}
    assert {"4-cnhubert/v0.wav.pt", "5-wav32k/v0.wav"} <= same
    assert not same & {"4-cnhubert/v1.wav.pt", "4-cnhubert/v2.wav.pt", "2-name2text.txt", "6-name2semantic.tsv"}
    assert "evening" in (out / "2-name2text.txt").read_text(encoding="utf8")
    fresh = tmp_path / "fresh"
    prepare(path, fresh, model, device="cpu")
    assert snapshot(fresh) == snapshot(out)


def test_another_model_or_limit_makes_results_stale(tmp_path: Path, model: Path) -> None:
    path, out = make_list(tmp_path, 2), tmp_path / "exp"
    prepare(path, out, model, device="cpu")
    other = make_model(tmp_path / "other", seed=2)
    report = prepare(path, out, other, device="cpu", steps=["semantic"])
    assert report.computed == 2
    expected = tmp_path / "fresh"
    prepare(path, expected, other, device="cpu")
    rows = "6-name2semantic.tsv"
    assert (out / rows).read_bytes() == (expected / rows).read_bytes()


def test_what_turned_bad_leaves_no_old_result(tmp_path: Path, model: Path) -> None:
    path, out = make_list(tmp_path, 2), tmp_path / "exp"
    prepare(path, out, model, device="cpu")
    write_wav(tmp_path / "wav" / "v1.wav", np.zeros(32000, np.float32))
    report = prepare(path, out, model, device="cpu")
    assert [failure.name for failure in report.failures] == ["v1.wav"]
    assert not (out / "4-cnhubert" / "v1.wav.pt").exists() and not (out / "5-wav32k" / "v1.wav").exists()
    assert list(FeatureStore(out).read_semantic()) == ["v0.wav"]


@pytest.mark.parametrize(
    ("steps", "files"),
    [
        (["text"], {"2-name2text.txt"}),
        (["text", "bert"], {"2-name2text.txt", "3-bert/zh.wav.pt"}),
        (["hubert"], {"4-cnhubert/v0.wav.pt", "5-wav32k/v0.wav", "4-cnhubert/zh.wav.pt", "5-wav32k/zh.wav"}),
        (["semantic"], {"6-name2semantic.tsv"}),
        (["speaker"], {"7-sv_cn/v0.wav.pt", "7-sv_cn/zh.wav.pt"}),
    ],
)
def test_each_step_alone_writes_what_a_whole_run_writes(
    tmp_path: Path, full_model: Path, whole: tuple[Path, Path], steps: list[str], files: set[str]
) -> None:
    path, expected = whole
    assert prepare(path, tmp_path / "exp", full_model, steps=steps, device="cpu").ok
    found = snapshot(tmp_path / "exp")
    assert visible(tmp_path / "exp") == files | {"prep_report.json"}
    assert all(found[name] == (expected / name).read_bytes() for name in files)


def test_steps_one_by_one_equal_a_run(tmp_path: Path, full_model: Path, whole: tuple[Path, Path]) -> None:
    path, expected = whole
    out = tmp_path / "exp"
    for step in ("speaker", "hubert", "semantic", "bert", "text"):
        assert prepare(path, out, full_model, steps=[step], device="cpu").computed > 0
    assert prepare(path, out, full_model, device="cpu").computed == 0
    assert snapshot(out) == snapshot(expected)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, full_model: Path) -> tuple[Path, Path]:
    """A list of an English and a Chinese recording, and the folder a whole run makes of it."""
    folder = tmp_path_factory.mktemp("whole")
    path = make_list(folder, 1)
    write_wav(folder / "wav" / "zh.wav", voice(seed=9))
    path.write_text(path.read_text() + f"wav/zh.wav|ann|ZH|{CHINESE}\n", encoding="utf8")
    assert prepare(path, folder / "exp", full_model, device="cpu").ok
    return path, folder / "exp"


def test_two_workers_write_what_one_writes(tmp_path: Path, model: Path) -> None:
    path = make_list(tmp_path, 5)
    write_wav(tmp_path / "wav" / "v3.wav", np.zeros(32000, np.float32))
    seen: list[tuple[int, int]] = []
    prepare(path, tmp_path / "one", model, device="cpu", workers=1)
    report = prepare(
        path, tmp_path / "two", model, device="cpu", workers=2, progress=lambda done, total: seen.append((done, total))
    )
    assert [failure.name for failure in report.failures] == ["v3.wav"]
    assert snapshot(tmp_path / "one") == snapshot(tmp_path / "two")
    assert seen == [(i, 5) for i in range(1, 6)]


def test_a_group_gives_what_each_recording_gives_alone(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    import prep.run

    path = make_list(tmp_path, 4)
    write_wav(tmp_path / "wav" / "v1.wav", voice(0.7, seed=5))  # as long as v0
    prepare(path, tmp_path / "single", model, device="cpu")
    plain = prep.run.make_recipe
    monkeypatch.setattr(prep.run, "make_recipe", lambda *args: replace(plain(*args), batch=3))
    prepare(path, tmp_path / "grouped", model, device="cpu")
    one, other = FeatureStore(tmp_path / "single"), FeatureStore(tmp_path / "grouped")
    for i in range(4):
        torch.testing.assert_close(
            read_tensor(one.hubert_path(f"v{i}.wav")), read_tensor(other.hubert_path(f"v{i}.wav")), rtol=1e-5, atol=1e-5
        )
    assert one.read_semantic() == other.read_semantic()


def test_texts_share_a_pass_of_bert_and_one_that_is_too_long_is_named(
    tmp_path: Path, full_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    import prep.run

    texts = [CHINESE, "今天很好。", "我们去公园。", "好" * 600]

    def listed(count: int) -> Path:
        lines = [f"{write_wav(tmp_path / f'z{i}.wav', voice(seed=i))}|ann|ZH|{texts[i]}\n" for i in range(count)]
        (tmp_path / f"{count}.list").write_text("".join(lines), encoding="utf8")
        return tmp_path / f"{count}.list"

    assert prepare(listed(3), tmp_path / "single", full_model, steps=["bert"], device="cpu").ok
    plain = prep.run.make_recipe
    monkeypatch.setattr(prep.run, "make_recipe", lambda *args: replace(plain(*args), batch=4))
    calls: list[int] = []
    whole = BertFeatures.hidden
    monkeypatch.setattr(
        BertFeatures, "hidden", lambda self, tokens, mask=None: calls.append(len(tokens)) or whole(self, tokens, mask)
    )
    assert prepare(listed(3), tmp_path / "grouped", full_model, steps=["bert"], device="cpu").ok
    assert calls == [3]
    report = prepare(listed(4), tmp_path / "long", full_model, steps=["bert"], device="cpu")
    assert calls == [3, 1, 1, 1]
    assert [(failure.name, failure.step) for failure in report.failures] == [("z3.wav", "bert")]
    one = FeatureStore(tmp_path / "single")
    for name in ("z0.wav", "z1.wav", "z2.wav"):
        alone = read_tensor(one.bert_path(name))
        for other in ("grouped", "long"):
            found = read_tensor(FeatureStore(tmp_path / other).bert_path(name))
            assert found.shape == alone.shape and (found - alone).abs().max() <= 1e-5 * alone.abs().max()


def test_the_report_is_written_and_holds_the_state(tmp_path: Path, model: Path) -> None:
    prepare(make_list(tmp_path, 2), tmp_path / "exp", model, device="cpu")
    assert json.loads((tmp_path / "exp" / "prep_report.json").read_text()) == {
        "model": "plain",
        "items": 2,
        "ready": {"text": 2, "hubert": 2, "semantic": 2},
        "bad": [],
    }


def test_faults_of_the_run_are_sentences_and_write_nothing(tmp_path: Path, model: Path) -> None:
    path, out = make_list(tmp_path, 1), tmp_path / "exp"
    with pytest.raises(CheckpointError, match="there is no model"):
        prepare(path, out, "nobody", device="cpu")
    with pytest.raises(ConfigError, match="no preparation step"):
        prepare(path, out, model, steps=["texts"], device="cpu")
    with pytest.raises(ConfigError, match="no speaker branch"):
        prepare(path, out, model, steps=["speaker"], device="cpu")
    path.write_text("wav/v0.wav|a|en|One two three.\nother/v0.wav|a|en|Four five six.\n")
    with pytest.raises(ManifestError, match="twice"):
        prepare(path, out, model, device="cpu")
    assert not out.exists()


def test_two_runs_do_not_share_a_folder(tmp_path: Path, model: Path) -> None:
    path = make_list(tmp_path, 1)
    with exclusive(tmp_path / "exp"), pytest.raises(StorageError, match="another run"):
        prepare(path, tmp_path / "exp", model, device="cpu")
    assert prepare(path, tmp_path / "exp", model, device="cpu").ok
