"""Files as many programs leave them: other containers, number formats, places, wrappers, and parts that are absent."""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save
from torch import Tensor

from ar import load_text2semantic
from ar.convert import from_public as s1_from_public
from ar.convert import public_config
from gpt_sovits.core.errors import CheckpointError
from gpt_sovits.core.public import read_release
from gpt_sovits.exchange.importing import import_files
from gpt_sovits.exchange.recognise import recognise
from sovits import load_sovits
from sovits.convert import config_from_public
from sovits.convert import from_public as s2_from_public
from tests.exchange import public_files

Tensors = dict[str, Tensor]
LARGEST = 150_000
"""Numbers in a tensor; larger ones of stage 2 would tell no more and take long."""
TABLES = {"s1": "s1_small", "s2": "s2G_v2_small"}
LOADERS = {"s1": load_text2semantic, "s2": load_sovits}
RENAMED = {"s1": s1_from_public, "s2": s2_from_public}


def older(content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def cast(weights: Tensors, dtype: torch.dtype) -> Tensors:
    return {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in weights.items()}


def wrapped(weights: Tensors, prefix: str) -> Tensors:
    return {prefix + name: tensor for name, tensor in weights.items()}


VARIANTS: dict[str, Callable[[Tensors, dict[str, Any]], bytes]] = {
    "float32": lambda w, c: public_files.public_bytes({"weight": w, "config": c, "info": "x"}),
    "bfloat16": lambda w, c: public_files.public_bytes({"weight": cast(w, torch.bfloat16), "config": c, "info": "x"}),
    "float64": lambda w, c: public_files.public_bytes({"weight": cast(w, torch.float64), "config": c, "info": "x"}),
    "legacy": lambda w, c: older({"weight": w, "config": c, "info": "x"}),
    "object": lambda w, c: public_files.public_bytes({"weight": w, "config": public_files.HParams(**c), "info": "x"}),
    "namespace": lambda w, c: older({"weight": w, "config": argparse.Namespace(**c)}),
    "state_dict": lambda w, c: public_files.public_bytes({"state_dict": w, "config": c}),
    "model": lambda w, c: public_files.public_bytes({"model": w, "config": c, "iteration": 3}),
    "generator": lambda w, c: public_files.public_bytes({"generator": w, "h": c}),
    "parallel": lambda w, c: public_files.public_bytes({"weight": wrapped(w, "module."), "config": c}),
    "compiled, parallel": lambda w, c: older({"model": wrapped(w, "module._orig_mod."), "config": c}),
    "averaged beside": lambda w, c: public_files.public_bytes(
        {"ema": cast(w, torch.float16), "weight": w, "config": c}
    ),
    "more beside": lambda w, c: public_files.public_bytes(
        {"author": "a", "weight": w, "lr": 0.1, "config": c, "v": [1]}
    ),
    "other order": lambda w, c: public_files.public_bytes({"config": c, "weight": dict(reversed(w.items()))}),
    "a tag": lambda w, c: public_files.public_bytes({"weight": w, "config": c}, b"05"),
}


def written(variant: str, stage: str, path: Path) -> dict[str, Tensor]:
    """A file, and the weights that it should give, under our names."""
    table = TABLES[stage]
    weights = {name: tensor for name, tensor in public_files.filled(table).items() if tensor.numel() <= LARGEST}
    config = public_files.s2_config(table) if stage == "s2" else public_files.tables()[table]["config"]
    path.write_bytes(VARIANTS[variant](weights, config))
    kind = torch.bfloat16 if variant == "bfloat16" else torch.float32
    return {name: tensor.float() for name, tensor in RENAMED[stage](cast(weights, kind)).items()}


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_weights_arrive(variant: str, tmp_path: Path) -> None:
    """The numbers that were put in, as far as the format holds them, and the configuration."""
    for stage in ("s1", "s2"):
        path = tmp_path / f"{stage}.bin"
        expected = written(variant, stage, path)
        found = recognise(path, digest=False)
        assert (found.stage, found.family) == (stage, "v2")
        release = read_release(path)
        tensors = RENAMED[stage](release.tensors)
        assert tensors.keys() == expected.keys() and release.model
        assert all(torch.equal(tensors[name].float(), expected[name]) for name in expected)


def test_loaded_and_imported(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    expected = written("compiled, parallel", "s1", path)
    part = import_files([path], "voice").models[0].need("s1")
    for source in (path, part):
        state = load_text2semantic(source).state_dict()
        assert state.keys() == expected.keys()
        assert all(torch.equal(state[name].float(), expected[name]) for name in expected), source


def test_names_of_no_use_are_left_out_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The public loader passes over tensors of a stage 2 file that it has no place for; so do we, aloud."""
    weights = {**cast(public_files.filled("s2G_v2_small"), torch.float16), "emb_g.weight": torch.ones(3, 4)}
    path = tmp_path / "x.pth"
    path.write_bytes(public_files.public_bytes({"weight": weights, "config": public_files.s2_config("s2G_v2_small")}))
    assert "emb_g.weight" not in load_sovits(path).state_dict()
    assert "left out 1 tensors that stage 2 has no place for: emb_g.weight" in caplog.text


@pytest.mark.parametrize("family", ["v1", "v2", "v2Pro", "v2ProPlus"])
def test_a_lost_configuration_is_that_of_the_published_file(family: str) -> None:
    """What the weights' shapes and the family say is what the published file says, in whole and in part."""
    weights = public_files.meta(f"s2G_{family}")
    model = public_files.s2_config(f"s2G_{family}")["model"]
    whole = config_from_public(model, weights)
    assert config_from_public({}, weights) == whole
    assert config_from_public({name: model[name] for name in list(model)[::2]}, weights) == whole


@pytest.mark.parametrize("table", ["s1_v1", "s1_v2"])
def test_a_lost_configuration_of_stage_1(table: str) -> None:
    expected = public_config(public_files.tables()[table]["config"]["model"])
    assert public_config({}, s1_from_public(public_files.meta(table))) == expected


def test_other_sizes_without_a_configuration_are_refused(tmp_path: Path) -> None:
    """Nothing is guessed: the published sizes fit, or the file is named with what does not."""
    for stage, name in TABLES.items():
        path = tmp_path / f"{stage}.safetensors"
        path.write_bytes(
            save({key: tensor.clone() for key, tensor in cast(public_files.filled(name), torch.float16).items()})
        )
        with pytest.raises(CheckpointError, match="does not fit") as caught:
            LOADERS[stage](path)
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)
