"""A prepared folder of synthetic speech and an untrained model of debug size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from feature_extractor.text.symbols import symbol_table
from gpt_sovits.core.bundle import Bundle
from gpt_sovits.core.store import FeatureStore, TextEntry, write_tensor
from gpt_sovits.models import new_model
from tests.golden_data import ints, unit, waveform

ITEMS = 11
WIDTH = 16


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return new_model(tmp_path_factory.mktemp("models") / "debug", "debug")


@pytest.fixture(scope="session")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eleven utterances of 0.8 to 1.4 seconds, in the layout that data preparation writes."""
    store, table = FeatureStore(tmp_path_factory.mktemp("experiment")), symbol_table("v2")
    store.wave_path("x").parent.mkdir()
    entries, codes = [], {}
    for i in range(ITEMS):
        name, frames = f"clip{i:02}.wav", 40 + 3 * i
        wave = waveform(f"train{i}", frames * 640, 32000)
        soundfile.write(store.wave_path(name), (wave * 32767).astype(np.int16), 32000)
        features = torch.from_numpy(unit(f"train/hubert{i}", (1, WIDTH, frames))).float()
        write_tensor(store.hubert_path(name), features)
        phones = ints(f"train/phones{i}", (10,), 10, 300)
        entries.append(TextEntry(name, [table[int(p)] for p in phones], None, "text"))
        codes[name] = [int(c) for c in ints(f"train/codes{i}", (frames // 2,), 0, 32)]
    store.write_text(entries)
    store.write_semantic(codes)
    return store.root
