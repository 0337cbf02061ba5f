"""Preparing a dataset: the public layout, idle second runs, and kills at any moment."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
from pathlib import Path

import soundfile
import torch

from feature_extractor.text import symbol_table
from gpt_sovits.core.store import FeatureStore, read_tensor
from prep.run import prepare

ROOT = Path(__file__).resolve().parents[2]

# Prepares in a process that kills itself (SIGKILL) right before its N-th file would get its final name, or after the
# N-th item: at the worst moments there are.
DOOMED = """
import os, signal, sys
from prep.run import prepare

source, out, model, moment, count = *sys.argv[1:5], int(sys.argv[5])
renamed = 0

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def watch(event, arguments):
    global renamed
    if event == "os.rename" and str(arguments[1]).startswith(out):
        renamed += 1
        if renamed == count:
            die()

def progress(done, todo):
    if moment == "item" and done == count:
        die()

if moment == "rename":
    sys.addaudithook(watch)
prepare(source, out, model, progress=progress)
"""


def contents(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a prepared folder by its relative path; the lock is not content."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "lock"
    }


def prepare_and_die(clips: Path, out: Path, model: Path, moment: str, count: int) -> None:
    """Start a run that is killed on its way."""
    arguments = [str(clips / "clips.list"), str(out), str(model), moment, str(count)]
    done = subprocess.run([sys.executable, "-c", DOOMED, *arguments], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


def test_files_are_in_the_public_layout(experiment: Path, clips: Path) -> None:
    store, names = FeatureStore(experiment), []
    symbols = set(symbol_table("v2"))
    for line in (clips / "clips.list").read_text(encoding="utf8").splitlines():
        names.append(line.partition("|")[0])
    for line in (experiment / "2-name2text.txt").read_text(encoding="utf8").splitlines():
        name, phones, word2ph, text = line.split("\t")
        assert name in names and text
        assert set(phones.split()) <= symbols
        assert (word2ph == "None") == ("_en_" in name)
    rows = (experiment / "6-name2semantic.tsv").read_text(encoding="utf8").splitlines()
    assert rows[0] == "item_name\tsemantic_audio"
    assert [row.partition("\t")[0] for row in rows[1:]] == names
    for row in rows[1:]:
        name, _, values = row.partition("\t")
        codes = [int(value) for value in values.split(" ")]
        wave, header = store.wave_path(name), soundfile.info(store.wave_path(name))
        assert (header.samplerate, header.channels, header.format, header.subtype) == (32000, 1, "WAV", "PCM_16"), wave
        content = read_tensor(store.hubert_path(name))
        assert content.ndim == 3 and content.shape[0] == 1 and torch.isfinite(content).all()
        assert abs(content.shape[2] - header.duration * 50) <= 2
        assert abs(len(codes) - header.duration * 25) <= 2
        assert 0 <= min(codes) <= max(codes) < 1024


def test_word2ph_adds_up(experiment: Path) -> None:
    for entry in FeatureStore(experiment).read_text().values():
        if entry.word2ph is not None:
            assert sum(entry.word2ph) == len(entry.phones)
            assert len(entry.word2ph) == len(entry.text)


def test_second_run_does_nothing(experiment: Path, clips: Path, model: Path) -> None:
    def stamps() -> dict[str, int]:
        return {str(p): p.stat().st_mtime_ns for p in experiment.rglob("*") if p.is_file() and p.name != "index.jsonl"}

    before, files = contents(experiment), stamps()
    report = prepare(clips / "clips.list", experiment, model)
    assert report.ok and report.computed == 0 and report.unchanged == 10
    assert contents(experiment) == before
    assert {path: files[path] for path in files if "lock" not in path} == {
        path: stamp for path, stamp in stamps().items() if "lock" not in path
    }


def test_killed_run_resumes_to_identical_bytes(experiment: Path, clips: Path, model: Path, tmp_path: Path) -> None:
    good = contents(experiment)
    for moment, count in (("rename", 5), ("item", 4)):
        prepare_and_die(clips, tmp_path, model, moment, count)
        left = {name: digest for name, digest in contents(tmp_path).items() if not name.endswith(".part")}
        whole = {name: digest for name, digest in left.items() if not name.startswith(".prep/")}
        assert whole and whole.items() <= good.items(), "a file under its final name is whole"
    report = prepare(clips / "clips.list", tmp_path, model)
    assert report.ok and 0 < report.computed < 10
    assert contents(tmp_path) == good
