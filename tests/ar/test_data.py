"""Filters, repetition, order and padding of the training items."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from ar.config import Text2SemanticDataConfig
from ar.data import Collate, Text2SemanticDataModule, Text2SemanticDataset, select
from ar.sampler import BucketSampler
from gpt_sovits.core.errors import DatasetError
from gpt_sovits.core.store import FeatureStore, write_tensor
from tests.golden_data import assert_close, float32, golden_json, raw_u01, unit

PUBLIC = Text2SemanticDataConfig(order="public")


@pytest.fixture(scope="module")
def case() -> dict[str, Any]:
    content: dict[str, Any] = golden_json("s1_dataset")
    return content


@pytest.fixture
def store(case: dict[str, Any], tmp_path: Path) -> FeatureStore:
    store = FeatureStore(tmp_path)
    store.text_path.write_text(case["name2text"], encoding="utf8")
    store.semantic_path.write_text(case["name2semantic"], encoding="utf8")
    for row, n in ((0, 20), (2, 44)):
        write_tensor(store.bert_path(f"utt{row}.wav"), float32(unit(f"ds/bert{row}", (1024, n))))
    return store


@pytest.fixture(scope="module")
def symbols(case: dict[str, Any]) -> list[str]:
    """The v2 ids of the phones that the kept utterances use; other places hold phones of the rest."""
    lines = [line.split("\t") for line in case["name2text"].splitlines()]
    phones = {fields[0]: fields[1].split() for fields in lines if len(fields) == 4}
    table: dict[int, str] = {}
    for row, name in enumerate(case["kept"][:3]):
        table.update(zip(case["batch"]["phoneme_ids"][row], phones[name], strict=False))
    others = iter(sorted({p for row in phones.values() for p in row} - set(table.values())))
    return [table[i] if i in table else next(others, f"unused{i}") for i in range(732)]


def test_items_equal_the_public_ones(store: FeatureStore, symbols: list[str], case: dict[str, Any]) -> None:
    selection = select(store, PUBLIC, symbols)
    assert [utterance.name for utterance in selection.kept] == case["kept"]
    dataset = Text2SemanticDataset(selection.kept, PUBLIC.repeat_below)
    assert len(dataset) == case["length"]
    assert [dataset[i].name for i in range(20)] == case["item_names"]
    assert selection.dropped["without a text"] == ["utt9.wav"]
    assert selection.dropped["longer than 54 seconds"] == ["utt5.wav"]


def test_first_batch_equals_the_public_one(store: FeatureStore, symbols: list[str], case: dict[str, Any]) -> None:
    dataset, expected = Text2SemanticDataset(select(store, PUBLIC, symbols).kept), case["batch"]
    batch = Collate(1024)([dataset[i] for i in expected["ids"]])
    assert batch.phones.tolist() == expected["phoneme_ids"]
    assert batch.phone_lengths.tolist() == expected["phoneme_ids_len"]
    assert batch.codes.tolist() == expected["semantic_ids"]
    assert batch.code_lengths.tolist() == expected["semantic_ids_len"]
    bert, stored = batch.bert, expected["bert_feature"]
    assert bert is not None and list(bert.shape) == stored["shape"]
    assert_close(bert.mean(), torch.tensor(stored["mean"]))
    assert_close(bert.std(), torch.tensor(stored["std"]), 2e-4)
    assert_close(bert.flatten()[:16], torch.tensor(stored["first16"]))
    assert_close(bert.flatten()[-4:], torch.tensor(stored["last4"]))


def test_a_perturbed_filter_is_noticed(store: FeatureStore, symbols: list[str], case: dict[str, Any]) -> None:
    looser = PUBLIC.model_copy(update={"phones_per_second": (0.5, 100.0)})
    assert [utterance.name for utterance in select(store, looser, symbols).kept] != case["kept"]


@pytest.mark.parametrize("name", list(golden_json("s1_bucket_sampler")["orders"]))
def test_order_equals_the_public_one(name: str) -> None:
    case = golden_json("s1_bucket_sampler")
    lengths = list(raw_u01("bs/len", 137) * 20)
    assert lengths == case["lengths"]
    if name == "noshuffle":
        found = list(BucketSampler(lengths, 8, shuffle=False, stepwise=True))
    else:
        replicas, rank, size, epoch = (int(part.lstrip("rankbsepo")) for part in name.split("_"))
        sampler = BucketSampler(lengths, size, replicas=replicas, rank=rank, stepwise=True)
        sampler.set_epoch(epoch)
        found = list(sampler)
        assert len(sampler) == len(found)
    assert found == case["orders"][name]


def test_a_perturbed_order_is_noticed() -> None:
    case = golden_json("s1_bucket_sampler")
    name = next(key for key in case["orders"] if key != "noshuffle")
    replicas, rank, size, epoch = (int(part.lstrip("rankbsepo")) for part in name.split("_"))
    for changed in ({"seed": 1}, {"width": 1.0}):
        sampler = BucketSampler(case["lengths"], size, **changed, stepwise=True, replicas=replicas, rank=rank)
        sampler.set_epoch(epoch)
        assert list(sampler) != case["orders"][name]


def test_stepwise_buckets_lag_behind_a_gap() -> None:
    lengths = [1.0, 9.0, 9.5, 9.7]
    assert BucketSampler(lengths, 2, stepwise=True).buckets == [[0], [1], [2], [3]]
    assert BucketSampler(lengths, 2).buckets == [[0], [1, 2, 3]]


def test_every_item_comes_once_an_epoch() -> None:
    sampler = BucketSampler(list(raw_u01("x", 50) * 9), 4, seed=3)
    first = list(sampler)
    sampler.set_epoch(1)
    assert sorted(first) == sorted(sampler) == list(range(50)) and first != list(sampler)


def test_order_ignores_the_order_of_lines(store: FeatureStore, symbols: list[str]) -> None:
    def names() -> list[str]:
        module = Text2SemanticDataModule(store.root, Text2SemanticDataConfig(), symbols=symbols)
        module.setup()
        assert module.train is not None
        return [module.train[i].name for i in module.train_dataloader().sampler]

    before = names()
    header, *lines = store.semantic_path.read_text(encoding="utf8").splitlines()
    store.semantic_path.write_text("\n".join([header, *reversed(lines)]), encoding="utf8")
    assert names() == before


def test_held_out_utterances_are_not_trained_on(store: FeatureStore, symbols: list[str]) -> None:
    module = Text2SemanticDataModule(store.root, Text2SemanticDataConfig(hold_out=1), 1024, symbols)
    module.setup()
    assert module.train is not None and module.held_out is not None
    assert not {u.name for u in module.train} & {u.name for u in module.held_out}  # type: ignore[attr-defined]
    assert len(list(module.val_dataloader())) == 1
    batch = next(iter(module.train_dataloader()))
    assert batch.bert is not None and len(batch.codes) == 8


def test_faults_are_named(store: FeatureStore, symbols: list[str]) -> None:
    with pytest.raises(DatasetError, match="symbol table lacks"):
        select(store, PUBLIC, symbols[:3])
    with pytest.raises(DatasetError, match=r"stage 1 on: 9 longer than 0\.1 seconds, 1 without"):
        select(store, PUBLIC.model_copy(update={"max_seconds": 0.1}), symbols)
    with pytest.raises(DatasetError, match="leaves none of 4"):
        Text2SemanticDataModule(store.root, Text2SemanticDataConfig(hold_out=4), symbols=symbols).setup()
    write_tensor(store.bert_path("utt0.wav"), torch.zeros(1024, 19))
    dataset = Text2SemanticDataset(select(store, PUBLIC, symbols).kept)
    with pytest.raises(DatasetError, match=r"is \(1024, 19\), but utt0.wav needs \(1024, 20\)"):
        Collate(1024)([dataset[0]])
    with pytest.raises(DatasetError, match="prepare the folder"):
        select(FeatureStore(store.root / "nowhere"), PUBLIC, symbols)
