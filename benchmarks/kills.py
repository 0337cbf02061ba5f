"""Killing a fine-tuning at random moments, and comparing what comes of it with a run that was left alone.

    python -m benchmarks kills [--kills 20] [--seed 0] [--out FILE]

A model of debug size is fine-tuned on the ten clips of the tests. A run is killed (SIGKILL, with all its processes),
taken up by the same call, killed again and so on, at moments drawn within preparation, stage 2, stage 1 and export in
turn; then it is left to come to its end and compared, weights bit for bit, and the next one starts from nothing.
"""

from __future__ import annotations

import argparse
import os
import random
import select
import signal
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import torch

from gpt_sovits.core.bundle import VARIABLE, Bundle, read_model
from gpt_sovits.core.checkpoint import load_checkpoint
from gpt_sovits.core.files import write_text
from gpt_sovits.finetune import Settings, finetune
from gpt_sovits.models import new_model

CLIPS = Path(__file__).parents[1] / "tests" / "data" / "clips" / "clips.list"
PHASES = {"prep": "preparing", "s2": "training stage 2", "s1": "training stage 1", "export": "/s1.safetensors"}
"""What a run says when a phase begins."""
S2 = ("task.discriminator={width: 0.03125, periods: [2, 3], scale: false}", "run.max_steps=6", "run.validate_every=2")
S1 = ("accumulate=1", "run.max_steps=6", "run.validate_every=2")
OFTEN = ("run.checkpoint_every=1",)


@dataclass
class Tally:
    """Kills by the phase they fell into, runs that came to their end, and those that ended otherwise."""

    kills: Counter[str] = field(default_factory=Counter)
    ended: int = 0
    unequal: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        where = ", ".join(f"{self.kills[phase]} in {phase}" for phase in ("start", *PHASES) if self.kills[phase])
        return (
            f"{self.kills.total()} kills ({where}); {self.ended} runs came to their end, "
            f"{len(self.unequal)} of them with another voice than the run left alone"
        )


def settings(place: Path, name: str) -> Settings:
    given = {"s1_overrides": (*S1, *OFTEN), "s2_overrides": (*S2, *OFTEN)}
    return Settings(name, base="debug", device="cpu", minutes=30, work=place / "work" / name, **given)  # type: ignore[arg-type]


class Run:
    """One call of `finetune` in a process of its own, which says through a pipe where it is."""

    def __init__(self, place: Path, name: str) -> None:
        self.phase, self.began = "start", {"start": time.monotonic()}
        reading, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            os.close(reading)
            _call(place, name, writing)
        os.close(writing)
        self.pipe = reading

    def listen(self, seconds: float | None) -> bool:
        """Take in one line; False: nothing came in time, or nothing will."""
        if not select.select([self.pipe], [], [], seconds)[0]:
            return False
        told = os.read(self.pipe, 65536).decode()
        for phase, sign in PHASES.items():
            if sign in told:
                self.phase = phase
                self.began[phase] = time.monotonic()
        return bool(told)

    def wait(self) -> int:
        while self.listen(None):
            pass
        os.close(self.pipe)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def kill(self) -> None:
        os.killpg(self.pid, signal.SIGKILL)
        self.wait()


def _call(place: Path, name: str, pipe: int) -> None:
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    code = 1
    try:
        finetune(CLIPS, settings(place, name), say=lambda line: os.write(pipe, f"{line}\n".encode()) and None)
        code = 0
    finally:
        os._exit(code)


def differences(ours: Bundle, theirs: Bundle) -> list[str]:
    """In what two voices differ, apart from their names."""
    found = []
    for stage in ("s1", "s2"):
        a, b = (load_checkpoint(voice.need(stage), stage).tensors for voice in (ours, theirs))  # type: ignore[arg-type]
        found += [
            name for name in a.keys() | b.keys() if not (name in a and name in b and torch.equal(a[name], b[name]))
        ]
    kept = [voice.manifest.model_dump(exclude={"name", "run"}) for voice in (ours, theirs)]
    clips = [(voice.folder / "reference.wav").read_bytes() for voice in (ours, theirs)]
    return found + ["manifest"] * (kept[0] != kept[1]) + ["reference"] * (clips[0] != clips[1])


def kill_often(place: Path, kills: int, seed: int) -> Tally:
    """Kill so many times, in a folder of its own; the last run is left to come to its end."""
    os.environ[VARIABLE] = str(place / "store")
    new_model(place / "store" / "debug", "debug", seed=0)
    alone = Run(place, "alone")
    if alone.wait():
        raise SystemExit("the run that is left alone fails")
    lasts = _durations(alone)
    tally, draw, number = Tally(), random.Random(seed), 0
    while tally.kills.total() < kills:
        name = f"killed{number}"
        for phase in list(PHASES)[: kills - tally.kills.total()]:
            run = Run(place, name)
            if _at(run, phase, draw.uniform(0, lasts[phase])):
                run.kill()
                tally.kills[run.phase] += 1
                print(f"killed in {run.phase}", flush=True)
            else:
                run.wait()
        code = Run(place, name).wait()
        tally.ended += 1
        number += 1
        store = place / "store"
        told = [f"exit {code}"] if code else differences(read_model(store / "alone"), read_model(store / name))
        tally.unequal += [f"{name}: {', '.join(told)}"] if told else []
        print(f"{name} came to its end: {', '.join(told) or 'the same voice'}", flush=True)
    return tally


def _durations(run: Run) -> dict[str, float]:
    starts = [run.began[phase] for phase in PHASES] + [time.monotonic()]
    return {phase: after - before for phase, before, after in zip(PHASES, starts, starts[1:], strict=False)}


def _at(run: Run, phase: str, delay: float) -> bool:
    """Wait for a moment in a phase; False: the run ended before."""
    order = list(PHASES)
    while run.phase == "start" or order.index(run.phase) < order.index(phase):
        if not run.listen(None):
            return False
    moment = time.monotonic() + delay
    while (left := moment - time.monotonic()) > 0:
        if select.select([run.pipe], [], [], left)[0] and not run.listen(0):
            return False
    return True


def main(arguments: list[str]) -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--kills", type=int, default=20)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--out", type=Path)
    a = p.parse_args(arguments)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        tally = kill_often(Path(place), a.kills, a.seed)
    print(tally)
    if a.out is not None:
        write_text(a.out, f"# Kills\n\n`python -m benchmarks kills --kills {a.kills} --seed {a.seed}`: {tally}.\n")
    if tally.unequal:
        raise SystemExit("; ".join(tally.unequal))
