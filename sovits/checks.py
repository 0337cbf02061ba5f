"""Whether a network can read what a program gives it."""

from __future__ import annotations

from torch import Tensor, nn

from gpt_sovits.core.errors import InputError
from sovits.config import SynthesizerConfig


def check_sentence(
    config: SynthesizerConfig,
    codes: Tensor,
    phones: Tensor,
    references: list[Tensor],
    speaker_embeddings: list[Tensor] | None,
    speed: float,
) -> None:
    """The arguments of `Synthesizer.decode`.

    Raises:
        InputError: one of them cannot be read; the text says which and what it should be.
    """
    for what, ids, size in (("codes", codes, config.quantizer.codes), ("phones", phones, config.phonemes)):
        if ids.ndim != 1 or len(ids) == 0 or not 0 <= int(ids.min()) <= int(ids.max()) < size:
            raise InputError(f"{what} must be a row of numbers in 0 to {size - 1}; got shape {list(ids.shape)}")
    bins, wanted = config.spectrogram.bins, config.speaker
    if not references or any(r.ndim != 2 or len(r) != bins or r.shape[1] == 0 for r in references):
        raise InputError(f"references must be one or more spectrograms [{bins}, f]")
    if (speaker_embeddings is None) != (wanted is None) or len(speaker_embeddings or references) != len(references):
        need = "no speaker embeddings" if wanted is None else "one speaker embedding for each reference"
        raise InputError(f"this model needs {need}")
    if any(embedding.shape != (wanted,) for embedding in speaker_embeddings or ()):
        raise InputError(f"speaker embeddings must be rows of {wanted} numbers")
    if not 0 < speed < float("inf"):
        raise InputError(f"speed must be above 0; got {speed}")


def check_branch(branch: nn.Module | None, embedding: Tensor | None) -> None:
    """A speaker embedding goes with a speaker branch, and only with one."""
    if (embedding is None) != (branch is None):
        has = "has a" if branch is not None else "has no"
        raise ValueError(f"the model {has} speaker branch; give speaker embeddings exactly when it has one")


def check_content(hubert: Tensor, width: int, shortest: int) -> None:
    """Content features of one recording [1, width, `shortest` or more]."""
    if hubert.ndim != 3 or hubert.shape[:2] != (1, width) or hubert.shape[2] < shortest:
        raise InputError(f"content features must be [1, {width}, {shortest} or more]; got {list(hubert.shape)}")


def check_frames(hubert: Tensor, made: int, wanted: int) -> None:
    """Whether content features [b, c, f] make as many frames of codes as the spectrogram has."""
    if made != wanted:
        raise ValueError(
            f"{hubert.shape[-1]} content frames do not match {wanted} spectrogram frames: "
            "pad both to the same even number"
        )
