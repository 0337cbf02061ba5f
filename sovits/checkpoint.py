"""Stage 2 weights on disk (kind "s2")."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gpt_sovits.core.checkpoint import NO_DECODER, load_checkpoint, place_weights, save_checkpoint
from gpt_sovits.core.config import parse_config
from gpt_sovits.core.device import pick_dtype
from gpt_sovits.core.errors import CheckpointError
from gpt_sovits.core.late import HALF, widen_on_use
from gpt_sovits.core.public import is_ours, read_release
from gpt_sovits.core.skeleton import skeleton
from sovits.config import SynthesizerConfig
from sovits.convert import config_from_public, from_public
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


def load_sovits(
    path: str | Path,
    fuse: bool = False,
    device: torch.device | str = "cpu",
    dtype: str | torch.dtype = "auto",
) -> Synthesizer:
    """Read one of our models or a public one (`.pth`), in eval mode.

    Args:
        fuse: True folds weight norm into the weights, for speed; False restores it for training, whichever way the
            file was written.
        dtype: number format of the weights; auto: half precision on a CUDA device, float32 elsewhere, where layers of
            a file in half precision are widened (and folded) when they are first used.

    Raises:
        CheckpointError: the file is missing, damaged, of another kind, or does not fit its own configuration.
    """
    config, tensors = _read_ours(Path(path)) if is_ours(path) else _read_public(path)
    with skeleton():
        model = Synthesizer(config, posterior=any(name.startswith("posterior.") for name in tensors))
        names = normed_names(model)
        fused = not any(".parametrizations." in name for name in tensors)
        if fused:
            model.fuse()
    wanted = pick_dtype(dtype, device)
    late = dtype == "auto" and wanted == torch.float32 and (fuse or not fused)
    place_weights(model, tensors, str(path), wanted, device, HALF if late else ())
    if late:
        widen_on_use(model, fold=fuse)
    elif fuse:
        model.fuse()
    elif fused:
        put_on(model, names)
    return model.eval()


def _read_ours(path: Path) -> tuple[SynthesizerConfig, dict[str, Tensor]]:
    file = load_checkpoint(path, KIND)
    return parse_config(SynthesizerConfig, file.config, str(path)), file.tensors


def _read_public(path: str | Path) -> tuple[SynthesizerConfig, dict[str, Tensor]]:
    release = read_release(path)
    if any(name.startswith("cfm.") for name in release.tensors):
        raise CheckpointError(f"{path} {NO_DECODER}")
    tensors = from_public(release.tensors)
    return config_from_public(release.model, release.tensors), tensors
