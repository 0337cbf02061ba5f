"""Choosing weights by validation."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpt_sovits.core.bundle import Bundle
from gpt_sovits.core.errors import ConfigError
from tests.train.test_train import equal, run, weights

BEST = ("run.select=best", "run.validate_every=1")


def test_a_training_that_only_harms_leaves_the_weights_it_began_with(
    experiment: Path, model: Bundle, tmp_path: Path
) -> None:
    trained = run("s1", experiment, model.folder, tmp_path, *BEST, "accumulate=1", "optimizer.lr=9", max_steps=3)
    assert trained.best_step == 0 and "best after 0" in str(trained)
    assert sorted(trained.validation) == [0, 1, 2, 3]
    assert equal(weights("s1", model.folder), weights("s1", tmp_path))


@pytest.mark.parametrize("stage", ["s1", "s2"])
def test_the_step_with_the_lowest_figure_is_exported(
    stage: str, experiment: Path, model: Bundle, tmp_path: Path
) -> None:
    good = {"s1": ["accumulate=1", "optimizer.lr=0.005"], "s2": ["task.rate=0.002"]}[stage]
    trained = run(stage, experiment, model.folder, tmp_path / "a", *BEST, *good, max_steps=6)
    best = trained.best_step
    assert best is not None and best > 0
    assert trained.validation[best] == min(trained.validation.values()) < trained.validation[0]
    run(stage, experiment, model.folder, tmp_path / "b", *good, max_steps=best)
    assert equal(weights(stage, tmp_path / "a"), weights(stage, tmp_path / "b"))


def test_an_interrupted_choice_ends_the_same(experiment: Path, model: Bundle, tmp_path: Path) -> None:
    more = (*BEST, "accumulate=1", "optimizer.lr=0.005")
    whole = run("s1", experiment, model.folder, tmp_path / "whole", *more, max_steps=4)
    run("s1", experiment, model.folder, tmp_path / "parts", *more, max_steps=2)
    parts = run("s1", experiment, model.folder, tmp_path / "parts", *more, max_steps=4)
    assert parts.validation == whole.validation and parts.best_step == whole.best_step
    assert equal(weights("s1", tmp_path / "parts"), weights("s1", tmp_path / "whole"))


def test_patience_ends_a_training_that_gets_no_better(experiment: Path, model: Bundle, tmp_path: Path) -> None:
    more = (*BEST, "accumulate=1", "optimizer.lr=9", "run.patience=2")
    trained = run("s1", experiment, model.folder, tmp_path, *more, max_steps=9)
    assert sorted(trained.validation) == [0, 1, 2] and trained.steps == 2 and not trained.interrupted
    again = run("s1", experiment, model.folder, tmp_path, *more, max_steps=9)
    assert again.steps == 2
    more_patient = run("s1", experiment, model.folder, tmp_path, *more[:-1], "run.patience=3", max_steps=9)
    assert more_patient.steps == 3
    assert equal(weights("s1", model.folder), weights("s1", tmp_path))


def test_without_held_back_utterances_there_is_no_best(experiment: Path, model: Bundle, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="held back"):
        run("s1", experiment, model.folder, tmp_path, *BEST, "data.hold_out=0", max_steps=1)
