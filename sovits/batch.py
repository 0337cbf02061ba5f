"""Utterances as tensors, one by one and side by side."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, get_args, get_type_hints

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Pad:
    """The value that fills a shorter item of a batch."""

    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One utterance. Annotated fields are padded at the end of their last axis."""

    name: str
    hubert: Annotated[Tensor, Pad(0.0)]
    """[c, f] content features, as many frames as `spec`."""
    spec: Annotated[Tensor, Pad(0.0)]
    """[bins, f] linear magnitudes."""
    wave: Annotated[Tensor, Pad(0.0)]
    """[1, w] in -1..1."""
    phones: Annotated[Tensor, Pad(0)]
    """[n]"""
    speaker: Tensor | None = None
    """[s] speaker embedding; absent for models without a speaker branch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Examples side by side, longest spectrogram first. Lengths count what is real."""

    names: tuple[str, ...]
    hubert: Tensor
    spec: Tensor
    spec_lengths: Tensor
    wave: Tensor
    wave_lengths: Tensor
    phones: Tensor
    phone_lengths: Tensor
    speaker: Tensor | None = None

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Batch:
        moved: dict[str, Any] = {
            name: tensor.to(device, non_blocking=non_blocking) for name, tensor in self._tensors().items()
        }
        return replace(self, **moved)

    def part(self, rows: slice) -> Batch:
        """Some of the examples, padded as they are."""
        return replace(self, names=self.names[rows], **{n: tensor[rows] for n, tensor in self._tensors().items()})

    def pin_memory(self) -> Batch:
        pinned: dict[str, Any] = {name: tensor.pin_memory() for name, tensor in self._tensors().items()}
        return replace(self, **pinned)

    def _tensors(self) -> dict[str, Tensor]:
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, Tensor)}


def collate(examples: list[Example]) -> Batch:
    """Pad and stack; frames are padded to an even number so that two of them always make one code."""
    examples = sorted(examples, key=lambda e: e.spec.shape[-1], reverse=True)
    frames = 2 * (examples[0].spec.shape[-1] // 2 + 1)
    columns = {name: [getattr(e, name) for e in examples] for name in _PADDING}
    even = {"hubert": frames, "spec": frames}
    stacked = {name: _stack(column, _PADDING[name], even.get(name)) for name, column in columns.items()}
    speakers = [e.speaker for e in examples if e.speaker is not None]
    return Batch(
        names=tuple(e.name for e in examples),
        spec_lengths=_lengths(columns["spec"]),
        wave_lengths=_lengths(columns["wave"]),
        phone_lengths=_lengths(columns["phones"]),
        speaker=torch.stack(speakers) if speakers else None,
        **stacked,
    )


def _padding() -> dict[str, float]:
    hints = get_type_hints(Example, include_extras=True)
    marks = {name: [a for a in get_args(hint) if isinstance(a, Pad)] for name, hint in hints.items()}
    return {name: found[0].value for name, found in marks.items() if found}


_PADDING = _padding()


def _stack(tensors: list[Tensor], value: float, length: int | None) -> Tensor:
    longest = max(t.shape[-1] for t in tensors) if length is None else length
    return torch.stack([F.pad(t, (0, longest - t.shape[-1]), value=value) for t in tensors])


def _lengths(tensors: list[Tensor]) -> Tensor:
    return torch.tensor([t.shape[-1] for t in tensors])
