"""HuBERT files of fairseq give the features of the same network in Hugging Face form; fairseq is not installed."""

from __future__ import annotations

import argparse
import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from feature_extractor.g2pw import TABLES, check_g2pw, is_g2pw
from feature_extractor.hubert import load_hubert, new_hubert
from gpt_sovits.core.errors import CheckpointError
from tests.core.foreign import material
from tests.feature_extractor.test_hubert import CONFIG, published_weights, wave, write_folder
from tests.golden_data import assert_close, golden

# (Hugging Face, fairseq); in that order
NAMES = (
    ("feature_projection.layer_norm.", "layer_norm."),
    ("feature_projection.projection.", "post_extract_proj."),
    ("encoder.pos_conv_embed.conv.", "encoder.pos_conv.0."),
    (".attention.", ".self_attn."),
    (".feed_forward.intermediate_dense.", ".fc1."),
    (".feed_forward.output_dense.", ".fc2."),
)
CONVOLUTIONS = "[(32,10,5)] + [(32,3,2)] * 4 + [(32,2,2)] * 2"


def fairseq_name(name: str, layered: bool = False) -> str:
    name = re.sub(r"conv_layers\.(\d+)\.conv\.", r"conv_layers.\1.0.", name)
    name = re.sub(
        r"conv_layers\.(\d+)\.layer_norm\.", r"conv_layers.\1.2.1." if layered else r"conv_layers.\1.2.", name
    )
    name = re.sub(r"encoder\.layers\.(\d+)\.layer_norm\.", r"encoder.layers.\1.self_attn_layer_norm.", name)
    for theirs, ours in NAMES:
        name = name.replace(theirs, ours)
    return name


def fairseq_state(weights: dict[str, Tensor], layered: bool = False) -> dict[str, Tensor]:
    state = {fairseq_name(k, layered): v for k, v in weights.items() if k != "masked_spec_embed"}
    hidden = state["post_extract_proj.weight"].shape[0]
    extras = {"mask_emb": torch.rand(hidden), "label_embs_concat": torch.rand(504, 16)}
    return {**extras, **state, "final_proj.weight": torch.rand(16, hidden), "final_proj.bias": torch.rand(16)}


class Dictionary:
    def __init__(self) -> None:
        self.symbols, self.count, self.indices = ["<s>", "1"], [1, 2], {"<s>": 0, "1": 1}


class Config:
    """An omegaconf container, as far as a pickle shows it."""

    def __init__(self, content: dict[str, Any], parent: Any = None) -> None:
        nodes = {k: Config(v, self) if isinstance(v, dict) else Leaf(v, self) for k, v in content.items()}
        self.__dict__.update(_metadata=None, _parent=parent, _content=nodes)


class Leaf:
    def __init__(self, value: Any, parent: Any) -> None:
        self.__dict__.update(_metadata=None, _parent=parent, _val=value)


def checkpoint(state: dict[str, Tensor], kind: str, legacy: bool, **settings: Any) -> bytes:
    """The file fairseq would write: plain, with the arguments of its first years, or with omegaconf containers."""
    settings = {"_name": "hubert", "encoder_attention_heads": 4, "conv_feature_layers": CONVOLUTIONS, **settings}
    with (
        material.stand_in("fairseq.data.dictionary", Dictionary=type("Dictionary", (Dictionary,), {})) as dictionaries,
        material.stand_in("omegaconf.dictconfig", DictConfig=type("DictConfig", (Config,), {})) as configs,
        material.stand_in("omegaconf.nodes", AnyNode=type("AnyNode", (Leaf,), {})) as nodes,
    ):
        value: dict[str, Any] = {
            "model": state,
            "task_state": {"dictionaries": [dictionaries.Dictionary()]},
            "optimizer_history": [{"num_updates": 400000, "optimizer_name": "FairseqAdam"}],
            "extra_state": {"epoch": 5, "metrics": [("train", "loss", argparse.Namespace(sum=1.0))]},
            "args": argparse.Namespace(**settings) if kind == "args" else None,
        }
        if kind == "omegaconf":
            value["cfg"] = _retyped(Config({"model": settings, "task": {"data": "/data"}}), configs, nodes)
        elif kind == "dict":
            value["cfg"] = {"model": settings}
        return material.saved(value, legacy)


def _retyped(value: Any, configs: Any, nodes: Any) -> Any:
    if isinstance(value, Config):
        value.__class__ = configs.DictConfig
        for item in value._content.values():
            _retyped(item, configs, nodes)
    else:
        value.__class__ = nodes.AnyNode
    return value


@torch.no_grad()
@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("kind", ["args", "omegaconf", "dict", "none"])
def test_features_equal_those_of_the_folder(tmp_path: Path, kind: str, legacy: bool) -> None:
    assert importlib.util.find_spec("fairseq") is None and importlib.util.find_spec("omegaconf") is None
    path = tmp_path / "hubert_base.pt"
    path.write_bytes(checkpoint(fairseq_state(published_weights()), kind, legacy))
    hubert = load_hubert(path)
    assert not hubert.training and hubert.width == 64
    if kind == "none":  # nothing in the file says how many heads there are: published networks have one for 64 features
        assert hubert.config.num_attention_heads == 1
        return
    folder = load_hubert(write_folder(tmp_path / "folder", published_weights()))
    torch.testing.assert_close(hubert(wave()), folder(wave()), rtol=0, atol=0)
    assert_close(hubert(wave()).transpose(1, 2), golden("cnhubert_small")["out"])


@torch.no_grad()
@pytest.mark.parametrize("stable", [False, True])
def test_large_networks_with_layer_norm(tmp_path: Path, stable: bool) -> None:
    """The other variant of the paper: a norm after every convolution, biases in them, norms before the attention."""
    variant = {**CONFIG, "feat_extract_norm": "layer", "do_stable_layer_norm": stable, "conv_bias": True}
    torch.manual_seed(1)
    original = new_hubert(variant).eval()
    for parameter in original.parameters():
        parameter.copy_(torch.randn_like(parameter) * 0.1)
    names = {".parametrizations.weight.original0": ".weight_g", ".parametrizations.weight.original1": ".weight_v"}
    published = {
        re.sub(r"\.parametrizations\.weight\.original[01]", lambda m: names[m[0]], name): tensor
        for name, tensor in original.model.state_dict().items()
    }
    path = tmp_path / "large.pt"
    path.write_bytes(checkpoint(fairseq_state(published, True), "args", False, layer_norm_first=stable))
    torch.testing.assert_close(load_hubert(path)(wave()), original(wave()), rtol=0, atol=0)


def test_half_precision_weights(tmp_path: Path) -> None:
    state = {name: tensor.half() for name, tensor in fairseq_state(published_weights()).items()}
    path = tmp_path / "half.pt"
    path.write_bytes(checkpoint(state, "args", False))
    with torch.no_grad():
        found = load_hubert(path)(wave()).transpose(1, 2)
    assert_close(found, golden("cnhubert_small")["out"], 2e-2)


def test_files_that_are_no_hubert(tmp_path: Path) -> None:
    whole = fairseq_state(published_weights())
    headless = {name: tensor for name, tensor in whole.items() if not name.startswith("post_extract_proj")}
    flat = {**whole, "encoder.pos_conv.0.weight_v": torch.ones(3)}
    broken = {**whole, "encoder.layers.1.fc1.bias": torch.tensor([float("nan")] * 128)}
    cases: dict[str, tuple[Any, str]] = {
        "other": ({"model": {"a.weight": torch.ones(2)}}, "no HuBERT or ContentVec file of fairseq"),
        "none": ({"cfg": 1}, "no HuBERT or ContentVec file of fairseq"),
        "wav2vec": ({"model": {**whole, "quantizer.vars": torch.ones(2)}}, "holds quantizer.vars, which no HuBERT"),
        "headless": ({"model": headless}, "lacks post_extract_proj.weight"),
        "flat": ({"model": flat}, "convolutions of another kind"),
        "broken": ({"model": broken}, "NaN or infinity in encoder.layers.1.fc1.bias"),
        "narrow": (
            {"model": {**whole, "encoder.layers.0.fc2.bias": torch.ones(63)}},
            "another shape of encoder.layers",
        ),
        "folderless": (published_weights(), "name the folder with its config.json"),
    }
    for name, (value, words) in cases.items():
        path = tmp_path / f"{name}.pt"
        torch.save(value, path)
        with pytest.raises(CheckpointError, match=words) as caught:
            load_hubert(path)
        assert path.name in str(caught.value)


def test_settings_are_matched_and_never_evaluated(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    for text in (f"open({str(mark)!r}, 'w')", "[(32,10,5)] * 99999999999", "[(32,10,5" * 90, 7, "[(1,1,3)] * 7"):
        path = tmp_path / "x.pt"
        path.write_bytes(checkpoint(fairseq_state(published_weights()), "args", False, conv_feature_layers=text))
        assert list(load_hubert(path).config.conv_stride) == [5, 2, 2, 2, 2, 2, 2]
    assert not mark.exists()


def test_own_safetensors_are_still_told_apart(tmp_path: Path) -> None:
    save_file(published_weights(), tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match="of another program"):
        load_hubert(tmp_path / "x.safetensors")


def test_a_g2pw_folder(tmp_path: Path) -> None:
    assert not is_g2pw(tmp_path) and not is_g2pw(tmp_path / "absent")
    with pytest.raises(CheckpointError, match="holds no G2PW model"):
        check_g2pw(tmp_path)
    (tmp_path / "g2pW.onnx").write_bytes(b"\x08\x08" + bytes(50))
    for name in TABLES:
        with pytest.raises(CheckpointError, match=f"{name} is missing or empty"):
            check_g2pw(tmp_path)
        (tmp_path / name).write_text("x")
    assert is_g2pw(tmp_path) and check_g2pw(tmp_path) == tmp_path / "g2pW.onnx"
    (tmp_path / "g2pW.onnx").write_text("<html>")
    with pytest.raises(CheckpointError, match="not an ONNX network"):
        check_g2pw(tmp_path)
