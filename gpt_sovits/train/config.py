"""How long a training runs, and what it leaves behind on the way."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from gpt_sovits.core.config import Strict, apply_overrides, parse_config


class RunConfig(Strict):
    """The same for both stages; the recipes say how the networks learn."""

    max_steps: int | None = Field(default=None, gt=0)
    """Optimizer steps (of the generator); None: as many as the recipe's epochs hold."""
    max_minutes: float | None = Field(default=None, gt=0)
    """Minutes of training, pauses between resumed runs not counted; None: no limit."""
    checkpoint_every: int = Field(default=500, gt=0)
    """Steps between two checkpoints, from which an interrupted training goes on."""
    checkpoint_minutes: float | None = Field(default=5, gt=0)
    """Minutes after which a checkpoint is due too, for slow steps; None: steps alone decide."""
    keep_every: int | None = Field(default=None, gt=0)
    """Steps between checkpoints that stay beside the newest and the best, as `step-N.ckpt`; None: none do."""
    validate_every: int = Field(default=1000, gt=0)
    """Batches between two validations, which leave sample audio in TensorBoard."""
    select: Literal["last", "best"] = "last"
    """Which weights are exported: those after the last step, or those with the lowest validation figure, among which
    the untrained ones count. `best` needs held-back utterances."""
    patience: int | None = Field(default=None, gt=0)
    """Validations in a row without a better figure after which a run that selects the best ends; None: it goes on."""
    log_every: int = Field(default=10, gt=0)
    """Steps between two rows of figures."""
    tell_seconds: float = Field(default=30, gt=0)
    """Seconds between two lines in words: steps, figure, time left."""
    devices: int = Field(default=1, gt=0)
    """Processes of this machine that train together, each with a GPU of its own or all on the CPU; each takes
    `data.batch_size` utterances of a step."""
    nodes: int = Field(default=1, gt=0)
    """Machines that do, each started with the same command and its own `node`."""
    node: int = Field(default=0, ge=0)
    """Which of the machines this is."""
    address: str = "127.0.0.1:0"
    """Host and port of machine 0; port 0: any that is free, for one machine."""
    strategy: Literal["auto", "ddp"] = "auto"
    """ddp: data-parallel processes, which sum their gradients before each step; auto: that, where there are several."""
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """What networks compute in; weights and optimizers stay in float32. float16 scales the losses, so that small
    gradients do not vanish. auto: bfloat16 on a CUDA device that has it, else float32."""
    export: Literal["float32", "float16", "int8"] = "float32"
    """Number format of the finished weights. Codes are found with the quantizer's exact values, so a float16 export of
    a float32 model can change a few of them."""
    compile: bool = False
    """Let `torch.compile` make programs of the repeated blocks; it wants a C++ compiler, and minutes at every start."""
    progress: bool = True
    seed: int = 1234
    """Noise, dropout and segments of batch k depend on this and on k alone."""


def split_overrides(
    overrides: Iterable[str], max_steps: int | None, max_minutes: float | None, seed: int | None
) -> tuple[RunConfig, list[str]]:
    """The run's settings (`run.…` overrides, then the arguments) and the overrides meant for the recipe."""
    items = list(overrides)
    ours = [item.removeprefix("run.") for item in items if item.startswith("run.")]
    values = apply_overrides({}, ours)
    given = {"max_steps": max_steps, "max_minutes": max_minutes, "seed": seed}
    values.update({name: value for name, value in given.items() if value is not None})
    return parse_config(RunConfig, values, "the run's settings"), [i for i in items if not i.startswith("run.")]
