"""The weights file: what is kept, what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from gpt_sovits.core.checkpoint import load_checkpoint, load_weights, save_checkpoint
from gpt_sovits.core.config import Strict
from gpt_sovits.core.errors import CheckpointError
from gpt_sovits.core.public import is_ours

CONFIG = {"width": 3, "name": "中", "rates": [1, 2]}


class Shape(Strict):
    width: int = 3
    rates: tuple[int, ...] = (1, 2)


def tensors() -> dict[str, torch.Tensor]:
    shared = torch.arange(6.0)
    return {
        "a.weight": shared.view(2, 3).T,
        "b": shared,
        "count": torch.tensor(7),
        "empty": torch.zeros(0, 2),
        "half": torch.ones(3, dtype=torch.float16),
    }


def test_everything_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.safetensors"
    save_checkpoint(path, "s1", CONFIG, tensors(), {"epoch": 4})
    found = load_checkpoint(path, "s1")
    assert (found.kind, found.config, found.info) == ("s1", CONFIG, {"epoch": 4})
    assert found.tensors.keys() == tensors().keys()
    for name, tensor in tensors().items():
        assert found.tensors[name].dtype == tensor.dtype
        torch.testing.assert_close(found.tensors[name], tensor, rtol=0, atol=0)


def test_any_safetensors_reader_reads_it(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "a.safetensors", "s1", CONFIG, tensors())
    assert load_file(tmp_path / "a.safetensors").keys() == tensors().keys()


def test_a_file_that_another_program_wrote_again_is_still_ours(tmp_path: Path) -> None:
    """The safetensors library writes its header without spaces."""
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, "s1", CONFIG, tensors())
    with safe_open(path, framework="pt") as f:
        metadata = f.metadata()
    save_file(load_file(path), tmp_path / "b.safetensors", metadata)
    assert is_ours(path) and is_ours(tmp_path / "b.safetensors")
    save_file(load_file(path), tmp_path / "c.safetensors", {"format": "pt"})
    assert not is_ours(tmp_path / "c.safetensors")


def test_a_config_class_is_kept_as_plain_values(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "a.safetensors", "s1", Shape(), {})
    assert Shape(**load_checkpoint(tmp_path / "a.safetensors").config) == Shape()


def test_only_floating_tensors_are_cast(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "a.safetensors", "s1", {}, tensors(), dtype=torch.bfloat16)
    found = load_checkpoint(tmp_path / "a.safetensors").tensors
    assert found["b"].dtype == found["half"].dtype == torch.bfloat16 and found["count"].dtype == torch.int64


def test_equal_weights_give_equal_bytes_in_every_process(tmp_path: Path) -> None:
    script = (
        "import sys, torch; from pathlib import Path; from gpt_sovits.core.checkpoint import save_checkpoint\n"
        "save_checkpoint(Path(sys.argv[1]), 's1', {'b': 1, 'a': 2}, {'x': torch.ones(3), 'y': torch.ones(2)}, {'z': 1})"
    )
    for name in ("a", "b"):
        subprocess.run([sys.executable, "-c", script, str(tmp_path / name)], check=True)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def metadata(**changes: str) -> dict[str, str]:
    return {"format": "gpt-sovits", "version": "1", "kind": "s1", "config": "{}", "info": "{}", **changes}


def bad_files(folder: Path) -> dict[str, str]:
    """Files that are not ours, and what the error says of each."""
    weights = {"a": torch.zeros(4)}
    save_checkpoint(folder / "whole", "s1", {}, weights)
    (folder / "cut").write_bytes((folder / "whole").read_bytes()[:-3])
    (folder / "empty").touch()
    (folder / "text").write_text("no weights here, just text\n")
    save_file(weights, folder / "plain")
    save_file(weights, folder / "future", metadata=metadata(version="9"))
    save_file(weights, folder / "other", metadata=metadata(kind="s2"))
    save_file(weights, folder / "broken", metadata=metadata(config="{"))
    save_file(weights, folder / "lost", metadata={"format": "gpt-sovits", "version": "1", "kind": "s1"})
    (folder / "folder").mkdir()
    return {
        "absent": "does not exist",
        "folder": "does not exist",
        "cut": "not a readable safetensors file",
        "empty": "not a readable safetensors file",
        "text": "not a readable safetensors file",
        "plain": "of another program",
        "future": "format version 9; this program reads 1",
        "other": "holds a s2 model, not a s1 model",
        "broken": "lost its configuration",
        "lost": "lost its configuration",
    }


def test_bad_files_are_named_with_the_reason(tmp_path: Path) -> None:
    for name, words in bad_files(tmp_path).items():
        with pytest.raises(CheckpointError, match=words) as caught:
            load_checkpoint(tmp_path / name, "s1")
        assert str(tmp_path / name) in str(caught.value)


def test_loading_is_strict_and_says_what_does_not_fit() -> None:
    module = nn.ModuleDict({"a": nn.Linear(2, 3), "b": nn.Linear(2, 2, bias=False)})
    state = module.state_dict()
    del state["a.bias"]
    state["b.weight"] = torch.zeros(5, 5)
    state.update({f"x{i}": torch.zeros(1) for i in range(5)})
    before = module["a"].weight.clone()
    with pytest.raises(CheckpointError) as caught:
        load_weights(module, state, "a.safetensors")
    assert str(caught.value) == (
        "a.safetensors does not fit ModuleDict: it lacks a.bias; it has unknown x0, x1, x2 …; "
        "it has another shape of b.weight"
    )
    assert torch.equal(module["a"].weight, before)


def test_weights_take_the_format_of_the_module() -> None:
    module = nn.Linear(2, 2).double()
    load_weights(module, {"weight": torch.ones(2, 2).half(), "bias": torch.zeros(2).half()}, "it")
    assert module.weight.dtype == torch.float64 and module.weight.eq(1).all()


def test_bytes_keep_weights_to_a_part_in_a_hundred_and_all_else_in_half(tmp_path: Path) -> None:
    torch.manual_seed(0)
    rows = torch.randn(64, 32, 3) * torch.logspace(-3, 2, 64)[:, None, None]
    tensors = {
        "conv.weight": rows,
        "conv.bias": torch.randn(64),
        "quantizer.codebook": torch.randn(64, 96),
        "steps": torch.tensor(3),
        "block.scale": torch.ones(8),
    }
    save_checkpoint(tmp_path / "a.safetensors", "s2", {}, tensors, dtype=torch.int8)
    save_checkpoint(tmp_path / "b.safetensors", "s2", {}, tensors, dtype=torch.float16)
    found = load_checkpoint(tmp_path / "a.safetensors", "s2").tensors
    assert set(found) == set(tensors)
    error = (found["conv.weight"].float() - rows).flatten(1).abs().amax(1) / rows.flatten(1).abs().amax(1)
    assert error.max() < 0.005
    assert found["quantizer.codebook"].equal(tensors["quantizer.codebook"].half())
    assert found["steps"] == 3 and found["block.scale"].equal(torch.ones(8).half())
    sizes = [(tmp_path / name).stat().st_size for name in ("a.safetensors", "b.safetensors")]
    assert sizes[0] < 0.8 * sizes[1]


def test_bytes_of_bytes_are_the_same(tmp_path: Path) -> None:
    weight = torch.randn(128, 64)
    first, second = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    save_checkpoint(first, "s1", {}, {"x.weight": weight}, dtype=torch.int8)
    once = load_checkpoint(first).tensors["x.weight"]
    save_checkpoint(second, "s1", {}, {"x.weight": once}, dtype=torch.int8)
    twice = load_checkpoint(second).tensors["x.weight"]
    assert (once.float() - twice.float()).abs().max() < 2e-3 * weight.abs().max()
