"""Training data of the second stage: golden equality with the public loader, faults in words, windows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from feature_extractor.text.symbols import symbol_table
from gpt_sovits.core.errors import ConfigError, DatasetError
from gpt_sovits.core.store import FeatureStore, TextEntry, write_tensor
from sovits.batch import Example, collate
from sovits.data import SynthesizerDataModule, SynthesizerDataset
from sovits.recipe import SynthesizerDataConfig
from sovits.survey import Needs
from tests.golden_data import assert_close, golden_json, unit, waveform

CASE = golden_json("s2_dataset")
FRAMES = (60, 44, 51)
COMPAT = SynthesizerDataConfig(compat=True)
PRO = Needs(speaker=20480)


def fake_ids(seed: int, count: int) -> list[int]:
    return [int(i) for i in np.random.default_rng(seed).integers(1, 700, count)]


def write_store(root: Path, frames: tuple[int, ...], phones: list[list[int]], width: int = 768) -> FeatureStore:
    """The three utterances of the golden case, or others of the same kind."""
    store, table = FeatureStore(root), symbol_table("v2")
    names = [f"utt{i}.wav" for i in range(len(frames))]
    store.wave_path("x").parent.mkdir(parents=True)
    for i, (name, n) in enumerate(zip(names, frames, strict=True)):
        wave = waveform(f"dsw{i}", n * 640 + 37 * i, 32000)
        soundfile.write(store.wave_path(name), (wave * 32767).astype(np.int16), 32000)
        hubert = torch.from_numpy(unit(f"ds/ssl{i}", (1, width, n - (i == 1)))).float()
        write_tensor(store.hubert_path(name), hubert)
        write_tensor(store.speaker_path(name), torch.from_numpy(unit(f"ds/sv{i}", (1, 20480))).float())
    store.write_text(
        TextEntry(name, [table[i] for i in ids], None, "text") for name, ids in zip(names, phones, strict=True)
    )
    return store


@pytest.fixture
def golden_store(tmp_path: Path) -> FeatureStore:
    rows, lengths = CASE["v2"]["batch"][6], CASE["v2"]["batch"][7]
    by_length = {length: row[:length] for row, length in zip(rows, lengths, strict=True)}
    return write_store(tmp_path, FRAMES, [by_length[n] for n in (20, 30, 44)])


def matches(actual: Tensor, expected: Any, tolerance: float = 1e-4) -> None:
    """Compare with a stored summary: shape, moments, first and last values."""
    if isinstance(expected, list):
        assert actual.tolist() == expected
        return
    flat = actual.double().flatten()
    assert list(actual.shape) == expected["shape"]
    scale = expected["absmax"]
    summary = torch.stack([flat.mean(), flat.std(correction=0), flat.abs().max()])
    stored = torch.tensor([expected["mean"], expected["std"], scale], dtype=torch.float64)
    assert_close(summary, stored, tolerance)
    ends = torch.tensor(expected["first16"] + expected["last4"], dtype=torch.float64)
    assert (torch.cat([flat[:16], flat[-4:]]) - ends).abs().max() <= tolerance * scale


def parts(example: Example) -> list[Tensor]:
    tensors = [example.hubert[None], example.spec, example.wave, example.phones]
    return tensors if example.speaker is None else [*tensors, example.speaker[None]]


@pytest.mark.parametrize(("version", "needs"), [("v2", Needs()), ("v2Pro", PRO)])
def test_items_and_batch_are_those_of_the_public_loader(golden_store: FeatureStore, version: str, needs: Needs) -> None:
    dataset, case = SynthesizerDataset(golden_store.root, COMPAT, needs), CASE[version]
    assert len(dataset) == case["n"]
    assert sorted(dataset.lengths[:3]) == sorted(case["lengths"])
    examples = [dataset[i] for i in range(3)]
    for example, expected in zip(examples, case["items"], strict=True):
        for actual, summary in zip(parts(example), expected, strict=True):
            matches(actual, summary)
    batch = collate(examples)
    lengths = batch.spec_lengths, batch.wave_lengths, batch.phone_lengths
    columns = [batch.hubert, lengths[0], batch.spec, lengths[0], batch.wave, lengths[1], batch.phones, lengths[2]]
    for actual, expected in zip(columns + [batch.speaker] * (needs.speaker is not None), case["batch"], strict=True):
        assert actual is not None
        matches(actual, expected)


def test_a_louder_recording_fails_the_golden_comparison(golden_store: FeatureStore) -> None:
    wave, rate = soundfile.read(golden_store.wave_path("utt0.wav"))
    soundfile.write(golden_store.wave_path("utt0.wav"), wave * 1.01, rate)
    example = SynthesizerDataset(golden_store.root, COMPAT, Needs())[0]
    with pytest.raises(AssertionError):
        matches(example.spec, CASE["v2"]["items"][0][1])


def test_the_default_reads_the_same_values_as_the_public_mode(golden_store: FeatureStore) -> None:
    ours = SynthesizerDataset(golden_store.root, SynthesizerDataConfig(), PRO)
    public = SynthesizerDataset(golden_store.root, COMPAT, PRO)
    uncached = SynthesizerDataset(golden_store.root, SynthesizerDataConfig(cache_mib=0, read_all=False), PRO)
    assert [len(ours), ours.lengths, uncached.lengths] == [3, list(FRAMES), list(FRAMES)]
    assert not uncached.survey.recordings
    for i in range(3):
        for others in zip(parts(ours[i]), parts(public[i]), parts(uncached[i]), strict=True):
            assert all(torch.equal(others[0], other) for other in others)


def _remove_hubert(store: FeatureStore) -> None:
    store.hubert_path("utt1.wav").unlink()


def _spoil_hubert(store: FeatureStore) -> None:
    write_tensor(store.hubert_path("utt1.wav"), torch.full((1, 768, 43), float("nan")))


def _other_width(store: FeatureStore) -> None:
    write_tensor(store.hubert_path("utt1.wav"), torch.zeros(1, 256, 43))


def _short_hubert(store: FeatureStore) -> None:
    write_tensor(store.hubert_path("utt1.wav"), torch.zeros(1, 768, 30))


def _empty_wave(store: FeatureStore) -> None:
    store.wave_path("utt1.wav").write_bytes(b"")


def _foreign_phone(store: FeatureStore) -> None:
    entries = store.read_text()
    entries["utt1.wav"].phones[3] = "no_such_phone"
    store.write_text(entries.values())


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_remove_hubert, "is missing"),
        (_spoil_hubert, "not numbers"),
        (_other_width, r"not \(1, 768, t\)"),
        (_short_hubert, "do not match"),
        (_empty_wave, "empty"),
        (_foreign_phone, "no_such_phone"),
    ],
)
def test_a_fault_stops_the_start_or_is_dropped_and_told(
    golden_store: FeatureStore, spoil: Callable[[FeatureStore], None], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    spoil(golden_store)
    with pytest.raises(DatasetError, match=words) as error:
        SynthesizerDataset(golden_store.root, SynthesizerDataConfig(), Needs())
    assert "utt1.wav" in str(error.value) and "data.on_fault=drop" in str(error.value)
    rest = SynthesizerDataset(golden_store.root, SynthesizerDataConfig(on_fault="drop"), Needs())
    assert [item.name for item in rest.items] == ["utt0.wav", "utt2.wav"]
    assert "utt1.wav" in caplog.text


@pytest.mark.parametrize("folder", ["4-cnhubert", "5-wav32k", "7-sv_cn"])
def test_a_missing_folder_is_named(golden_store: FeatureStore, folder: str) -> None:
    (golden_store.root / folder).rename(golden_store.root / "elsewhere")
    with pytest.raises(DatasetError, match=f"no {folder} folder"):
        SynthesizerDataset(golden_store.root, SynthesizerDataConfig(), PRO)


def test_nothing_usable_is_an_error(golden_store: FeatureStore) -> None:
    with pytest.raises(DatasetError, match="no usable utterance"):
        SynthesizerDataset(golden_store.root, SynthesizerDataConfig(longest=0.7, shortest=0.6), Needs())


def test_windows_are_aligned_and_follow_the_epoch(tmp_path: Path) -> None:
    store = write_store(tmp_path, (120,) * 3, [fake_ids(i, 12) for i in range(3)], width=4)
    config = SynthesizerDataConfig(max_frames=48)
    whole = SynthesizerDataset(store.root, SynthesizerDataConfig(), Needs(hubert=4))
    dataset = SynthesizerDataset(store.root, config, Needs(hubert=4))
    starts = set()
    for dataset.epoch in range(6):
        cut = dataset[0]
        assert torch.equal(cut.spec, dataset[0].spec)
        full = whole[0]
        start = next(s for s in range(73) if torch.equal(full.hubert[:, s : s + 48], cut.hubert))
        assert start % 2 == 0
        assert torch.equal(full.spec[:, start : start + 48], cut.spec)
        assert torch.equal(full.wave[:, start * 640 : (start + 48) * 640], cut.wave)
        starts.add(start)
    assert len(starts) > 1 and dataset.lengths == [48] * 3
    with pytest.raises(ConfigError, match="segment"):
        SynthesizerDataset(store.root, SynthesizerDataConfig(max_frames=32), Needs(hubert=4))


def test_the_module_holds_back_and_batches(tmp_path: Path) -> None:
    store = write_store(tmp_path, tuple(range(40, 62)), [fake_ids(i, 9) for i in range(22)], width=4)
    module = SynthesizerDataModule(store.root, SynthesizerDataConfig(batch_size=3), Needs(hubert=4))
    module.setup()
    seen = [name for batch in module.train_dataloader() for name in batch.names]
    held = [batch.names[0] for batch in module.val_dataloader()]
    assert len(held) == 2 and len(seen) == 20 and not set(seen) & set(held)
    batch = next(iter(module.train_dataloader())).to("cpu")
    assert batch.spec.shape[-1] % 2 == 0 and batch.hubert.shape[-1] == batch.spec.shape[-1]
    assert batch.speaker is None
