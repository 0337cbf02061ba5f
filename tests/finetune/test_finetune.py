"""From ten clips to a voice in one call, with a debug-size base model."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
import torch
from typer.testing import CliRunner

from gpt_sovits.cli import app
from gpt_sovits.core.bundle import VARIABLE, find_model
from gpt_sovits.core.checkpoint import load_checkpoint
from gpt_sovits.core.errors import ConfigError, InputError
from gpt_sovits.finetune import Outcome, Settings, finetune
from gpt_sovits.finetune.choose import STAGES, choose_stages
from gpt_sovits.finetune.plan import free_memory_gib
from gpt_sovits.finetune.run import _publish
from gpt_sovits.finetune.samples import Reference
from gpt_sovits.models import new_model

S2 = ("task.discriminator={width: 0.03125, periods: [2, 3], scale: false}", "run.max_steps=4", "run.validate_every=2")
S1 = ("accumulate=1", "run.max_steps=4", "run.validate_every=2")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("store")
    new_model(place / "debug", "debug", seed=0)
    return place


@pytest.fixture(autouse=True)
def placed(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(store))


def settings(work: Path, name: str = "ada", **more: object) -> Settings:
    given = {"base": "debug", "device": "cpu", "minutes": 30.0, "s1_overrides": S1, "s2_overrides": S2}
    return Settings(name, work=work, **{**given, **more})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory, clips: Path) -> Path:
    """A folder with the ten clips and their texts, one clip that is no sound, and one without a word."""
    folder = tmp_path_factory.mktemp("recordings")
    for line in (clips / "clips.list").read_text(encoding="utf8").splitlines():
        path, _, _, text = line.split("|")
        shutil.copy(clips / path, folder)
        (folder / path).with_suffix(".txt").write_text(text, encoding="utf8")
    (folder / "broken.ogg").write_bytes(b"OggS and then nothing")
    (folder / "broken.txt").write_text("Nobody will hear this.", encoding="utf8")
    shutil.copy(folder / "ada_en_1.ogg", folder / "wordless.ogg")
    (folder / "wordless.txt").write_text("\n", encoding="utf8")
    return folder


@pytest.fixture(scope="module")
def outcome(recordings: Path, store: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(store))
        return finetune(recordings, settings(tmp_path_factory.mktemp("work") / "ada"))


def test_a_folder_becomes_a_voice_of_the_store(outcome: Outcome, store: Path) -> None:
    assert outcome.voice == store / "ada" and not outcome.interrupted
    voice, base = find_model("ada"), find_model("debug")
    assert voice.manifest.source == "fine-tuned from debug"
    for stage in ("s1", "s2"):
        assert outcome.trained[stage].steps == 4
        trained, before = (load_checkpoint(m.need(stage), stage) for m in (voice, base))
        assert trained.config == before.config
    assert {p.name for p in (store / "ada").iterdir()} == {
        "hubert.safetensors",
        "s1.safetensors",
        "s2.safetensors",
        "model.yaml",
        "reference.wav",
    }


def test_what_was_left_out_is_named(outcome: Outcome) -> None:
    told = "\n".join(outcome.notes)
    assert "broken.ogg" in told and "wordless.txt is empty" in told
    assert outcome.left_out == 1 and outcome.plan.items == 10


def test_the_report_carries_everything(outcome: Outcome) -> None:
    assert outcome.report is not None
    page = outcome.report.read_text(encoding="utf8")
    assert page.count("<audio") + page.count("<i>no recording</i>") == 6
    assert page.count("<polyline") == 2 and "alignment" in page
    assert "broken.ogg" in page and "http" not in page.replace("http://www.w3.org", "")
    assert "<script" not in page


def test_the_voice_speaks_without_a_reference(outcome: Outcome, tmp_path: Path) -> None:
    out = tmp_path / "hello.wav"
    words = ["tts", "--model", "ada", "--text", "Hello there, old friend.", "--lang", "en", "--out", str(out)]
    result = CliRunner().invoke(app, [*words, "--max-codes", "30", "--retries", "0", "--seed", "1"])
    assert result.exit_code == 0, result.output
    assert soundfile.info(out).duration > 0.3
    refused = CliRunner().invoke(app, [*words[:2], "debug", *words[3:]])
    assert refused.exit_code == 2


def test_the_same_call_again_trains_nothing_new(outcome: Outcome, recordings: Path, store: Path) -> None:
    assert outcome.report is not None
    before = (store / "ada" / "s1.safetensors").read_bytes()
    again = finetune(recordings, settings(outcome.report.parent))
    assert [t.steps for t in again.trained.values()] == [4, 4]
    assert (store / "ada" / "s1.safetensors").read_bytes() == before


def test_another_voice_is_not_overwritten(outcome: Outcome, recordings: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="already a model ada"):
        finetune(recordings, settings(tmp_path))


def test_a_dry_run_says_what_it_would_do_and_does_nothing(recordings: Path, tmp_path: Path) -> None:
    said: list[str] = []
    done = finetune(recordings, settings(tmp_path / "dry", "dry"), dry_run=True, say=said.append)
    assert (
        "10 recordings" in said[0]
        and "1 held back" in said[0]
        and "are free) and" in said[2]
        and "30 minutes" in said[3]
    )
    assert done.voice is None
    assert [p.name for p in (tmp_path / "dry").rglob("*")] == ["recordings.list"]


@pytest.mark.parametrize(("free", "pieces"), [(24.0, 1), (2.6, 2), (1.0, 8), (None, 1)])
def test_batches_are_computed_in_as_many_pieces_as_the_memory_asks_for(
    recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: float | None, pieces: int
) -> None:
    monkeypatch.setattr("gpt_sovits.finetune.plan.free_memory_gib", lambda place: free)
    said: list[str] = []
    asked = settings(tmp_path / "dry", "dry", base="tiny")
    done = finetune(recordings, asked, dry_run=True, say=said.append)
    assert done.plan.pieces == pieces and ("pieces" in said[2]) == (pieces > 1)
    assert any("are free and about" in note for note in done.notes) == (free == 1.0)


def test_a_container_has_no_more_memory_than_it_may_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = torch.device("cpu")
    monkeypatch.setattr("gpt_sovits.finetune.plan.CGROUP", tmp_path)
    whole = free_memory_gib(place)
    for name, text in {
        "max": "1073741824\n",
        "current": "805306368\n",
        "stat": "anon 5\ninactive_file 268435456\n",
    }.items():
        (tmp_path / f"memory.{name}").write_text(text, encoding="utf8")
    assert free_memory_gib(place) == 0.5
    (tmp_path / "memory.stat").write_text("inactive_file many\n", encoding="utf8")
    assert free_memory_gib(place) == pytest.approx(whole, abs=1)
    (tmp_path / "memory.max").write_text("max\n", encoding="utf8")
    assert whole is not None and free_memory_gib(place) == pytest.approx(whole, abs=1)


def test_too_little_is_said(clips: Path, tmp_path: Path) -> None:
    folder = tmp_path / "few"
    folder.mkdir()
    shutil.copy(clips / "ada_en_1.ogg", folder / "a.ogg")
    (folder / "a.txt").write_text("One.", encoding="utf8")
    with pytest.raises(InputError, match=r"only \d seconds"):
        finetune(folder, settings(tmp_path / "work", "few"))
    (folder / "a.txt").unlink()
    with pytest.raises(Exception, match=r"1 of 1 recordings .* have no text"):
        finetune(folder, settings(tmp_path / "work2", "few"))


def test_runs_killed_at_random_moments_end_in_the_same_voice(repository: Path) -> None:
    """One kill in each of preparation, stage 2, stage 1 and export, in a process that has not computed anything yet."""
    command = [sys.executable, "-m", "benchmarks", "kills", "--kills", "4", "--seed", str(random.randrange(1000))]
    ended = subprocess.run(command, cwd=repository, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    told = ended.stdout.splitlines()[-1]
    assert told.startswith("4 kills (") and told.endswith(" 0 of them with another voice than the run left alone")


def test_a_small_voice_refers_to_its_base(recordings: Path, store: Path, tmp_path: Path) -> None:
    small = {"s1_overrides": ("accumulate=1", "run.max_steps=1"), "s2_overrides": (S2[0], "run.max_steps=1")}
    made = finetune(recordings, settings(tmp_path / "small", "small", lora=True, **small))
    assert made.voice == store / "small"
    assert {p.name for p in made.voice.iterdir()} == {
        "s1_adapter.safetensors",
        "s2_adapter.safetensors",
        "model.yaml",
        "reference.wav",
    }
    voice, base = find_model("small"), find_model("debug")
    assert all(voice.need(part).samefile(base.need(part)) for part in ("hubert", "s1", "s2"))
    assert len(made.report.read_text(encoding="utf8").split("<audio")) == 7 if made.report else False


def test_what_cannot_be_measured_is_said_before_any_work(recordings: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot select by similarity: the speaker network campplus was not found"):
        finetune(recordings, settings(tmp_path / "run", "dora", select_by="similarity", metrics=tmp_path))
    with pytest.raises(ConfigError, match="--select-by cannot go with --lora"):
        finetune(recordings, settings(tmp_path / "run", "dora", select_by="clipping", lora=True))
    assert not (tmp_path / "run" / "prepared").exists()


def test_stages_are_kept_by_what_is_heard(store: Path, clips: Path, tmp_path: Path) -> None:
    base, voice = find_model("debug"), new_model(tmp_path / "voice", "debug", seed=1)
    reference = Reference(clips / "ben_en_1.ogg", "A cold wind.", "en")
    folder = tmp_path / "selection"
    choice = choose_stages(base, voice, reference, "en", folder, "cpu", "clipping", None, items=1)
    assert [line.split(":")[0] for line in choice.lines] == [name for name, _ in STAGES]
    assert (
        sum("1 items" in line for line in choice.lines) == 4 and sum("(chosen)" in line for line in choice.lines) == 1
    )
    kept = {"s1": base.need("s1")}
    made = _publish(voice.folder, store / "eve", "debug", reference, kept)
    assert made.need("s1").read_bytes() == base.need("s1").read_bytes()
    assert made.need("s2").read_bytes() == voice.need("s2").read_bytes()


def test_little_sound_moves_stage_2_part_of_the_way_and_stage_1_not_at_all(
    recordings: Path, store: Path, tmp_path: Path
) -> None:
    """For models with recipes of their own, and unless something else is asked for."""
    base = new_model(store / "brief", "debug", seed=0)
    manifest = base.folder / "model.yaml"
    manifest.write_text(manifest.read_text("utf8") + "finetune: {s1: train/s1, s2: train/s2}\n", "utf8")
    said: list[str] = []
    asked = {"base": "brief", "s1_overrides": (), "s2_overrides": (*S2, "run.select=last")}
    done = finetune(recordings, settings(tmp_path / "part", "part", **asked), say=said.append)
    assert done.plan.little and list(done.trained) == ["s2"] and any("stage 1 stays" in line for line in said)
    assert done.plan.s1_minutes == 0
    asked = {**asked, "s1_overrides": S1, "s2_overrides": (*asked["s2_overrides"], "blend=1")}
    told: list[str] = []
    whole = finetune(recordings, settings(tmp_path / "whole", "whole", **asked), say=told.append)
    assert list(whole.trained) == ["s2", "s1"] and not any("stage 1 stays" in line for line in told)
    assert whole.plan.s1_minutes > 0 and whole.plan.s2_minutes < done.plan.s2_minutes
    start, part, end = (load_checkpoint(find_model(n).need("s2"), "s2").tensors for n in ("brief", "part", "whole"))
    moved = [name for name in start if start[name].is_floating_point() and not torch.equal(start[name], end[name])]
    assert moved
    for name in moved:
        torch.testing.assert_close(part[name], torch.lerp(start[name], end[name], 0.6), atol=1e-6, rtol=1e-5)
    first = [find_model(name).need("s1").read_bytes() for name in ("brief", "part", "whole")]
    assert first[0] == first[1] != first[2]
