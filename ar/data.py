"""Pairs of phones and codes from a prepared folder."""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset

from ar.config import JoinConfig, Text2SemanticDataConfig
from ar.loss import Batch
from ar.sampler import BucketSampler
from gpt_sovits.core import replicas
from gpt_sovits.core.errors import DatasetError
from gpt_sovits.core.store import FeatureStore, TextEntry, read_tensor

if TYPE_CHECKING:
    from ar.join import Joiner

log = logging.getLogger(__name__)

CODE_RATE = 25
CODE_PAD = 1024
# The most phones of a text: so many codes' time per phone at the longest recording.
CODES_PER_PHONE = 2.5


@dataclass(frozen=True, slots=True)
class Utterance:
    """One training item, without its BERT features, which are read when it is used."""

    name: str
    phones: list[int]
    codes: list[int]
    bert: Path | None = None
    given: int = 0
    """So many of the first codes are not learned."""

    @property
    def seconds(self) -> float:
        return len(self.codes) / CODE_RATE


@dataclass(slots=True)
class Selection:
    """Usable utterances, and the names of the others by reason."""

    kept: list[Utterance] = field(default_factory=list)
    dropped: dict[str, list[str]] = field(default_factory=dict)

    def drop(self, reason: str, name: str) -> None:
        self.dropped.setdefault(reason, []).append(name)


def select(store: FeatureStore, config: Text2SemanticDataConfig, symbols: Sequence[str]) -> Selection:
    """Read the folder and apply the public filters.

    Raises:
        DatasetError: missing files, a phone the symbol table lacks, or nothing usable.
    """
    texts, ids = store.read_text(), {symbol: index for index, symbol in enumerate(symbols)}
    selection = Selection()
    for name, codes in store.read_semantic().items():
        reason = _fault(texts.get(name), codes, config)
        if reason is not None:
            selection.drop(reason, name)
            continue
        bert = store.bert_path(name)
        phones = _ids(texts[name], ids, store)
        selection.kept.append(Utterance(name, phones, codes, bert if bert.exists() else None))
    for reason, names in selection.dropped.items():
        log.warning("%d utterances left out (%s), such as %s", len(names), reason, names[0])
    if not selection.kept:
        reasons = ", ".join(f"{len(names)} {reason}" for reason, names in selection.dropped.items()) or "it lists none"
        raise DatasetError(f"{store.root} holds no utterance to train stage 1 on: {reasons}")
    return selection


def _fault(entry: TextEntry | None, codes: list[int], config: Text2SemanticDataConfig) -> str | None:
    slowest, fastest = config.phones_per_second
    if entry is None:
        return "without a text"
    if len(codes) > config.max_seconds * CODE_RATE:
        return f"longer than {config.max_seconds:g} seconds"
    if len(entry.phones) > config.max_seconds * CODE_RATE / CODES_PER_PHONE:
        return f"with a text too long for {config.max_seconds:g} seconds"
    if not codes or not slowest <= len(entry.phones) * CODE_RATE / len(codes) <= fastest:
        return f"outside {slowest:g} to {fastest:g} phones a second"
    return None


def _ids(entry: TextEntry, ids: dict[str, int], store: FeatureStore) -> list[int]:
    try:
        return [ids[phone] for phone in entry.phones]
    except KeyError as error:
        raise DatasetError(
            f"{store.text_path} gives {entry.name} the phone {error.args[0]!r}, which the model's symbol table lacks: "
            "run prep text again for this model"
        ) from error


class Text2SemanticDataset(Dataset[Utterance]):
    """Utterances, repeated when they are few."""

    def __init__(
        self,
        utterances: Sequence[Utterance],
        repeat_below: int = 0,
        join: JoinConfig | None = None,
        seed: int = 0,
        prompts: Mapping[str, Utterance] | None = None,
    ) -> None:
        self.epoch = 0
        self.utterances = list(utterances)
        if len(self.utterances) < repeat_below:
            self.utterances *= max(2, repeat_below // len(self.utterances))
        self.joiner = self._joiner(join, seed, prompts)

    def _joiner(self, join: JoinConfig | None, seed: int, prompts: Mapping[str, Utterance] | None) -> Joiner | None:
        if join is None:
            return None
        from ar.join import Joiner

        return Joiner(self.utterances, join, seed, prompts)

    def set_epoch(self, epoch: int) -> None:
        """Move on to the next epoch's joins."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.utterances)

    def __getitem__(self, index: int) -> Utterance:
        return self.utterances[index] if self.joiner is None else self.joiner(index, self.epoch)

    def seconds(self, epoch: int) -> list[float]:
        """Length of every item as that epoch has it."""
        if self.joiner is None:
            return [utterance.seconds for utterance in self.utterances]
        return [self.joiner(index, epoch).seconds for index in range(len(self))]


@dataclass(frozen=True, slots=True)
class Collate:
    """Right-pads utterances to a Batch; `bert_width` None leaves the BERT features on the disk."""

    bert_width: int | None = None

    def __call__(self, items: Sequence[Utterance]) -> Batch:
        return Batch(
            phones=pad_sequence([torch.tensor(item.phones) for item in items], batch_first=True),
            phone_lengths=torch.tensor([len(item.phones) for item in items]),
            codes=pad_sequence([torch.tensor(i.codes) for i in items], batch_first=True, padding_value=CODE_PAD),
            code_lengths=torch.tensor([len(item.codes) for item in items]),
            bert=self._bert(items),
            given=torch.tensor([item.given for item in items]) if any(item.given for item in items) else None,
            names=tuple(item.name for item in items),
        )

    def _bert(self, items: Sequence[Utterance]) -> Tensor | None:
        if self.bert_width is None:
            return None
        features = torch.zeros(len(items), self.bert_width, max(len(item.phones) for item in items))
        for row, item in zip(features, items, strict=True):
            if item.bert is None:
                continue
            values = read_tensor(item.bert).float()
            if values.shape != (self.bert_width, len(item.phones)):
                raise DatasetError(
                    f"{item.bert} is {tuple(values.shape)}, but {item.name} needs "
                    f"{(self.bert_width, len(item.phones))}: run prep text again"
                )
            row[:, : len(item.phones)] = values
        return features


class Text2SemanticDataModule(pl.LightningDataModule):
    """Loaders over one prepared folder.

    Args:
        root: the prepared folder.
        bert_width: that of the model's config; None: it reads no BERT features.
        symbols: phone symbols in id order; None: the table named by the config.
        prompts: see `Joiner`.
    """

    def __init__(
        self,
        root: str | Path,
        config: Text2SemanticDataConfig,
        bert_width: int | None = None,
        symbols: Sequence[str] | None = None,
        prompts: Mapping[str, Utterance] | None = None,
    ) -> None:
        super().__init__()
        self.store = FeatureStore(root)
        self.config = config
        self.collate = Collate(bert_width)
        self.symbols = symbols
        self.prompts = prompts
        self.train: Text2SemanticDataset | None = None
        self.held_out: Text2SemanticDataset | None = None
        self.left_out: dict[str, str] = {}
        """Utterances that are not trained on, and why."""

    def setup(self, stage: str | None = None) -> None:
        """Read the folder once."""
        if self.train is not None:
            return
        selection = select(self.store, self.config, self._symbols())
        self.left_out = {name: reason for reason, names in selection.dropped.items() for name in names}
        kept = selection.kept
        if self.config.order == "seeded":
            kept = sorted(kept, key=lambda utterance: utterance.name)
        held: list[Utterance] = []
        if self.config.hold_out:
            if self.config.hold_out >= len(kept):
                raise DatasetError(f"hold_out {self.config.hold_out} leaves none of {len(kept)} utterances to train on")
            chosen = random.Random(self.config.seed).sample(range(len(kept)), self.config.hold_out)  # noqa: S311
            held = [kept[index] for index in sorted(chosen)]
            kept = [utterance for index, utterance in enumerate(kept) if index not in set(chosen)]
        repeat_below, join = self.config.repeat_below, self.config.join
        self.train = Text2SemanticDataset(kept, repeat_below, join, self.config.seed, self.prompts)
        self.held_out = Text2SemanticDataset(held)

    @property
    def held_back(self) -> list[str]:
        """Names of the utterances to judge by."""
        return [] if self.held_out is None else [utterance.name for utterance in self.held_out.utterances]

    @property
    def batch_size(self) -> int:
        """The config's, but small enough for four batches an epoch."""
        assert self.train is not None
        return max(1, min(self.config.batch_size, len(self.train) // (4 * replicas.world())))

    def train_dataloader(self) -> DataLoader[Any]:
        assert self.train is not None
        sampler = BucketSampler(
            self.train.seconds,
            self.batch_size,
            self.config.bucket_seconds,
            self.config.seed,
            replicas.world(),
            replicas.rank(),
            stepwise=self.config.order == "public",
        )
        return self._loader(self.train, sampler)

    def val_dataloader(self) -> DataLoader[Any] | list[Any]:
        if not self.held_out:
            return []
        return self._loader(self.held_out, range(replicas.rank(), len(self.held_out), replicas.world()))

    def _loader(self, dataset: Text2SemanticDataset, sampler: BucketSampler | range) -> DataLoader[Any]:
        return DataLoader(
            dataset,
            batch_size=self.batch_size,
            sampler=sampler,
            collate_fn=self.collate,
            num_workers=self.config.workers,
            persistent_workers=self.config.workers > 0,
        )

    def _symbols(self) -> Sequence[str]:
        if self.symbols is not None:
            return self.symbols
        from feature_extractor.text import symbol_table

        return symbol_table(self.config.symbols)
