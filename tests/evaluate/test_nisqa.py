"""NISQA with weights of the published shape, drawn at random: it loads, rates, and says what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torchmetrics.functional.audio.nisqa import _NISQADIM

from gpt_sovits.core.errors import AudioError, CheckpointError
from gpt_sovits.evaluate.item import Clip, Item, Sound
from gpt_sovits.evaluate.measures import Tools, build_measures
from gpt_sovits.evaluate.nisqa import COLUMNS, RATE, Nisqa, _mel_config, decibels

OPTIONS = {
    "ms_n_fft": 4096, "ms_hop_length": 0.01, "ms_win_length": 0.02, "ms_n_mels": 48, "ms_fmax": 20000,
    "ms_seg_length": 15, "ms_seg_hop_length": 4, "ms_max_segments": 300,
    "cnn_c_out_1": 4, "cnn_c_out_2": 4, "cnn_c_out_3": 8, "cnn_kernel_size": (3, 3), "cnn_dropout": 0.2,
    "cnn_pool_1": [24, 7], "cnn_pool_2": [12, 5], "cnn_pool_3": [6, 3], "cnn_fc_out_h": None,
    "td_sa_d_model": 16, "td_sa_nhead": 1, "td_sa_pos_enc": None, "td_sa_num_layers": 1, "td_sa_h": 16,
    "td_sa_dropout": 0.1, "pool_att_h": 16, "pool_att_dropout": 0.1,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("metrics")
    torch.manual_seed(0)
    torch.save({"args": OPTIONS, "model_state_dict": _NISQADIM(OPTIONS).state_dict()}, place / "nisqa.tar")
    return place


def test_ratings_follow_the_sound(folder: Path, spoken: list[Item], sounds: dict[str, Sound]) -> None:
    nisqa = Nisqa(folder / "nisqa.tar")
    first, second = (nisqa.score(Clip(item, sounds[item.id])) for item in spoken[:2])
    assert tuple(first) == COLUMNS and first != second
    assert first == nisqa.score(Clip(spoken[0], sounds[spoken[0].id]))
    short = Sound(Path("short.wav"), torch.zeros(1600), 16000)
    with pytest.raises(AudioError, match=r"short.wav: NISQA cannot rate 0\.10 s"):
        nisqa.score(Clip(spoken[0], short))


def test_bands_in_decibels() -> None:
    time = torch.arange(RATE) / RATE
    bands = decibels(0.5 * torch.sin(2 * torch.pi * 1000 * time), _mel_config(OPTIONS))
    middle = bands[:, 50]
    assert float(bands.max() - bands.min()) <= 80.001
    assert 8 <= int(middle.argmax()) <= 14  # 1 kHz: 15 of 52.8 mel, of 48 bands
    louder = decibels(torch.sin(2 * torch.pi * 1000 * time), _mel_config(OPTIONS))
    assert float(louder.max() - bands.max()) == pytest.approx(6.02, abs=0.01)


def test_it_is_taken_where_it_is_and_named_where_it_is_not(folder: Path, tmp_path: Path) -> None:
    measures, missing = build_measures(Tools(models=folder))
    assert "nisqa" in [measure.card.measure for measure in measures] and "nisqa" not in [m.measure for m in missing]
    assert "nisqa" not in [m.measure for m in build_measures(Tools(models=tmp_path))[1]]
    (lack,) = build_measures(Tools(models=tmp_path, measures=("nisqa",)))[1]
    assert "NISQA was not found: put nisqa.tar into" in lack.reason
    torch.save({"weights": torch.zeros(1)}, tmp_path / "nisqa.tar")
    with pytest.raises(CheckpointError, match="holds no NISQA weights"):
        Nisqa(tmp_path / "nisqa.tar")
