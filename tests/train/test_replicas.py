"""Two processes on the CPU against one with batches of twice the size."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

from ar.convert import load_text2semantic, save_text2semantic
from ar.model import Text2SemanticDecoder
from gpt_sovits.core import replicas
from gpt_sovits.core.bundle import Bundle
from gpt_sovits.core.errors import ConfigError
from sovits.sampler import BucketSampler
from tests.train.test_train import run, weights

STEPS = 4
# An Adam that does not enlarge rounding noise where gradients are next to nothing.
RECIPES = {
    "s1": ("data.hold_out=2", "data.repeat_below=16", "run.select=best", "run.validate_every=2"),
    # Windows of one length: the style encoder hears the padding, as the public one does. A ratio over the batch: off.
    "s2": ("data.max_frames=40", "data.validation_items=0", "task.epsilon=1e-3", "task.weights.spectral=0"),
}


@pytest.fixture(scope="module")
def still(model: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model without dropout, whose masks differ from process to process."""
    folder = tmp_path_factory.mktemp("still") / "model"
    shutil.copytree(model.folder, folder)
    plain = load_text2semantic(model.need("s1"))
    config = plain.config.model_copy(update={"position_dropout": 0.0, "layer_dropout": 0.0})
    network = Text2SemanticDecoder(config)
    network.load_state_dict(plain.state_dict())
    save_text2semantic(folder / "s1.safetensors", network)
    return folder


def close(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        pair = [ours[name].double(), value.double()]
        if name.endswith("attention.input.bias"):
            # Softmax ignores what all keys share: its gradient is rounding noise, and Adam enlarges it.
            pair = [torch.cat((bias.chunk(3)[0], bias.chunk(3)[2])) for bias in pair]
        assert float((pair[0] - pair[1]).abs().max()) <= 1e-5, name


@pytest.mark.parametrize("stage", RECIPES)
def test_two_processes_train_what_one_does(stage: str, experiment: Path, still: Path, tmp_path: Path) -> None:
    recipe = (*RECIPES[stage], "run.keep_every=2")
    one = run(stage, experiment, still, tmp_path / "one", *recipe, "data.batch_size=4", max_steps=STEPS)
    several = ("data.batch_size=2", "run.devices=2")
    two = run(stage, experiment, still, tmp_path / "two", *recipe, *several, max_steps=STEPS)
    assert two.steps == one.steps == STEPS and not two.interrupted
    close(weights(stage, tmp_path / "two"), weights(stage, tmp_path / "one"))
    assert two.validation.keys() == one.validation.keys()
    assert all(abs(two.validation[step] - one.validation[step]) <= 1e-5 for step in one.validation)
    for kind in ("checkpoints", "logs"):
        files = [
            sorted(str(path.relative_to(folder)) for path in (folder / kind).rglob("*") if "tfevents" not in path.name)
            for folder in (tmp_path / "one", tmp_path / "two")
        ]
        assert files[0] == files[1]
    assert len(list((tmp_path / "two").rglob("*tfevents*"))) == len(list((tmp_path / "one").rglob("*tfevents*")))


def test_what_fails_in_the_processes_is_said_in_words(experiment: Path, model: Bundle, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="1 utterances are held back to judge by, for 2 processes"):
        run("s1", experiment, model.folder, tmp_path, "run.devices=2", max_steps=1)
    with pytest.raises(ConfigError, match="HOST:PORT"):
        run("s1", experiment, model.folder, tmp_path, "run.nodes=2", max_steps=1)


def test_replicas_share_the_batches_of_one() -> None:
    lengths = [50 + 7 * (i % 13) for i in range(43)]
    one = list(BucketSampler(lengths, 6))
    parts = [list(BucketSampler(lengths, 2, replicas=3, rank=rank)) for rank in range(3)]
    assert [len(part) for part in parts] == [len(one)] * 3
    shared = [sorted(i for part in parts for i in part[step]) for step in range(len(one))]
    fuller = [sorted(batch) for batch in one]
    assert sum(a != b for a, b in zip(shared, fuller, strict=True)) == 1  # 43 = 7 * 6 + 1: filled up to three
    assert all(set(b) <= set(a) and len(a) >= 3 for a, b in zip(shared, fuller, strict=True))


def test_alone_nothing_is_added() -> None:
    weight = torch.ones(2, requires_grad=True)
    assert replicas.world() == 1 and replicas.rank() == 0
    assert replicas.sum_gradients([weight]) is False and weight.grad is None
    assert replicas.sum_gradients([weight], faulty=True) is True


def test_a_group_of_one_adds_up_to_itself() -> None:
    store = dist.HashStore()
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        assert replicas.totals([1.5, 2.0], torch.device("cpu")) == [1.5, 2.0]
        assert replicas.any_of([True, False], torch.device("cpu")) == [True, False]
    finally:
        dist.destroy_process_group()
