"""Content features against the public ones; files in both layouts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from feature_extractor.hubert import Hubert, HubertSettings, load_hubert, new_hubert, save_hubert
from gpt_sovits.core.config import load_config
from gpt_sovits.core.errors import AudioError, CheckpointError, ConfigError
from tests.golden_data import assert_close, fill_numpy, float32, golden, keys, waveform

CONFIG = {
    "model_type": "hubert",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "conv_dim": [32] * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}


def published_weights() -> dict[str, Tensor]:
    """Deterministic weights under the names of published files."""
    table = {
        name.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): value
        for name, value in keys("cnhubert_small_raw").items()
    }
    return {name: float32(value).reshape(table[name][0]) for name, value in fill_numpy(table).items()}


def write_folder(folder: Path, weights: dict[str, Tensor], pickled: bool = False) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    if pickled:
        torch.save(weights, folder / "pytorch_model.bin")
    else:
        save_file(weights, folder / "model.safetensors")
    return folder


def wave() -> Tensor:
    return float32(waveform("hub", 16000, 16000))[None]


@pytest.fixture
def small() -> Hubert:
    torch.manual_seed(0)
    return new_hubert(load_config(HubertSettings, "debug/hubert")).eval()


@torch.no_grad()
@pytest.mark.parametrize("pickled", [False, True])
@pytest.mark.parametrize("prefix", ["", "hubert."])
def test_features_equal_the_public_ones(tmp_path: Path, pickled: bool, prefix: str) -> None:
    weights = {prefix + name: tensor for name, tensor in published_weights().items()}
    if prefix:
        weights["lm_head.weight"] = torch.zeros(3, 64)
    hubert = load_hubert(write_folder(tmp_path / "folder", weights, pickled))
    assert hubert.width == 64 and not hubert.training
    assert_close(hubert(wave()).transpose(1, 2), golden("cnhubert_small")["out"])


@torch.no_grad()
def test_convolutions_equal_the_public_ones(tmp_path: Path) -> None:
    hubert = load_hubert(write_folder(tmp_path, published_weights()))
    assert_close(hubert.model.feature_extractor(wave()), golden("cnhubert_small")["feat"])


@torch.no_grad()
@pytest.mark.parametrize(
    "name",
    [
        "encoder.pos_conv_embed.conv.weight_g",
        "encoder.layers.1.attention.v_proj.weight",
        "feature_projection.layer_norm.bias",
    ],
)
def test_a_changed_layer_is_noticed(tmp_path: Path, name: str) -> None:
    weights = published_weights()
    weights[name] = weights[name] * 1.05
    hubert = load_hubert(write_folder(tmp_path, weights))
    with pytest.raises(AssertionError):
        assert_close(hubert(wave()).transpose(1, 2), golden("cnhubert_small")["out"])


@torch.no_grad()
def test_a_normalised_waveform_is_noticed(tmp_path: Path) -> None:
    hubert = load_hubert(write_folder(tmp_path, published_weights()))
    with pytest.raises(AssertionError):
        assert_close(hubert((wave() - wave().mean()) / wave().std()).mT, golden("cnhubert_small")["out"])


@torch.no_grad()
def test_own_file_gives_the_same_features(tmp_path: Path, small: Hubert) -> None:
    path = tmp_path / "hubert.safetensors"
    save_hubert(path, small, {"steps": 3})
    loaded = load_hubert(path)
    torch.testing.assert_close(loaded(wave()), small(wave()), rtol=0, atol=0)
    first = path.read_bytes()
    save_hubert(path, loaded, {"steps": 3})
    assert path.read_bytes() == first


@torch.no_grad()
def test_half_precision_file_is_half_the_size(tmp_path: Path, small: Hubert) -> None:
    save_hubert(tmp_path / "full.safetensors", small)
    save_hubert(tmp_path / "half.safetensors", small, dtype=torch.float16)
    sizes = [(tmp_path / name).stat().st_size for name in ("full.safetensors", "half.safetensors")]
    assert sizes[1] < 0.7 * sizes[0]
    assert_close(load_hubert(tmp_path / "half.safetensors")(wave()), small(wave()), tolerance=5e-3)


@torch.no_grad()
def test_waves_of_different_lengths_equal_one_by_one(small: Hubert) -> None:
    source = torch.Generator().manual_seed(0)
    waves = [torch.randn(n, generator=source) for n in (8000, 4000, 8000, 6543)]
    for features, alone in zip(small.each(waves), waves, strict=True):
        torch.testing.assert_close(features, small(alone[None])[0], rtol=1e-5, atol=1e-5)


def test_one_frame_needs_400_samples(small: Hubert) -> None:
    assert small.shortest == 400 and small(torch.randn(1, 400)).shape == (1, 16, 1)
    with pytest.raises(AudioError, match="25 ms or more"):
        small(torch.randn(1, 399))


def test_it_can_be_trained(small: Hubert) -> None:
    small.train()(torch.randn(2, 3200)).square().mean().backward()
    gradients = [p.grad for p in small.parameters()]
    assert all(g is not None and g.isfinite().all() for g in gradients)


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="HuBERT"):
        new_hubert(HubertSettings(hidden_size=30, num_attention_heads=4))


def bad_sources(folder: Path) -> dict[Path, str]:
    """Paths that hold no usable HuBERT, and what the error says of each."""
    weights = published_weights()
    cases = {folder / "absent.safetensors": "does not exist"}
    (folder / "empty").mkdir()
    cases[folder / "empty"] = "no readable config.json"
    other = write_folder(folder / "other", weights)
    (other / "config.json").write_text(json.dumps({**CONFIG, "model_type": "wav2vec2"}))
    cases[other] = "type 'wav2vec2', not 'hubert'"
    broken = write_folder(folder / "broken", weights)
    (broken / "config.json").write_text("{")
    cases[broken] = "not valid JSON"
    naked = write_folder(folder / "naked", weights)
    (naked / "model.safetensors").unlink()
    cases[naked] = "holds no weights"
    cut = write_folder(folder / "cut", weights)
    (cut / "model.safetensors").write_bytes((cut / "model.safetensors").read_bytes()[:500])
    cases[cut] = "not a readable safetensors file"
    torn = write_folder(folder / "torn", weights, pickled=True)
    (torn / "pytorch_model.bin").write_bytes((torn / "pytorch_model.bin").read_bytes()[:5000])
    cases[torn] = "is incomplete"
    short = write_folder(folder / "short", {k: v for k, v in weights.items() if "q_proj" not in k})
    cases[short] = "lacks encoder.layers.0.attention.q_proj"
    return cases


def test_bad_sources_are_named_with_the_reason(tmp_path: Path) -> None:
    for path, words in bad_sources(tmp_path).items():
        with pytest.raises(CheckpointError, match=words) as caught:
            load_hubert(path)
        assert path.name in str(caught.value)


class Hostile:
    """Creates a file when it is unpickled the ordinary way."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.mark), "w")


def test_nothing_in_a_weights_file_is_executed(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, published_weights())
    (folder / "model.safetensors").unlink()
    torch.save({"a": Hostile(tmp_path / "executed")}, folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"asks for io\.open, which could run a program"):
        load_hubert(folder)
    assert not (tmp_path / "executed").exists()
