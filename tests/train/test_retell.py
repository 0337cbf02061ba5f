"""Codes that stage 1 tells anew for the training of stage 2, by the embedded model from real speech."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gpt_sovits.core.bundle import Bundle, find_model
from gpt_sovits.core.errors import ConfigError
from gpt_sovits.models import new_model
from gpt_sovits.train.retell import Reteller
from gpt_sovits.train.s2 import train_s2
from prep.run import prepare
from sovits import load_sovits
from sovits.batch import Batch
from sovits.data import SynthesizerDataModule
from sovits.piece import cut, draw
from sovits.recipe import SynthesizerDataConfig, SynthesizerTaskConfig
from sovits.survey import Needs
from sovits.task import SynthesizerTask

CLIPS = Path(__file__).resolve().parents[1] / "data" / "clips"
Retell = Callable[[Batch, Tensor], Tensor]


@pytest.fixture(scope="module")
def tiny() -> Bundle:
    return find_model("tiny")


@pytest.fixture(scope="module")
def batch(tiny: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Batch:
    folder = tmp_path_factory.mktemp("retell")
    (folder / "two.list").write_text(
        "".join(f"{CLIPS / line}\n" for line in (CLIPS / "clips.list").read_text().splitlines()[:2])
    )
    prepare(folder / "two.list", folder / "prepared", "tiny", device="cpu")
    needs = Needs.of(load_sovits(tiny.need("s2")).config, tiny.manifest.symbols)
    data = SynthesizerDataModule(folder / "prepared", SynthesizerDataConfig(batch_size=2, validation_items=0), needs)
    data.setup("fit")
    found: Batch = next(iter(data.train_dataloader()))
    return found


def a_task(tiny: Bundle, share: float, retell: Retell) -> SynthesizerTask:
    return SynthesizerTask(load_sovits(tiny.need("s2")), SynthesizerTaskConfig(retold=share), retell=retell)


def test_most_codes_stay_where_the_text_is_theirs(tiny: Bundle, batch: Batch) -> None:
    """Stage 1 reads text and codes at the right places: with the text turned around it tells less well."""
    codes = load_sovits(tiny.need("s2")).encode_batch(batch.hubert)
    retell = Reteller.of(tiny, 1024, "cpu")
    torch.manual_seed(0)
    told, other = retell(batch, codes), retell(replace(batch, phones=batch.phones.flip(1)), codes)
    spoken = torch.arange(codes.shape[1]) < batch.spec_lengths[:, None] // 2
    kept, left = ((found == codes)[spoken].float().mean() for found in (told, other))
    assert 0.25 < kept < 0.95 and left < kept - 0.05
    assert told.shape == codes.shape and told.max() < 1024


def test_so_many_utterances_are_read_as_told(tiny: Bundle, batch: Batch) -> None:
    """All or none of an utterance, and the right codes of the others."""
    task = a_task(tiny, 0.5, lambda _, codes: (codes + 1) % 1024)
    codes = task.model.encode_batch(batch.hubert)
    torch.manual_seed(0)
    draws = [task._retold(batch) for _ in range(20)]
    heard = torch.stack([(told - codes) % 1024 for told in draws if told is not None])
    assert (heard == heard[..., :1]).all() and 8 < heard[..., 0].sum() < 32
    assert a_task(tiny, 0.0, lambda _, codes: codes + 1)._retold(batch) is None


def _watched(inside: Callable[..., Tensor], places: list[Tensor]) -> Callable[..., Tensor]:
    def features(*given: Tensor) -> Tensor:
        places.append(given[-1])
        return inside(*given)

    return features


def test_the_prior_reads_what_was_told(tiny: Bundle, batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    """And where in the text it is by the right codes."""
    task = a_task(tiny, 1.0, lambda _, codes: torch.full_like(codes, 7))
    read: list[Tensor] = []
    task.model.prior.content.register_forward_pre_hook(lambda _, given: read.append(given[0]))
    places: list[Tensor] = []
    monkeypatch.setattr(task.model.prior, "features", _watched(task.model.prior.features, places))
    with torch.no_grad():
        task._reconstruct(cut(batch, draw(batch, task.model.config.inter), 1)[0])
        right = task.model.places(
            task.model.encode_batch(batch.hubert), batch.phones, batch.spec_lengths // 2, batch.phone_lengths
        )
    frames = batch.spec_lengths.min()
    wanted = task.model.quantizer.codebook[7].expand(int(frames), -1).mT
    assert all(row[:, :frames].allclose(wanted) for row in read[0])
    assert right is not None and places[0].equal(right.repeat_interleave(2, -1))


def test_a_model_without_such_a_stage_1_is_told_so(tmp_path: Path) -> None:
    model = new_model(tmp_path / "v2", "debug")
    (model.folder / "s1.safetensors").unlink()
    manifest = model.folder / "model.yaml"
    manifest.write_text("".join(line for line in manifest.read_text().splitlines(True) if not line.startswith("s1:")))
    with pytest.raises(ConfigError, match=r"task\.retold needs a model whose stage 1 reads phones alone"):
        Reteller.of(find_model(model.folder), 32, "cpu")


def test_codes_that_are_being_learned_are_not_told_anew(tmp_path: Path, experiment: Path, model: Bundle) -> None:
    """No gradient would reach them."""
    settings = ["task.retold=0.5", "freeze_quantizer=false"]
    with pytest.raises(ConfigError, match=r"task\.retold reads codes that stay what they are"):
        train_s2(experiment, model.folder, tmp_path / "out", "debug/train_s2", settings, max_steps=1)


def test_the_command_trains_with_it(tmp_path: Path, experiment: Path, model: Bundle) -> None:
    trained = train_s2(
        experiment, model.folder, tmp_path / "out", "debug/train_s2", overrides=["task.retold=0.5"], max_steps=2
    )
    assert trained.weights.is_file()
