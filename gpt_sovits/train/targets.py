"""What a small content encoder is taught: a teacher's features without the speaker, and codes of them.

Each speaker's mean is taken away (a voice is mostly an offset in such features), every channel is standardised, the
principal directions are kept, and every frame is brought to length 1. Codes are a k-means of the pairs of frames.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from gpt_sovits.core.device import generator

KMEANS_STEPS = 40
RESEED_STEPS = 30
SMALLEST_CLUSTER = 3
BLOCK = 20000


@dataclass(frozen=True, slots=True)
class Projection:
    """Attributes: speakers: mean of each [c]; mean, deviation: [c]; directions: [c, d]."""

    speakers: Mapping[str, Tensor]
    mean: Tensor
    deviation: Tensor
    directions: Tensor

    def frames(self, features: Tensor, speaker: str) -> Tensor:
        """[t, c] teacher features -> [t, d] unit targets."""
        return F.normalize(self._rotate(features, speaker), dim=-1)

    def pairs(self, features: Tensor, speaker: str) -> Tensor:
        """[t, c] teacher features -> [t // 2, d] unit targets, 25 a second."""
        even = self._rotate(features[: len(features) // 2 * 2], speaker)
        return F.normalize(even.unflatten(0, (-1, 2)).mean(1), dim=-1)

    def _rotate(self, features: Tensor, speaker: str) -> Tensor:
        centred = features.float() - self.speakers[speaker] - self.mean
        return (centred / self.deviation) @ self.directions


def speaker_means(items: Iterable[tuple[str, Tensor]], prior_frames: int) -> dict[str, Tensor]:
    """Mean feature of each speaker, drawn towards the mean of all as if `prior_frames` of that had been heard."""
    sums: dict[str, Tensor] = {}
    counts: dict[str, int] = {}
    for speaker, features in items:
        sums[speaker] = sums.get(speaker, torch.zeros(features.shape[1])) + features.float().sum(0)
        counts[speaker] = counts.get(speaker, 0) + len(features)
    overall = torch.stack(list(sums.values())).sum(0) / sum(counts.values())
    return {s: (sums[s] + prior_frames * overall) / (counts[s] + prior_frames) for s in sums}


def fit_projection(sample: Sequence[tuple[str, Tensor]], speakers: Mapping[str, Tensor], width: int) -> Projection:
    """Standardise and find the principal directions of the pairs of frames of a sample."""
    pairs = torch.cat([(f[: len(f) // 2 * 2].float() - speakers[s]).unflatten(0, (-1, 2)).mean(1) for s, f in sample])
    mean, deviation = pairs.mean(0), pairs.std(0) + 1e-4
    covariance = torch.cov(((pairs - mean) / deviation).T)
    directions = torch.linalg.eigh(covariance).eigenvectors.flip(1)[:, :width]
    return Projection(speakers, mean, deviation, directions.contiguous())


def kmeans(points: Tensor, codes: int, seed: int) -> Tensor:
    """Centres [codes, d] of points [n, d]; empty clusters are started anew while there is time to settle."""
    source = generator(seed)
    centres = points[torch.randperm(len(points), generator=source)[:codes]].clone()
    for step in range(KMEANS_STEPS):
        chosen = nearest(points, centres)
        counts = torch.bincount(chosen, minlength=codes)
        sums = torch.zeros_like(centres).index_add_(0, chosen, points)
        full = counts > SMALLEST_CLUSTER
        centres[full] = sums[full] / counts[full, None]
        if step < RESEED_STEPS and not full.all():
            fresh = torch.randint(len(points), (int((~full).sum()),), generator=source)
            centres[~full] = points[fresh]
    return centres


def nearest(points: Tensor, centres: Tensor) -> Tensor:
    """Index [n] of the centre closest to each point."""
    half = centres.square().sum(1) / 2
    return torch.cat([(block @ centres.T - half).argmax(1) for block in points.split(BLOCK)])
