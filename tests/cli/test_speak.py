"""`tts`, `batch` and `demo`: results, exit codes, one sentence for each fault."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from tests.cli.conftest import Run

SENTENCE = ("--text", "The train was late.")


def test_tts_writes_and_reports(run: Run, speaking: list[str], tmp_path: Path) -> None:
    done = run(*speaking, *SENTENCE, "--out", tmp_path / "new" / "a.wav")
    assert done.code == 0
    assert re.fullmatch(rf"{tmp_path}/new/a\.wav  \d+\.\d s  rtf \d+\.\d\d\n", done.out)
    assert soundfile.info(tmp_path / "new" / "a.wav").samplerate == 32000
    assert "did not end within 20 codes" in " ".join(done.err.split())


def test_same_command_same_bytes(run: Run, speaking: list[str], tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav"):
        assert run(*speaking, *SENTENCE, "--out", tmp_path / name).code == 0
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()
    assert run(*speaking, *SENTENCE, "--seed", "2", "--out", tmp_path / "c.wav").code == 0
    assert (tmp_path / "a.wav").read_bytes() != (tmp_path / "c.wav").read_bytes()


def test_text_file_options_and_configuration_agree(run: Run, speaking: list[str], tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("The train was late.", encoding="utf-8-sig")
    (tmp_path / "how.yaml").write_text("top_k: 3\nspeed: 1.5\npause: 1\n", encoding="utf8")
    file = ("--text-file", tmp_path / "text.txt")
    outputs = [
        (*file, "--config", tmp_path / "how.yaml", "--set", "speed=1.25", "--pause", "0"),
        (*SENTENCE, "--top-k", "3", "--speed", "1.25", "--pause", "0"),
    ]
    for number, options in enumerate(outputs):
        assert run(*speaking, *options, "--out", tmp_path / f"{number}.wav").code == 0
    assert (tmp_path / "0.wav").read_bytes() == (tmp_path / "1.wav").read_bytes()


def test_prompt_options_are_heard(
    run: Run, speaking: list[str], tmp_path: Path, clips: Path, model_folder: Path
) -> None:
    variants = {
        "plain": [],
        "text": ["--ref-text", "A cold wind came down.", "--ref-lang", "en"],
        "aux": ["--aux-ref", str(clips / "ada_zh_1.ogg")],
        "cut": ["--cut", "cut5"],
    }
    text = ("--text", "The train was late, but nobody in the hall seemed to mind.")
    for name, options in variants.items():
        assert run(*speaking, *text, *options, "--out", tmp_path / f"{name}.wav").code == 0
    assert len({(tmp_path / f"{name}.wav").read_bytes() for name in variants}) == len(variants)


def test_bad_input_is_one_sentence(
    run: Run, speaking: list[str], tmp_path: Path, clips: Path, model_folder: Path
) -> None:
    (tmp_path / "corrupt.wav").write_bytes(b"RIFF" + bytes(range(200)))
    (tmp_path / "file").touch()
    broken = Path(shutil.copytree(model_folder, tmp_path / "broken"))
    (broken / "s2.safetensors").unlink()
    damaged = Path(shutil.copytree(model_folder, tmp_path / "damaged"))
    (damaged / "s1.safetensors").write_bytes((model_folder / "s1.safetensors").read_bytes()[:1000])
    cases: dict[str, list[str | Path]] = {
        "corrupt.wav cannot be read as audio": ["--ref", tmp_path / "corrupt.wav"],
        "none.wav cannot be read: No such file": ["--ref", tmp_path / "none.wav"],
        "3 to 10 seconds; this one lasts 2.0": ["--ref", clips / "ada_en_3.ogg"],
        "the text '' has nothing to say": ["--text", ""],
        "nothing to say": ["--text", "?!"],
        "'xx' is not available": ["--lang", "xx"],
        "there is no model 'nobody'": ["--model", "nobody"],
        "names s2": ["--model", broken],
        "is not a readable safetensors file": ["--model", damaged],
        "none.safetensors does not exist": ["--s1", tmp_path / "none.safetensors"],
        "holds a s1 model, not a s2 model": ["--s2", model_folder / "s1.safetensors"],
        "file is not a folder": ["--out", tmp_path / "file" / "a.wav"],
        "it is a folder": ["--out", tmp_path],
        "must end in .wav, .flac, .ogg": ["--out", tmp_path / "a.mp3"],
        "top_k: input should be greater": ["--top-k", "0"],
        "cut: input should be": ["--cut", "cut9"],
        "nonsense: Extra inputs": ["--set", "nonsense=1"],
        "'tpu' is not a device": ["--device", "tpu"],
    }
    before = sorted(tmp_path.rglob("*"))
    for words, changes in cases.items():
        done = run(*speaking, *SENTENCE, "--out", tmp_path / "a.wav", *changes)
        assert done.code == 1, (words, done)
        assert words in done.err, (words, done.err)
        assert done.out == "" and done.err.startswith("gpt-sovits: ") and done.err.count("\n") == 1, done.err
        assert sorted(tmp_path.rglob("*")) == before, f"{words}: something half-written is left"


@pytest.mark.parametrize(
    "arguments",
    [
        ["tts"],
        ["tts", "--ref", "a.wav"],
        ["tts", "--ref", "a.wav", "--text", "Hi.", "--text-file", "b.txt"],
        ["tts", "--ref", "a.wav", "--text", "Hi.", "--seed", "soon"],
        ["tts", "--nonsense"],
        ["batch", "jobs.tsv"],
        ["batch", "jobs.tsv", "--out", "x", "--format", "mp3"],
        ["train", "s3"],
        ["nonsense"],
    ],
)
def test_wrong_usage_is_2(run: Run, arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.code == 2
    assert "Usage" in done.err and "Traceback" not in done.err


def test_batch(run: Run, model_folder: Path, clips: Path, tmp_path: Path) -> None:
    jobs, out = tmp_path / "jobs.tsv", tmp_path / "out"
    rows = [
        "name\treference\ttext",
        f"one\t{clips}/ben_en_1.ogg\tYes, do.",
        f"two\t{clips}/ada_zh_1.ogg\tThen it came.",
    ]
    jobs.write_text("\n".join(rows), encoding="utf8")
    command = ("batch", jobs, "--out", out, "--model", model_folder, "--lang", "en", "--set", "max_codes=20")
    done = run(*command)
    assert (done.code, done.out) == (0, f"{out}  2 spoken  0 already there  0 failed\n")
    manifest = [json.loads(line) for line in (out / "manifest.jsonl").read_text(encoding="utf8").splitlines()]
    assert [(line["name"], line["output"], line["error"]) for line in manifest] == [
        ("one", "one.wav", None),
        ("two", "two.wav", None),
    ]
    jobs.write_text("\n".join([*rows, f"three\t{clips}/none.ogg\tHi."]), encoding="utf8")
    done = run(*command)
    assert (done.code, done.out) == (1, f"{out}  0 spoken  2 already there  1 failed\n")
    assert re.search(r"^three: .*none\.ogg cannot be read", done.err, re.MULTILINE)


def test_batch_files_that_cannot_be_used(run: Run, model_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for jobs, out, words in (
        (tmp_path / "none.tsv", tmp_path / "out", "none.tsv cannot be read"),
        (tmp_path / "none.tsv", tmp_path / "file" / "out", "cannot write"),
    ):
        done = run("batch", jobs, "--out", out, "--model", model_folder)
        assert done.code == 1 and words in done.err and done.err.count("\n") == 1


def test_demo(run: Run, model_folder: Path, tmp_path: Path) -> None:
    done = run("demo", "--model", model_folder, "--out", tmp_path / "demo.wav")
    assert done.code == 0
    assert re.fullmatch(rf"{tmp_path}/demo\.wav  \d+\.\d s  rtf \d+\.\d\d\n", done.out)


def test_as_a_process(speaking: list[str], tmp_path: Path, repository: Path) -> None:
    """The real thing once: exit code and streams of a fault."""
    command = [sys.executable, "-m", "gpt_sovits.cli", *speaking, "--text", "", "--out", str(tmp_path / "a.wav")]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("gpt-sovits: ") and done.stderr.count("\n") == 1
    assert not (tmp_path / "a.wav").exists()
