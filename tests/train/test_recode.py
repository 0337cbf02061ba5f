"""A model carried over to another content encoder says what it said."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ar import load_text2semantic
from gpt_sovits.core.errors import ConfigError, DatasetError
from gpt_sovits.models import new_model
from gpt_sovits.train.recode import Pairs, adopt_stage_1, adopt_stage_2, recode
from sovits import load_sovits


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_model(tmp_path_factory.mktemp("models") / "debug", "debug", seed=1).folder


def test_the_same_encoder_changes_nothing_that_was_heard(tmp_path: Path, model: Path, clips: Path) -> None:
    made = recode(model, model, clips / "clips.list", tmp_path / "out")
    old, new = (load_sovits(folder / "s2.safetensors") for folder in (model, made.folder))
    heard = load_text2semantic(model / "s1.safetensors").code_embedding.weight
    kept = load_text2semantic(made.folder / "s1.safetensors").code_embedding.weight
    same = torch.isclose(heard, kept, atol=2e-2).all(1)
    assert same[-1] and int(same.sum()) > 1
    codes = torch.nonzero(same[:-1])[:, 0]
    before, after = (s.prior.content(s.quantizer.codebook[codes].mT[None]) for s in (old, new))
    torch.testing.assert_close(after, before, atol=2e-2, rtol=2e-2)


def test_codes_that_changed_their_numbers_are_found_again(model: Path) -> None:
    old, new = load_sovits(model / "s2.safetensors"), load_sovits(model / "s2.safetensors")
    size = old.config.quantizer.codes
    order = torch.randperm(size, generator=torch.Generator().manual_seed(0))
    new.quantizer.codebook.copy_(old.quantizer.codebook[order] * 2 + 1)
    pairs = Pairs(torch.eye(size)[order] * 100)
    adopt_stage_2(old, new, pairs)
    wanted = old.prior.content(old.quantizer.codebook[order].mT[None])
    torch.testing.assert_close(new.prior.content(new.quantizer.codebook.mT[None]), wanted, atol=1e-2, rtol=1e-2)
    stage_1 = load_text2semantic(model / "s1.safetensors", dtype="float32")
    before = stage_1.head.weight.detach().clone()
    adopt_stage_1(stage_1, pairs)
    torch.testing.assert_close(stage_1.head.weight[:size], before[order], atol=1e-2, rtol=1e-2)
    assert torch.equal(stage_1.head.weight[size], before[size])


def test_models_that_do_not_fit_and_lists_without_sound_are_refused(tmp_path: Path, model: Path) -> None:
    with pytest.raises(ConfigError, match="they must agree"):
        adopt_stage_1(load_text2semantic(model / "s1.safetensors", dtype="float32"), Pairs(torch.eye(5)))
    (tmp_path / "no.list").write_text("none.wav|a|en|hello\n")
    with pytest.raises(DatasetError, match="no recording that can be heard"):
        recode(model, model, tmp_path / "no.list", tmp_path / "out")
