"""The speaker network: its shape is read off the weights, its embedding stays what it was."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from feature_extractor.campplus import SEGMENT, CamPlus, CamPlusConfig, Masked, infer_config
from gpt_sovits.core.errors import CheckpointError
from gpt_sovits.evaluate.item import Clip, Item, Sound, read_sound
from gpt_sovits.evaluate.similarity import Similarity, load_campplus, load_voiceprint
from tests.golden_data import assert_close, fill, unit, waveform

SMALL = CamPlusConfig(bands=16, maps=4, first=8, growth=4, blocks=(2, 3, 2), embedding=6)


def filled(config: CamPlusConfig) -> CamPlus:
    network = CamPlus(config)
    network.load_state_dict(fill(network.state_dict()))
    return network.eval()


def test_shape_is_read_off_the_weights(tmp_path: Path) -> None:
    assert infer_config(CamPlus(SMALL).state_dict(), "x") == SMALL
    default = CamPlus(CamPlusConfig())
    assert infer_config(default.state_dict(), "x") == CamPlusConfig()
    assert len(default.state_dict()) == 937
    torch.save(default.state_dict(), tmp_path / "campplus.pt")
    embed, _ = load_campplus(tmp_path / "campplus.pt")
    with torch.inference_mode():
        assert embed(torch.from_numpy(waveform("voice", 16000, 16000))).shape == (192,)
    with pytest.raises(CheckpointError, match="does not hold a CAM\\+\\+"):
        infer_config({"a": torch.zeros(1)}, "x")


@torch.inference_mode()
def test_mask_follows_utterance_and_segment() -> None:
    """The layer against its formula, frame by frame."""
    layer = Masked(8, 4, dilation=2)
    layer.load_state_dict(fill(layer.state_dict()))
    x = torch.from_numpy(unit("x", (1, 8, 2 * SEGMENT + 30))).float()
    actual = layer(x)
    local = layer.linear_local(x)
    for t in (0, SEGMENT - 1, SEGMENT, 2 * SEGMENT + 29):
        start = t // SEGMENT * SEGMENT
        context = x.mean(-1) + x[..., start : start + SEGMENT].mean(-1)
        hidden = (layer.linear1.weight[..., 0] @ context[0] + layer.linear1.bias).relu()
        mask = (layer.linear2.weight[..., 0] @ hidden + layer.linear2.bias).sigmoid()
        torch.testing.assert_close(actual[0, :, t], local[0, :, t] * mask)


@torch.inference_mode()
def test_stored_embedding() -> None:
    stored = json.loads(Path(__file__).with_name("embedding.json").read_text("utf8"))
    bank = torch.from_numpy(unit("bank", (1, 260, SMALL.bands))).float()
    assert_close(filled(SMALL)(bank)[0], np.asarray(stored["filled"]))


def test_missing_and_unknown_networks(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"campplus was not found: put campplus_cn_en_common\.pt into"):
        load_voiceprint("campplus", tmp_path)
    with pytest.raises(CheckpointError, match="no speaker network 'x'"):
        load_voiceprint("x", tmp_path)


@pytest.mark.metric_models
def test_published_weights(metric_models: Path, spoken: list[Item], sounds: dict[str, Sound]) -> None:
    """The stored embedding of a synthetic wave; one voice is alike, two are not."""
    stored = json.loads(Path(__file__).with_name("embedding.json").read_text("utf8"))
    voiceprint = load_voiceprint("campplus", metric_models)
    assert_close(voiceprint.embed(torch.from_numpy(waveform("voice", 48000, 16000))), np.asarray(stored["published"]))
    measure = Similarity(voiceprint)
    for item in spoken:
        assert float(measure.score(Clip(item, sounds[item.id]))["similarity"] or 0) > 0.6
    other = spoken[0].model_copy(update={"reference": spoken[5].wav})
    assert float(measure.score(Clip(other, read_sound(Path(str(other.wav)))))["similarity"] or 0) < 0.4
