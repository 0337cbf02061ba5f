"""How long a training runs, and what it leaves behind on the way."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gpt_sovits.core.config import Strict


class RunConfig(Strict):
    """The same for both stages; the recipes say how the networks learn."""

    max_steps: int | None = Field(default=None, gt=0)
    """Optimizer steps (of the generator); None: as many as the recipe's epochs hold."""
    max_minutes: float | None = Field(default=None, gt=0)
    """Minutes of training, pauses between resumed runs not counted; None: no limit."""
    checkpoint_every: int = Field(default=500, gt=0)
    """Steps between two checkpoints, from which an interrupted training goes on."""
    validate_every: int = Field(default=1000, gt=0)
    """Batches between two validations, which leave sample audio in TensorBoard."""
    select: Literal["last", "best"] = "last"
    """Which weights are exported: those after the last step, or those with the lowest validation figure, among which
    the untrained ones count. `best` needs held-back utterances."""
    log_every: int = Field(default=10, gt=0)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """auto: bfloat16 on a CUDA device that has it, else float32."""
    export: Literal["float32", "float16"] = "float32"
    """Number format of the finished weights. Codes are found with the quantizer's exact values, so a float16 export of
    a float32 model can change a few of them."""
    progress: bool = True
    seed: int = 1234
    """Noise, dropout and segments of batch k depend on this and on k alone."""
