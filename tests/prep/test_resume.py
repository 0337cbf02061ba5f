"""Runs that are killed or run out of disk: nothing half-written, and the next run ends with the same bytes."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from gpt_sovits.core.errors import StorageError
from gpt_sovits.core.store import FeatureStore, read_tensor
from prep.index import Index, Record
from prep.run import prepare
from tests.prep.material import make_list, snapshot

ITEMS = 8
fork = multiprocessing.get_context("fork")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, model: Path) -> tuple[Path, Path, float]:
    """A list, the folder an uninterrupted run makes of it, and how long that took."""
    folder = tmp_path_factory.mktemp("whole")
    path = make_list(folder, ITEMS)
    prepare(path, folder / "warm", model, device="cpu")  # what is imported once does not count
    started = time.monotonic()
    prepare(path, folder / "exp", model, device="cpu")
    return path, folder / "exp", time.monotonic() - started


def run_in_child(work: Callable[[], object]) -> multiprocessing.process.BaseProcess:
    process = fork.Process(target=work)
    process.start()
    return process


def assert_no_half_file(out: Path) -> None:
    """Whatever has its final name can be read to its end."""
    store = FeatureStore(out)
    for i in range(ITEMS):
        if store.wave_path(f"v{i}.wav").exists():
            soundfile.read(store.wave_path(f"v{i}.wav"))
        if store.hubert_path(f"v{i}.wav").exists():
            read_tensor(store.hubert_path(f"v{i}.wav"))
    if store.semantic_path.exists():
        assert len(store.read_semantic()) == ITEMS


@pytest.mark.parametrize("seed", range(8))
def test_killed_at_any_moment_ends_the_same(
    tmp_path: Path, model: Path, whole: tuple[Path, Path, float], seed: int
) -> None:
    path, expected, seconds = whole
    out = tmp_path / "exp"
    process = run_in_child(lambda: prepare(path, out, model, device="cpu"))
    time.sleep(random.Random(seed).uniform(0, 1.2) * seconds)
    process.kill()
    process.join()
    assert_no_half_file(out)
    assert prepare(path, out, model, device="cpu").ok
    assert snapshot(out) == snapshot(expected)


def test_killed_again_and_again_ends_the_same(tmp_path: Path, model: Path, whole: tuple[Path, Path, float]) -> None:
    path, expected, _ = whole
    out = tmp_path / "exp"
    done = 0
    for target in (2, 4, 6):
        process = run_in_child(lambda: prepare(path, out, model, device="cpu"))
        while process.is_alive() and len(list(out.glob("4-cnhubert/*.pt"))) < target:
            time.sleep(0.005)
        process.kill()
        process.join()
        assert len(Index(out).records) >= done, "a later run may not lose what an earlier one finished"
        done = len(Index(out).records)
    assert 0 < done < ITEMS * 3
    report = prepare(path, out, model, device="cpu")
    assert report.computed < ITEMS, "what was finished before the last kill is not done again"
    assert snapshot(out) == snapshot(expected)


def test_the_command_and_its_workers_end_with_a_kill(
    tmp_path: Path, model: Path, whole: tuple[Path, Path, float]
) -> None:
    path, expected, _ = whole
    out = tmp_path / "exp"
    command = [sys.executable, "-m", "prep.cli", "run", str(path), "--out", str(out), "--model", str(model)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([*command, "--workers", "2", "--device", "cpu"], env=environment, start_new_session=True)
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline and not list(out.glob("4-cnhubert/*.pt")):
        time.sleep(0.01)
    group = process.pid
    process.kill()
    process.wait()
    assert wait_until(lambda: not group_members(group), 30), "workers outlive the command"
    assert_no_half_file(out)
    assert prepare(path, out, model, device="cpu").ok
    assert snapshot(out) == snapshot(expected)


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def group_members(group: int) -> list[int]:
    """Processes of a process group that still run; one that has ended but was not waited for (Z) does not."""
    members = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, process_group = path.read_text().rpartition(")")[2].split()[:3]
            if int(process_group) == group and state != "Z":
                members.append(int(path.parent.name))
    return members


def limited(size: int, work: Callable[[], object], told: Path) -> None:
    """Do `work` where no file may grow beyond `size` bytes, as on a full disk; tell what it raised."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
    try:
        work()
    except StorageError as error:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        told.write_text(str(error))


@pytest.mark.parametrize("size", [500, 3000, 30000])
def test_a_full_disk_stops_the_run_in_a_sentence(
    tmp_path: Path, model: Path, whole: tuple[Path, Path, float], size: int
) -> None:
    path, expected, _ = whole
    out, told = tmp_path / "exp", tmp_path / "told.txt"
    run_in_child(lambda: limited(size, lambda: prepare(path, out, model, device="cpu"), told)).join()
    assert told.is_file(), "the run did not stop with a StorageError"
    assert told.read_text().startswith("cannot write ") and "\n" not in told.read_text()
    assert not list(out.rglob("*.part"))
    assert_no_half_file(out)
    assert not (out / "prep_report.json").exists()
    assert prepare(path, out, model, device="cpu").ok
    assert snapshot(out) == snapshot(expected)


def test_a_folder_that_cannot_be_made(tmp_path: Path, model: Path, whole: tuple[Path, Path, float]) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="cannot write"):
        prepare(whole[0], tmp_path / "file" / "exp", model, device="cpu")


def test_a_torn_line_of_the_index_costs_one_record(tmp_path: Path) -> None:
    index = Index(tmp_path)
    with index.appending():
        index.append([Record("a.wav", "text", "k1"), Record("b.wav", "text", "k2")])
    text = index.path.read_text()
    index.path.write_text(text[:-10])
    again = Index(tmp_path)
    assert set(again.records) == {("a.wav", "text")}
    with again.appending():
        again.append([Record("c.wav", "text", "k3")])
    assert set(Index(tmp_path).records) == {("a.wav", "text"), ("c.wav", "text")}


def test_a_record_vouches_only_for_files_in_place(tmp_path: Path) -> None:
    index = Index(tmp_path)
    (tmp_path / "f").write_text("12345")
    with index.appending():
        index.append([Record("a.wav", "hubert", "k", {"f": 5})])
    assert index.current("a.wav", "hubert", "k") and not index.current("a.wav", "hubert", "other")
    (tmp_path / "f").write_text("123")
    assert index.current("a.wav", "hubert", "k") is None
    index.discard([("a.wav", "hubert"), ("never", "seen")])
    assert not (tmp_path / "f").exists() and not Index(tmp_path).records
