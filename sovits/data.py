"""Training data of the second stage: prepared utterances to padded batches."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from pytorch_lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from feature_extractor.spectral import spectrogram
from gpt_sovits.core import replicas
from gpt_sovits.core.device import generator
from gpt_sovits.core.errors import ConfigError, DatasetError
from gpt_sovits.core.store import FeatureStore
from sovits.batch import Example, collate
from sovits.recipe import SynthesizerDataConfig
from sovits.sampler import BucketSampler, PublicBucketSampler
from sovits.survey import Limits, Needs, Reader, Recording, Survey, public_survey, stored, survey

logger = logging.getLogger(__name__)


class SynthesizerDataset(Dataset[Example]):
    """Usable utterances of one prepared folder.

    Raises:
        DatasetError: a part of the folder is missing, there are faulty utterances (unless they are to be dropped), or
            nothing usable is left.
    """

    def __init__(self, root: Path, config: SynthesizerDataConfig, needs: Needs) -> None:
        self.config = config
        self.epoch = 0
        if config.max_frames is not None and config.max_frames <= needs.segment:
            raise ConfigError(f"data.max_frames is {config.max_frames}; it must exceed the segment of {needs.segment}")
        self._reader = Reader(FeatureStore(root), needs)
        self.survey = self._survey()
        self.items = self.survey.items
        if not self.items:
            raise DatasetError(f"{root} holds no usable utterance{_reasons(self.survey)}")
        if config.compat and len(self.items) < 100:
            self.items = self.items * max(2, 100 // len(self.items))

    def __len__(self) -> int:
        return len(self.items)

    @property
    def lengths(self) -> list[int]:
        """Spectrogram frames of every utterance after cutting."""
        most = self.config.max_frames
        return [item.frames if most is None else min(item.frames, most) for item in self.items]

    def __getitem__(self, index: int) -> Example:
        item = self.items[index]
        wave, hubert, speaker = stored(self._recording(item.name))
        spec = spectrogram(wave[None], self._reader.spectrogram)[0]
        hubert = _fit(hubert, spec.shape[-1])
        start, frames = self._window(index, spec.shape[-1])
        hop = self._reader.spectrogram.hop
        whole = frames == spec.shape[-1]
        return Example(
            name=item.name,
            hubert=hubert[:, start : start + frames],
            spec=spec[:, start : start + frames],
            wave=wave[None] if whole else wave[None, start * hop : (start + frames) * hop],
            phones=torch.tensor(item.phones),
            speaker=speaker,
        )

    def wave(self, index: int) -> Tensor:
        """The whole recording [w] of an utterance."""
        return stored(self._recording(self.items[index].name))[0]

    def _recording(self, name: str) -> Recording:
        kept = self.survey.recordings.get(name)
        return self._reader.read(name) if kept is None else kept

    def _window(self, index: int, frames: int) -> tuple[int, int]:
        """First frame (even, so that codes stay whole) and number of frames of this epoch's cut."""
        most = self.config.max_frames
        if most is None or frames <= most:
            return 0, frames
        random = generator(((self.config.seed * 1_000_003 + self.epoch) * 1_000_003 + index) % 2**63)
        return 2 * int(torch.randint((frames - most) // 2 + 1, (1,), generator=random)), most

    def _survey(self) -> Survey:
        config = self.config
        if config.compat:
            return public_survey(self._reader)
        limits = Limits(config.shortest, config.longest, config.cache_mib << 20)
        found = survey(self._reader, limits, config.read_all)
        if found.unsuitable:
            logger.info("left out %d utterances of unsuitable length%s", len(found.unsuitable), _few(found.unsuitable))
        if found.faults and config.on_fault == "error":
            raise DatasetError(
                f"{len(found.faults)} of the prepared utterances cannot be used{_few(found.faults)}; "
                "repair them, or train without them: --set data.on_fault=drop"
            )
        for name, reason in found.faults.items():
            logger.warning("left out %s: %s", name, reason)
        return found


class SynthesizerDataModule(LightningDataModule):
    """Training and validation batches of one prepared folder."""

    def __init__(self, root: Path, config: SynthesizerDataConfig, needs: Needs) -> None:
        super().__init__()
        self.root = root
        self.config = config
        self.needs = needs
        self.dataset: SynthesizerDataset | None = None
        self.validation: list[int] = []

    def setup(self, stage: str | None = None) -> None:
        if self.dataset is None:
            self.dataset = SynthesizerDataset(self.root, self.config, self.needs)
            self.validation = self._hold_back(len(self.dataset))

    @property
    def held_back(self) -> list[str]:
        """Names of the utterances to judge by."""
        return [self._ready().items[index].name for index in self.validation]

    def recordings(self, count: int) -> Iterator[Tensor]:
        """Waves [w] of so many utterances, the same ones each time."""
        dataset = self._ready()
        order = torch.randperm(len(dataset), generator=generator(self.config.seed))[:count]
        return (dataset.wave(index) for index in order.tolist())

    @property
    def left_out(self) -> dict[str, str]:
        """Utterances that are not trained on, and why."""
        found = self._ready().survey
        return {**found.unsuitable, **found.faults}

    def train_dataloader(self) -> DataLoader[Example]:
        dataset = self._ready()
        part = Part(dataset, sorted(set(range(len(dataset))) - set(self.validation)))
        several, rank = replicas.world(), replicas.rank()
        size = min(self.config.batch_size, -(-len(part) // several))
        sampler: BucketSampler | PublicBucketSampler
        if self.config.compat:
            sampler = PublicBucketSampler(part.lengths, size, replicas=several, rank=rank)
        else:
            sampler = BucketSampler(part.lengths, size, self.config.seed, replicas=several, rank=rank)
        return DataLoader(part, batch_sampler=sampler, collate_fn=collate, num_workers=self.config.workers)

    def val_dataloader(self) -> DataLoader[Example] | list[Any]:
        if not self.validation:
            return []
        ours = self.validation[replicas.rank() :: replicas.world()]
        return DataLoader(Part(self._ready(), ours), batch_size=1, collate_fn=collate)

    def _ready(self) -> SynthesizerDataset:
        self.setup()
        assert self.dataset is not None
        return self.dataset

    def _hold_back(self, count: int) -> list[int]:
        wanted = 0 if self.config.compat else min(self.config.validation_items, count // 10)
        return sorted(torch.randperm(count, generator=generator(self.config.seed))[:wanted].tolist())


class Part(Dataset[Example]):
    """Some utterances of a dataset."""

    def __init__(self, dataset: SynthesizerDataset, indices: list[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    @property
    def lengths(self) -> list[int]:
        lengths = self.dataset.lengths
        return [lengths[i] for i in self.indices]

    def set_epoch(self, epoch: int) -> None:
        """Move on to the next epoch's random windows."""
        self.dataset.epoch = epoch

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Example:
        return self.dataset[self.indices[index]]


def _fit(hubert: Tensor, frames: int) -> Tensor:
    """Repeat the last content frame, or drop the last ones, to meet the spectrogram's length."""
    short = frames - hubert.shape[-1]
    return F.pad(hubert[None], (0, short), mode="replicate")[0] if short > 0 else hubert[:, :frames]


def _few(reasons: dict[str, str]) -> str:
    shown = "; ".join(f"{name}: {reason}" for name, reason in list(reasons.items())[:10])
    more = f"; and {len(reasons) - 10} more" if len(reasons) > 10 else ""
    return f" ({shown}{more})"


def _reasons(found: Survey) -> str:
    reasons = {**found.faults, **found.unsuitable}
    return _few(reasons) + ": check the recordings" if reasons else ": its text file lists none; run prep on it first"
