"""Files are known by their content."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from gpt_sovits.core.checkpoint import save_checkpoint
from gpt_sovits.core.errors import CheckpointError
from gpt_sovits.core.foreign import ForeignFile
from gpt_sovits.core.public import Release
from gpt_sovits.exchange.families import PUBLISHED
from gpt_sovits.exchange.recognise import Recognised, recognise, recognise_release, sha256
from tests.exchange.public_files import meta, public_bytes, s2_config, tables
from tests.golden_data import golden_json

FULL = {
    "s1_v1": ("s1", "v1", "v1"),
    "s1_v2": ("s1", "v2", "v2"),
    "s2G_v1": ("s2", "v1", "v1"),
    "s2G_v2": ("s2", "v2", "v2"),
    "s2G_v2Pro": ("s2", "v2Pro", "v2"),
    "s2G_v2ProPlus": ("s2", "v2ProPlus", "v2"),
    "s2G_v3": ("s2", "v3", "v2"),
    "s2G_v4": ("s2", "v4", "v2"),
    "s2D_v2": ("s2_discriminator", None, None),
    "s2D_v2Pro": ("s2_discriminator", None, None),
    "eres2netv2_w24s4ep4": ("speaker", None, None),
    "v4_vocoder": ("vocoder", None, None),
    "bigvgan_v2_24k_100band_256x": ("vocoder", None, None),
    "cnhubert": ("hubert", None, None),
    "bert_roberta_wwm_ext_large": ("bert", None, None),
}


def seen(name: str, folder: Path, head: bytes = b"PK", config: dict[str, Any] | None = None) -> Recognised:
    """A table of names and shapes, as if it had been read from a file."""
    path = folder / "anything.bin"
    path.write_bytes(head)
    tensors = meta(name)
    tree = {"weight": tensors, "config": config or {}, "info": "GPT-e15"}
    return recognise_release(Release(ForeignFile(path, "zip", head, tree), tensors, config or {}, "GPT-e15", None))


@pytest.mark.parametrize("name", FULL)
def test_every_public_network(name: str, tmp_path: Path) -> None:
    config = s2_config(name) if name in ("s2G_v3", "s2G_v4") else None
    found = seen(name, tmp_path, config=config)
    assert (found.stage, found.family, found.symbols) == FULL[name]
    assert found.tensors == len(tables()[name]["keys"])
    assert found.use and not found.lora


@pytest.mark.parametrize("name", ["s2G_v1_small", "s2G_v2_small", "s2G_v2Pro_small", "s2G_v2ProPlus_small"])
def test_other_sizes_of_a_family(name: str, tmp_path: Path) -> None:
    assert seen(name, tmp_path).family == name.removeprefix("s2G_").removesuffix("_small")


@pytest.mark.parametrize(("head", "family"), [(b"03", "v3"), (b"04", "v4"), (b"02", "v3")])
def test_the_head_decides_between_v3_and_v4_only(head: bytes, family: str, tmp_path: Path) -> None:
    lora = seen("s2G_v3v4_lora32", tmp_path, head)
    assert (lora.family, lora.symbols, lora.lora, lora.rank) == (family, "v2", True, 32)
    assert seen("s2G_v2Pro", tmp_path, head).family == "v2Pro"


def test_the_configuration_goes_before_the_head(tmp_path: Path) -> None:
    assert seen("s2G_v4", tmp_path, b"02", s2_config("s2G_v4")).family == "v4"


def test_what_cannot_be_told_is_said(tmp_path: Path) -> None:
    assert "taken for v3" in seen("s2G_v4", tmp_path).notes[0]


def test_the_sum_of_a_published_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import hashlib

    digest = hashlib.md5(b"PK", usedforsecurity=False).hexdigest()
    monkeypatch.setitem(PUBLISHED, digest, ("s2Gv4", "v4"))
    found = seen("s2G_v4", tmp_path)
    assert (found.family, found.published, found.notes) == ("v4", "s2Gv4", ())


def test_heads_are_those_of_the_public_writer() -> None:
    from gpt_sovits.exchange.families import HEADS

    for version, row in golden_json("ckpt_heads").items():
        assert HEADS[bytes(row["head4"][:2])] == version == row["detected"][1]


def test_a_release_is_described(public: Path, tmp_path: Path) -> None:
    path = tmp_path / "gpt.ckpt"
    path.write_bytes((public / "voice_e8_s120.pth").read_bytes())
    found = recognise(path)
    assert (found.stage, found.family, found.content, found.info) == ("s2", "v2", "release", "8epoch_120iteration")
    assert found.parts == ("prior", "flow", "generator", "style", "codebook")
    assert (found.dtype, found.head, found.container) == ("float16", "PK", "zip")
    assert found.sha256 == sha256(path) and found.bytes == path.stat().st_size
    assert found.config["model"]["gin_channels"] == 512
    assert "posterior encoder" in found.use


def test_a_training_state(tmp_path: Path) -> None:
    path = tmp_path / "G_233333333333.pth"
    state = {"model": {"discriminators.0.convs.0.bias": torch.zeros(16)}, "optimizer": {}, "iteration": 3}
    path.write_bytes(public_bytes(state))
    found = recognise(path)
    assert (found.stage, found.content) == ("s2_discriminator", "training state")


def test_our_own_file(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "a.safetensors", "s1", {"width": 3}, {"x": torch.zeros(4)}, {"steps": 7})
    found = recognise(tmp_path / "a.safetensors")
    assert (found.stage, found.container, found.parameters, found.info) == ("s1", "ours", 4, '{"steps": 7}')


def test_what_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "other.pth").write_bytes(public_bytes({"conv.weight": torch.zeros(2)}))
    with pytest.raises(CheckpointError, match=r"other\.pth is no model of GPT-SoVITS: its tensors are called conv"):
        recognise(tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=r"folder without a readable config\.json"):
        recognise(tmp_path)
    with pytest.raises(CheckpointError, match="does not exist"):
        recognise(tmp_path / "none.pth")
