"""Several sentences in one call, each as it would sound alone; with a recorder, in a graph per shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch.nn.utils.rnn import pad_sequence

from gpt_sovits.core.device import normal
from gpt_sovits.core.graph import Graphed, LastUsed, Recorder
from sovits.model import FRAMES_PER_CODE, Synthesizer
from sovits.prior import change_speed

BUCKET = 32


@dataclass(eq=False, slots=True)
class Room:
    """What one shape reads and writes, at fixed addresses; sentences are padded to it."""

    codes: Tensor
    code_lengths: Tensor
    phones: Tensor
    phone_lengths: Tensor
    places: Tensor
    style: Tensor
    noise: Tensor
    scale: Tensor
    waves: Tensor | None = None
    """[b, w], made by the first call."""


class Together:
    """Decodes sentences of one voice side by side, so that a GPU has enough to do.

    A graph needs constant shapes: with a recorder, codes and phones are padded to multiples of `bucket` and each shape
    is recorded once. What is padding is masked, up to the generator, so that a sentence differs from itself alone in
    rounding only. Not for several threads at a time.
    """

    def __init__(self, model: Synthesizer, recorder: Recorder | None = None, bucket: int = BUCKET) -> None:
        self._model = model
        self._bucket = 1 if recorder is None else bucket
        self._graph = None if recorder is None else Graphed(self._compute, recorder)
        self._rooms: LastUsed[tuple[int, int, int], Room] = LastUsed(lambda key: self._new_room(*key))
        self._room: Room | None = None

    @torch.inference_mode()
    def __call__(
        self,
        sentences: Sequence[tuple[Tensor, Tensor]],
        style: Tensor,
        sources: Sequence[torch.Generator],
        noise_scale: float = 0.5,
        speed: float = 1.0,
    ) -> list[Tensor]:
        """Speak.

        Args:
            sentences: codes [t] and phones [n] of each.
            style: of the voice [1, s, 1], see `Synthesizer.reference_style`.
            sources: where the noise of each is drawn from.

        Returns:
            Samples [w] of each, in float32.
        """
        if speed != 1:
            return self._stretched(sentences, style, sources, noise_scale, speed)
        codes, phones = (max(len(sentence[part]) for sentence in sentences) for part in (0, 1))
        key = len(sentences), self._size(codes), self._size(phones)
        self._room = room = self._new_room(*key) if self._graph is None else self._rooms(key)
        _fill(room.codes, room.code_lengths, [said for said, _ in sentences])
        _fill(room.phones, room.phone_lengths, [spelt for _, spelt in sentences])
        places = self._model.places(room.codes, room.phones, room.code_lengths, room.phone_lengths)
        if places is not None:
            room.places.copy_(places)
        room.style.copy_(style)
        room.scale.fill_(noise_scale)
        room.noise.zero_()
        for row, (said, _) in enumerate(sentences):
            frames = FRAMES_PER_CODE * len(said)
            room.noise[row, :, :frames] = normal((1, room.noise.shape[1], frames), sources[row], room.noise)[0]
        if self._graph is None:
            self._compute()
        else:
            self._graph(room)
        assert room.waves is not None
        per_code = room.waves.shape[-1] // room.codes.shape[-1]
        return [room.waves[row, : per_code * len(said)].clone() for row, (said, _) in enumerate(sentences)]

    def _size(self, length: int) -> int:
        return -(-length // self._bucket) * self._bucket

    def _compute(self) -> None:
        room = self._room
        assert room is not None
        features, mask = self._model.features(
            room.codes, room.phones, room.style, room.code_lengths, room.phone_lengths, room.places
        )
        waves = self._model.voice(features, mask, room.style, room.noise, room.scale, padded=True)
        if room.waves is None:
            room.waves = waves
        else:
            room.waves.copy_(waves)

    def _stretched(
        self,
        sentences: Sequence[tuple[Tensor, Tensor]],
        style: Tensor,
        sources: Sequence[torch.Generator],
        noise_scale: float,
        speed: float,
    ) -> list[Tensor]:
        """At another speed lengths are not multiples of anything: no graph."""
        model, like = self._model, self._model.prior.exit.weight
        codes, phones = zip(*sentences, strict=True)
        lengths = [torch.tensor([len(row) for row in rows], device=like.device) for rows in (codes, phones)]
        padded = [pad_sequence(list(rows), batch_first=True).to(like.device) for rows in (codes, phones)]
        features, mask = model.features(padded[0], padded[1], style, lengths[0], lengths[1])
        real = [FRAMES_PER_CODE * len(row) for row in codes]
        rows = [change_speed(features[i : i + 1, :, :f], mask[i : i + 1, :, :f], speed) for i, f in enumerate(real)]
        most = max(row.shape[-1] for row, _ in rows)
        features, mask = (torch.cat([pad(pair[k], (0, most - pair[k].shape[-1])) for pair in rows]) for k in (0, 1))
        noise = torch.zeros(len(rows), model.config.inter, most).to(like)
        for row, (own, _) in enumerate(rows):
            shape = (1, model.config.inter, own.shape[-1])
            noise[row, :, : own.shape[-1]] = normal(shape, sources[row], like)[0]
        waves = model.voice(features, mask, style, noise, noise_scale, padded=True)
        per_frame = waves.shape[-1] // most
        return [wave[: per_frame * own.shape[-1]] for wave, (own, _) in zip(waves, rows, strict=True)]

    def _new_room(self, rows: int, codes: int, phones: int) -> Room:
        model, like = self._model, self._model.prior.exit.weight

        def numbers(*shape: int) -> Tensor:
            return torch.zeros(*shape, dtype=torch.long, device=like.device)

        return Room(
            codes=numbers(rows, codes),
            code_lengths=numbers(rows),
            phones=numbers(rows, phones),
            phone_lengths=numbers(rows),
            places=numbers(rows, codes),
            style=torch.zeros(1, model.config.style.width + (model.level is not None), 1).to(like),
            noise=torch.zeros(rows, model.config.inter, FRAMES_PER_CODE * codes).to(like),
            scale=torch.zeros(()).to(like),
        )


def _fill(target: Tensor, lengths: Tensor, rows: Sequence[Tensor]) -> None:
    target.zero_()
    for row, values in enumerate(rows):
        target[row, : len(values)] = values
    lengths.copy_(torch.tensor([len(values) for values in rows]))
