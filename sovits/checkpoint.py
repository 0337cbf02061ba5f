"""Stage 2 weights on disk (kind "s2")."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from gpt_sovits.core.checkpoint import load_checkpoint, load_weights, save_checkpoint
from gpt_sovits.core.config import parse_config
from sovits.config import SynthesizerConfig
from sovits.model import Synthesizer
from sovits.weightnorm import normed_names, put_on

KIND = "s2"


def save_sovits(
    path: Path,
    model: Synthesizer,
    info: dict[str, Any] | None = None,
    dtype: torch.dtype | None = None,
    posterior: bool = True,
) -> None:
    """Write a model, fused or not; without `posterior` it can speak but no longer be trained."""
    tensors = {k: v for k, v in model.state_dict().items() if posterior or not k.startswith("posterior.")}
    save_checkpoint(path, KIND, model.config, tensors, info, dtype)


def load_sovits(path: str | Path, fuse: bool = False) -> Synthesizer:
    """Read a model, in eval mode.

    Args:
        fuse: True folds weight norm into the weights, for speed; False restores it for training, whichever way the
            file was written.

    Raises:
        CheckpointError: the file is missing, foreign, of another kind, or does not fit its own configuration.
    """
    file = load_checkpoint(Path(path), KIND)
    config = parse_config(SynthesizerConfig, file.config, str(path))
    model = Synthesizer(config, posterior=any(name.startswith("posterior.") for name in file.tensors))
    names = normed_names(model)
    fused = not any(".parametrizations." in name for name in file.tensors)
    if fused:
        model.fuse()
    load_weights(model, file.tensors, str(path))
    if fuse:
        model.fuse()
    elif fused:
        put_on(model, names)
    return model.eval()
