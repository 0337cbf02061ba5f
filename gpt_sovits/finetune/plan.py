"""What a fine-tuning will do, decided from the amount of data, the base model and the device."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from safetensors import safe_open

from gpt_sovits.core.bundle import Bundle
from gpt_sovits.core.config import Strict
from gpt_sovits.core.device import multiplies_bfloat16, pick_device
from gpt_sovits.core.errors import InputError
from gpt_sovits.finetune.material import Material

LEAST_SECONDS = 20.0
FEWEST_TO_JUDGE = 10
"""With fewer recordings none can be spared to judge by."""
STAGE_2_SHARE = 0.65
"""Of the training time: the sound of a voice is mostly stage 2's."""
MIB_PER_MINUTE = 14
"""On disk, prepared: sound at 32 kHz and content features of up to 768 numbers, 50 a second, in float32."""
PROCESS_GIB = 1.6
BATCH_BYTES = 44
"""Memory of a fine-tuning besides weights and moments: libraries and recordings; of a batch, for each parameter.
Measured in all: `tiny` on 3 and 12 minutes of sound 2.6 and 2.9 GiB; stage 2 at the v2 size, batches of 8 x 8 s, 5.2,
and 3.3 in eight pieces."""
PIECES = (1, 2, 4, 8)
"""Parts that a batch may be computed in."""
LITTLE_MINUTES = 5.0
LITTLE_BLEND = 0.6
"""With less sound than that a model with recipes of its own keeps its stage 1, and stage 2 goes that share of the way
to the new voice: further costs words (docs/finetune.md)."""
CGROUP = Path("/sys/fs/cgroup")
CLOSING = 1.0
"""Minutes kept for speaking and the report."""


class Plan(Strict):
    """Kept with the run, so that going on after a stop follows the same plan."""

    base: str
    items: int
    audio_minutes: float
    languages: tuple[str, ...]
    held_back: int
    device: str
    precision: Literal["float32", "bfloat16", "auto"]
    minutes: float
    """Wall time of everything."""
    s2_minutes: float
    s1_minutes: float
    s2_recipe: str
    s1_recipe: str
    little: bool = False
    """Whether there is so little sound that stage 2 goes part of the way only."""
    keeps_s1: bool = False
    """Whether stage 1 stays the base model's: with little sound, unless its training is asked for."""
    parameters: dict[str, int]
    memory_gib: float
    """About what training needs: weights, gradients and moments of the larger stage, room for a piece of a batch."""
    pieces: int = 1
    """Parts that a batch is computed in, as many as memory asks for. A full GPU says so, and batches are then split;
    on a CPU the system would end the process."""
    free_gib: float | None = None
    """What the device has to spare; None: unknown."""
    disk_gib: float = 0.0
    """About what the folder of the run will hold: features of the recordings, and checkpoints with moments."""

    def lines(self) -> list[str]:
        """The plan in words."""
        judged = f"{self.held_back} held back to judge by" if self.held_back else "too few to hold any back"
        first = "stage 1 stays as it is" if self.keeps_s1 else f"stage 1 {self.s1_minutes:.1f} ({self.s1_recipe})"
        if self.little:
            first += f", with so little sound stage 2 goes {LITTLE_BLEND:g} of the way"
        return [
            f"{self.items} recordings, {self.audio_minutes:.1f} minutes, in {', '.join(self.languages)}; {judged}",
            f"base model {self.base}: stage 1 {self.parameters['s1'] / 1e6:.1f} M, "
            f"stage 2 {self.parameters['s2'] / 1e6:.1f} M parameters",
            f"on {self.device} in {self.precision}, about {self.memory_gib:.1f} GiB of memory"
            + ("" if self.free_gib is None else f" ({self.free_gib:.1f} are free)")
            + ("" if self.pieces == 1 else f", batches in {self.pieces} pieces,")
            + f" and {self.disk_gib:.1f} GiB of disk",
            f"at most {self.minutes:g} minutes: stage 2 {self.s2_minutes:.1f} ({self.s2_recipe}), {first}, "
            "the rest for preparing and the report",
        ]


def make_plan(
    material: Material,
    base: Bundle,
    minutes: float | None,
    device: str,
    lora: bool = False,
    devices: int = 1,
    s1_asked: bool = False,
) -> Plan:
    """Decide how long each stage trains and what is held back.

    Args:
        s1_asked: train stage 1 however little sound there is.

    Raises:
        InputError: too little sound, or too little time.
    """
    seconds = sum(material.seconds.values())
    if seconds < LEAST_SECONDS:
        raise InputError(
            f"there are only {seconds:.0f} seconds of readable recordings; give at least {LEAST_SECONDS:.0f}, better "
            "3 minutes or more"
        )
    place = pick_device(device)
    audio = seconds / 60
    total = minutes if minutes is not None else default_minutes(audio, place)
    training = total - CLOSING - 0.15 * audio
    if training < 0.2:
        raise InputError(
            f"{total:g} minutes leave no time to train on {audio:.1f} minutes of sound: give more --minutes"
        )
    count = len(material.seconds)
    parameters = {"s1": count_parameters(base.need("s1")), "s2": count_parameters(base.need("s2"))}
    free = free_memory_gib(place)
    needs = {pieces: need_gib(max(parameters.values()), lora, pieces) for pieces in PIECES}
    fitting = [pieces for pieces, need in needs.items() if free is None or need <= free]
    pieces = 1 if place.type == "cuda" else min(fitting, default=PIECES[-1])
    little = audio < LITTLE_MINUTES and not lora and {"s1", "s2"} <= base.manifest.finetune.keys()
    keeps_s1 = little and not s1_asked
    share = 1.0 if keeps_s1 else STAGE_2_SHARE
    return Plan(
        base=base.manifest.name,
        items=count,
        audio_minutes=round(audio, 2),
        languages=material.languages,
        held_back=max(devices, min(8, max(1, round(0.08 * count)))) if count >= FEWEST_TO_JUDGE * devices else 0,
        device=str(place),
        precision=_precision(place),
        minutes=total,
        s2_minutes=round(training * share, 2),
        s1_minutes=round(training * (1 - share), 2),
        s2_recipe=base.manifest.finetune.get("s2", "train/s2_lora" if lora else "train/s2"),
        s1_recipe=base.manifest.finetune.get("s1", "train/s1_lora" if lora else "train/s1"),
        little=little,
        keeps_s1=keeps_s1,
        parameters=parameters,
        free_gib=free,
        pieces=pieces,
        disk_gib=round(MIB_PER_MINUTE / 1024 * audio + 30 * sum(parameters.values()) / 2**30, 1),
        memory_gib=round(needs[pieces], 1),
    )


def need_gib(parameters: int, lora: bool, pieces: int) -> float:
    """About the memory of a training of so many parameters."""
    return PROCESS_GIB + ((5 if lora else 16) + BATCH_BYTES / pieces) * parameters / 2**30


def free_memory_gib(place: torch.device) -> float | None:
    """Memory that nobody uses, where the system tells; on a CPU, no more than a container may take."""
    if place.type == "cuda":
        return round(torch.cuda.mem_get_info(place)[0] / 2**30, 1)
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf8").splitlines()
    except OSError:
        return None
    found = [int(line.split()[1]) / 2**20 for line in lines if line.startswith("MemAvailable:")]
    return round(min([*found, *_container_gib(CGROUP)]), 1) if found else None


def _container_gib(folder: Path) -> list[float]:
    """What a container's limit of memory leaves, where there is one (cgroup v2); files it can forget count as free."""
    try:
        limit, used = ((folder / f"memory.{name}").read_text(encoding="utf8").strip() for name in ("max", "current"))
        files = [line.split()[1] for line in (folder / "memory.stat").read_text(encoding="utf8").splitlines()
                 if line.startswith("inactive_file ")]  # fmt: skip
        return [] if limit == "max" else [(int(limit) - int(used) + sum(map(int, files))) / 2**30]
    except (OSError, ValueError, IndexError):  # not there, or not as this system writes them
        return []


def default_minutes(audio_minutes: float, place: torch.device) -> float:
    """More for more recordings, within what a person waits for."""
    if place.type == "cuda":
        return round(min(20.0, 4 + audio_minutes), 1)
    return round(min(40.0, max(10.0, 8 + 3 * audio_minutes)), 1)


def count_parameters(path: Path) -> int:
    """Numbers in a safetensors file; its tensors are not read."""
    with safe_open(path, "pt") as file:
        shapes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118 - no mapping
    return sum(torch.Size(shape).numel() for shape in shapes)


def _precision(place: torch.device) -> Literal["float32", "bfloat16", "auto"]:
    """bfloat16 on processors that compute in it; elsewhere it would only be emulated."""
    if place.type != "cpu":
        return "auto"
    return "bfloat16" if multiplies_bfloat16() else "float32"
