"""Making preference pairs of a prepared folder, and training on them."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from ar.config import Text2SemanticDataConfig
from ar.convert import load_text2semantic
from ar.data import Collate, Text2SemanticDataModule, Text2SemanticDataset, select
from ar.preference import (
    Pair,
    PairCollate,
    PreferenceConfig,
    make_pair,
    read_pairs,
    reading_heads,
    write_pairs,
)
from feature_extractor.text import symbol_table
from gpt_sovits.core.bundle import find_model
from gpt_sovits.core.config import apply_overrides, parse_config
from gpt_sovits.core.device import pick_device
from gpt_sovits.core.errors import DatasetError
from gpt_sovits.core.lora import load_adapter, merge_adapter
from gpt_sovits.core.store import FeatureStore

logger = logging.getLogger(__name__)
TOLD_EVERY = 20


class PreferenceDataModule(Text2SemanticDataModule):
    """The utterances that have a pair, as pairs; held-back ones as they were recorded."""

    def __init__(self, root: Path, config: Text2SemanticDataConfig, pairs: Path, bert_width: int | None) -> None:
        super().__init__(root, config, bert_width)
        self.path = pairs
        self.pairs: dict[str, Pair] = {}

    def setup(self, stage: str | None = None) -> None:
        if self.train is not None:
            return
        self.pairs = read_pairs(self.path)
        super().setup(stage)
        assert self.train is not None
        kept = {item.name: item for item in self.train.utterances if item.name in self.pairs}
        if not kept:
            raise DatasetError(f"{self.path} holds no pair of an utterance of {self.store.root} that is trained on")
        self.train = Text2SemanticDataset(list(kept.values()), self.config.repeat_below)

    def train_dataloader(self) -> DataLoader[Any]:
        loader = super().train_dataloader()
        loader.collate_fn = PairCollate(self.collate, self.pairs)
        return loader


def make_preferences(
    experiment: str | Path,
    model: str | Path,
    out: str | Path,
    overrides: Iterable[str] = (),
    limit: int | None = None,
    device: str = "auto",
) -> tuple[list[Pair], int]:
    """Say the texts of a prepared folder several times each and write the pairs to `out`.

    Args:
        limit: at most so many texts, the first by name.

    Returns:
        The pairs, and how many texts were said.

    Raises:
        DatasetError: the folder holds nothing usable.
    """
    config = parse_config(PreferenceConfig, apply_overrides({}, overrides), "the settings of preferences")
    source, place = find_model(model), pick_device(device)
    network = load_text2semantic(source.need("s1"), place)
    adapter = source.part("s1_adapter")
    if adapter is not None:
        merge_adapter(network, load_adapter(adapter, "s1"))
    collate = _Placed(Collate(network.config.bert_width), place)
    data = Text2SemanticDataConfig(symbols=source.manifest.symbols)
    kept = select(FeatureStore(experiment), data, symbol_table(source.manifest.symbols)).kept
    items = sorted(kept, key=lambda item: item.name)[:limit]
    heads = reading_heads(network, collate, items[: config.listened], config.heads)  # type: ignore[arg-type]
    logger.info("alignment is judged by layer.head %s", ", ".join(f"{layer}.{head}" for layer, head in heads))
    pairs = []
    for number, item in enumerate(items, 1):
        pair = make_pair(network, collate, item, heads, config)  # type: ignore[arg-type]
        pairs += [] if pair is None else [pair]
        if number % TOLD_EVERY == 0:
            logger.info("%d of %d texts, %d pairs", number, len(items), len(pairs))
    write_pairs(Path(out), pairs)
    return pairs, len(items)


class _Placed:
    """A collate whose batches are on a device."""

    def __init__(self, collate: Collate, place: torch.device) -> None:
        self.collate, self.place = collate, place

    def __call__(self, items: Any) -> Any:
        return self.collate(items).to(self.place)
